"""Divides a price's inputs into those that many orders share and the order's own, and joins them.

Pure: no clock, no database.
"""

from __future__ import annotations

import hashlib
from datetime import date

from huitou.ordering.quotes.models import OwnInputs, PriceInputs, SharedInputs
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.ordering.orders.models import Order

_DIGITS = 24  # Of the digest in an id, as in an order's id.
_SHARED = set(SharedInputs.model_fields) - {"id", "schema_"}
_OWN = set(OwnInputs.model_fields) - {"shared"}
# The field of the order that says the same as a field of its price's inputs.
_OF_ORDER = {
    "day": "business_day",
    "store_id": "store_id",
    "mode": "mode",
    "channel": "channel",
    "delivery_fen": "delivery_fen",
    "points": "points_used",
}


def divide_inputs(inputs: PriceInputs) -> tuple[SharedInputs, OwnInputs]:
    """Return the two parts of the inputs that don't stand in the order's own fields."""
    digest = hashlib.sha256(inputs.model_dump_json(include=_SHARED).encode()).hexdigest()
    shared = {name: getattr(inputs, name) for name in _SHARED}
    own = {name: getattr(inputs, name) for name in _OWN}
    identity = digest[:_DIGITS]
    return SharedInputs(id=identity, **shared), OwnInputs(shared=identity, **own)


def join_inputs(order: Order, own: OwnInputs, shared: SharedInputs) -> PriceInputs:
    """Return an order's inputs as they were divided."""
    of_order = {name: getattr(order, field) for name, field in _OF_ORDER.items()}
    of_order["day"] = date.fromisoformat(order.business_day)
    parts = {name: getattr(own, name) for name in _OWN}
    parts |= {name: getattr(shared, name) for name in _SHARED}
    return PriceInputs(**of_order, **parts)
