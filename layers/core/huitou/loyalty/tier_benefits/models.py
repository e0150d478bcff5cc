"""What comes of granting the coupons of a tier."""

from typing import Literal

# "nothing new": they were due, and a run before had issued them all.
GrantOutcome = Literal["issued", "nothing new", "nothing due"]
