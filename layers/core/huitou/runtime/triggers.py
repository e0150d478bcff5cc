"""The table of database triggers: which change of which document starts which function.

If other functions must react to a change, the same write sets a marker field to "due". Who writes
it tells `Followers`, which start the function after the commit; for writers outside our functions
the relay does so. If a call is lost, the function's own timer finds the document by the same
marker.
"""

from __future__ import annotations

from dataclasses import dataclass

DUE = "due"
DONE = "done"


@dataclass(frozen=True)
class Trigger:
    """Documents of `collection` whose `marker` becomes "due" start `function`."""

    collection: str
    marker: str
    function: str


TRIGGERS = (
    Trigger("orders", "settlement", "points-sync"),
    Trigger("accounts", "tier_review", "tier-evaluate"),
    Trigger("accounts", "benefits", "coupon-issue"),
)
