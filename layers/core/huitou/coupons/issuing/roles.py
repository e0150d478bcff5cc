"""Who may give coupons and points by hand."""

from typing import Literal

# Models of other areas name it, and those must not load all models of coupons.
GiverRole = Literal["cashier", "manager", "finance", "marketing"]
