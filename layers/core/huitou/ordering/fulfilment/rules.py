"""Which step a paid order may take."""

from __future__ import annotations

from huitou.ordering.orders.models import Order, Status


def fits_mode(order: Order, to: Status) -> bool:
    """Whether an order of this mode takes this step from here: a 外送 order is on its way first."""
    if order.mode == "delivery":
        return not (order.status == "ready" and to == "picked_up")
    return to != "delivering"
