"""The outcomes of telling WeChat an order's progress."""

from typing import Literal

ShippingOutcome = Literal["told", "refused", "not needed"]
CardOutcome = Literal["shown", "refused", "shown before", "nothing to show"]
