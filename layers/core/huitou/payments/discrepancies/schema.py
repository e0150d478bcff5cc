"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration(
        "discrepancies",
        "for ever (accounting law)",
        [
            index("status", "-last_at", "-_id"),
            index("day", "status", "-last_at", "-_id"),
            index("reference", "status"),
        ],
    ),
)
