"""对账: WeChat Pay's daily bills, and the results of comparing them with our books."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.catalog.stores.models import Merchant
from huitou.payments.charges.models import BillMark, PaymentStatus
from huitou.payments.discrepancies.models import ShownDiscrepancy
from huitou.payments.profit_sharing.models import ShareTerms
from huitou.payments.refunds.models import RefundStatus
from huitou.runtime.documents import Record, Request, Stored
from huitou.runtime.limits import DayText

CheckOutcome = Literal["checked", "bill not ready", "bill damaged"]
BillKind = Literal["trade", "fundflow"]


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One row of a trade bill: a payment, or a refund that WeChat Pay accepted that day.

    Amounts in fen: `total_fen` 订单金额, `settled_fen` 应结订单金额, `asked_fen` 申请退款金额,
    `refunded_fen` 退款金额, `fee_fen` 手续费, negative where WeChat Pay gives it back. If a coupon
    paid a part, 应结订单金额 is less than 订单金额, and 退款金额 less than 申请退款金额. A payment
    has no `out_refund_no`.
    """

    at: datetime
    mchid: str
    sub_mchid: str | None
    transaction_id: str
    out_trade_no: str
    state: str
    out_refund_no: str | None
    refund_state: str
    total_fen: int
    settled_fen: int
    asked_fen: int
    refunded_fen: int
    fee_fen: int


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One row of a fund flow bill: money that went into or out of the merchant's account."""

    kind: str
    income: bool
    amount_fen: int


class BillSums(Record):
    """A trade bill's sums. `fees_fen` and `fees_back_fen` are both positive."""

    payments: int = 0
    refunds: int = 0
    taken_fen: int = 0
    given_back_fen: int = 0
    fees_fen: int = 0
    fees_back_fen: int = 0

    @property
    def kept_fen(self) -> int:
        """What the day adds to the account: payments minus refunds minus fees not given back."""
        return self.taken_fen - self.given_back_fen - self.fees_fen + self.fees_back_fen


class BilledPayment(Record):
    """The fields of a payment that a bill is compared with."""

    id: str = Field(alias="_id")
    status: PaymentStatus
    amount_fen: int
    store_id: str | None = None
    merchant: Merchant | None = None
    sharing: ShareTerms | None = None
    transaction_id: str | None = None
    success_at: datetime | None = None
    bill: BillMark | None = None


class BilledRefund(Record):
    """The fields of a refund that a bill is compared with."""

    id: str = Field(alias="_id")
    status: RefundStatus
    amount_fen: int
    out_trade_no: str | None = None
    store_id: str | None = None
    merchant: Merchant | None = None
    created_at: datetime
    success_at: datetime | None = None
    bill: BillMark | None = None


class BillRun(Stored):
    """One day's check of one merchant; `id` is "<mchid>|<day>".

    If a bill isn't there yet, `tried_at` keeps the timer from asking again at once.
    """

    mchid: str
    day: str
    status: Literal["tried", "checked"] = "tried"
    tried_at: datetime
    at: datetime | None = None
    rows: int = 0
    sums: BillSums = BillSums.model_construct()
    differences: int = 0
    fund_flow: Literal["agrees", "differs"] | None = None


class BillReport(Record):
    """The result of checking one day. `open` counts that day's unresolved differences."""

    day: str
    mchid: str
    rows: int
    payments: int
    refunds: int
    taken_fen: int
    given_back_fen: int
    fees_fen: int
    kept_fen: int
    fund_flow: Literal["agrees", "differs"]
    found: int
    new: int
    cleared: int
    open: int
    differences: list[ShownDiscrepancy]


class ReconcileBillRequest(Request):
    """Check a calendar day (Shanghai) against its bill; by default the last day that has one."""

    day: DayText | None = None
