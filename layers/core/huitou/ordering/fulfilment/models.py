"""Fulfilment: what the store's people do to a paid order."""

from __future__ import annotations

from pydantic import Field

from huitou.ordering.orders.models import OrderRequest


class StepRequest(OrderRequest):
    """Take one step with an order; internal callers, who vouch for the actor."""

    actor: str = Field(min_length=1, max_length=64)


class RefuseRequest(StepRequest):
    """拒单: give a paid order back because the store can't make it."""

    reason: str = Field(min_length=1, max_length=80)
