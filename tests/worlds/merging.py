"""Merge two members of a test's chain, as the person who shows both accounts does."""

from __future__ import annotations

from chain_data import FakeClock
from huitou.operations.merges.models import MergeAnswer, MergeMembersRequest
from huitou.operations.merges.service import Merges
from huitou.runtime.database import Database


def merged(
    database: Database, clock: FakeClock, source: str, into: str, merge_id: str = ""
) -> MergeAnswer:
    """Merge a member into another one."""
    return Merges(database, clock, "huitou").merge_members(
        MergeMembersRequest(
            merge_id=merge_id or f"m-{source[-12:]}-{into[-12:]}",
            from_member=source,
            into_member=into,
            actor="ann",
            reason="同一人",
        )
    )
