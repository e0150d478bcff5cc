"""What comes of telling WeChat where an order stands."""

from __future__ import annotations

from typing import Literal

ShippingOutcome = Literal["told", "refused", "not needed"]
CardOutcome = Literal["shown", "refused", "shown before", "nothing to show"]
