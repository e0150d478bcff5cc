"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("campaigns", "for ever (records of promotions)"),
    Declaration("campaign_states", "for ever", [index("status", "-priority", "_id")]),
)
