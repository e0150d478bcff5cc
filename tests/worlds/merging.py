"""Merge two members of a test's chain, as a person does who shows the codes of both accounts."""

from __future__ import annotations

import time
from typing import Any

from chain_data import FakeClock
from huitou.operations.merges.models import MergeAnswer, MergeMembersRequest
from huitou.operations.merges.proofs import proof_code
from huitou.operations.merges.service import Merges
from huitou.runtime.database import Database

KEY = b"m" * 32


def wish(source: str, into: str, merge_id: str = "", **more: Any) -> MergeMembersRequest:
    """Return the request to merge a member into another one, without codes."""
    return MergeMembersRequest(
        merge_id=merge_id or f"m-{source[-12:]}-{into[-12:]}",
        from_member=source,
        into_member=into,
        **{"actor": "ann", "reason": "同一人", **more},
    )


def codes(source: str, into: str) -> dict[str, str]:
    """Return the codes that both accounts show now."""
    now = time.time()
    return {"from_code": proof_code(KEY, source, now), "into_code": proof_code(KEY, into, now)}


def merged(
    database: Database, clock: FakeClock, source: str, into: str, merge_id: str = ""
) -> MergeAnswer:
    """Merge a member into another one at once, with both codes."""
    answer = Merges(database, clock, "huitou", KEY).merge_members(
        wish(source, into, merge_id, **codes(source, into))
    )
    assert answer.status == "merged"
    return answer
