"""Refunds: money going back, whole or in part, and who may say so."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.payments.models import BillMark, Merchant
from huitou.runtime.documents import Record, Request, Stored

RefundStatus = Literal[
    "awaiting_approval", "rejected", "requested", "processing", "success", "abnormal", "closed"
]
Role = Literal["member", "cashier", "manager", "finance", "system"]


class RefundLine(Record):
    """So many pieces of one line of an order; `line` counts from 0."""

    line: int = Field(ge=0)
    quantity: int = Field(ge=1)


class Refund(Stored):
    """Money going back for one payment; `id` is our out_refund_no.

    `order` refunds belong to an order's refunds; `surplus` ones give back money that came for
    an order already paid or cancelled, and touch no order. `total_fen` is what the payment took.
    Without an `out_trade_no` nothing was paid in money.
    """

    kind: Literal["order", "surplus"]
    order_id: str
    member_id: str
    store_id: str | None = None
    out_trade_no: str | None = None
    merchant: Merchant | None = None
    total_fen: int = 0
    amount_fen: int
    lines: list[RefundLine] = Field(default=[])
    reason: str
    actor: str
    role: Role = "system"
    decided_by: str | None = None
    status: RefundStatus = "requested"
    created_at: datetime
    success_at: datetime | None = None
    bill: BillMark | None = None
