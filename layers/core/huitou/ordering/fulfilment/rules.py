"""Which step a paid order may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huitou.ordering.orders.models import Order, Status


def fits_mode(order: Order, to: Status) -> bool:
    """Tell whether the order's mode allows this step.

    A 外送 order must be `delivering` before it is picked up; no other mode has that step.
    """
    if order.mode == "delivery":
        return not (order.status == "ready" and to == "picked_up")
    return to != "delivering"
