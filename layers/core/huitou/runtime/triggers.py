"""Which change of which document starts which function: the one table of database triggers.

A change that others must follow sets a marker field to "due" in the same write. The relay turns
such changes into calls; the target's own timer finds by the same marker what a lost event left.
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
