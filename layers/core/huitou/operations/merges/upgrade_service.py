"""Finish merges that the version before began: it left orders with the old id."""

from __future__ import annotations

from huitou.operations.merges.service import Merges
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database
from huitou.runtime.migrations import pages


def finish_old_merges(database: Database) -> None:
    """Move what is left with members who were merged; safe to repeat."""
    merges = Merges(database, RealClock(), "")
    for page in pages(database, "members", "merged_into"):
        for member in page:
            if member.get("merged_into") is not None:
                merges.finish_old_merge(member["_id"])
