"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("dishes", "for ever"),
    Declaration(
        "store_dishes",
        "for ever",
        [
            index("store_id", "listed", "_id"),
            index("store_id", partialFilterExpression={"sold_out": True}, name="sold_out"),
        ],
    ),
)
