"""Fulfilment: the steps that a store's staff take with a paid order."""

from pydantic import Field

from huitou.ordering.orders.models import OrderRequest
from huitou.runtime.typed import Name


class StepRequest(OrderRequest):
    """Take one step with an order. For internal callers, who vouch for the actor."""

    actor: str = Field(min_length=1, max_length=64)


class RefuseRequest(StepRequest):
    """拒单: refund a paid order because the store can't make it."""

    reason: Name = Field(min_length=1, max_length=80)
