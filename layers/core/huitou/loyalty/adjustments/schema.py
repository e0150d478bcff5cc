"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration(
        "points_adjustments",
        "for ever (accounting law)",
        [index("member_id", "actor", "day"), index("status", "-created_at", "-_id")],
    ),
    Declaration("staff_gifts", "for ever (accounting law)"),
)
