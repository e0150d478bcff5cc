"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration(
        "kpi_days",
        "for ever",
        [
            index("store_id", "channel", "day"),
            index("day", partialFilterExpression={"new_members": {"$gt": 0}}, name="day_joined"),
        ],
    ),
    Declaration("kpi_marks", "until counted again"),
    Declaration("kpi_state", "overwritten"),
)
