"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.operations.merges.upgrade_service import finish_old_merges
from huitou.runtime.declarations import Declaration, index
from huitou.runtime.migrations import Migration

DECLARATIONS = (
    Declaration(
        "merges",
        "for ever",
        [
            index("from_member"),
            index("into_member"),
            index("status", "-at", "-_id"),
            # Numbers the merges that an actor makes alone on a day: of two at once, one fails.
            index(
                "actor",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_alone_per_place",
            ),
        ],
    ),
)


MIGRATIONS = (Migration(8, "members merged before follow with their orders", finish_old_merges),)
