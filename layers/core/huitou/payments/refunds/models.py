"""Refunds: money given back, whole or in part, and who may decide about it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from huitou.catalog.stores.models import Merchant
from huitou.ordering.orders.models import LineBack, OrderRequest
from huitou.payments.charges.models import MOST_FEN, NUMBER, BillMark
from huitou.payments.wechat_pay.models import Told
from huitou.runtime.documents import Answer, Request, Stored, Unfit
from huitou.runtime.limits import Fen, Most, Revision, SomeCount, SomeFen
from huitou.runtime.typed import Name

RefundStatus = Literal[
    "awaiting_approval",
    "rejected",
    "requested",
    "abandoning",
    "processing",
    "success",
    "abnormal",
    "closed",
]
# The outcome of a step or a notice: the refund's status, or why it went no further.
RefundOutcome = (
    RefundStatus | Literal["repeated", "refused", "waits for shares", "waits its minute"]
)
DifferingField = Literal[
    "out_refund_no", "out_trade_no", "amount.refund", "amount.total", "mchid", "sub_mchid"
]  # The field in which a notice differs from our refund.
StaffRole = Literal["cashier", "manager", "finance"]
Role = StaffRole | Literal["member", "system"]  # "system" means our own rules, such as 拒单.


class RefundLine(Request):
    """How many pieces of one line of an order to give back; `line` counts from 0."""

    line: int = Field(ge=0, le=999)
    quantity: SomeCount


class RefundRules(Stored):
    """What a cashier or a store manager refunds alone; above it somebody else decides.

    One limit is for the total of an order's refunds, the other one for all that a person refunds on
    a business day, so that many small ones count like one large one. Points and coupons that come
    back with the money count, too.
    """

    id: Literal["refunds"] = Field(default="refunds", alias="_id")
    revision: Revision = 1
    cashier_limit_fen: Fen = 5_000
    manager_limit_fen: Fen = 50_000
    cashier_day_limit_fen: Fen = 100_000
    manager_day_limit_fen: Fen = 500_000
    window_h: Annotated[int, Most(24 * 366)] = Field(
        default=24, ge=0, description="after completion; then finance decides"
    )


class RefundRequest(OrderRequest):
    """Refund an order: some lines, or an amount, or (if neither is named) all that is left.

    Only for internal callers, who vouch for the actor and the role. A second request with the same
    `refund_id` returns the same refund.
    """

    refund_id: str = Field(pattern=r"^[0-9A-Za-z_\-]{6,64}$")
    lines: list[RefundLine] = Field(default=[], max_length=50)
    amount_fen: SomeFen | None = None
    reason: Name = Field(min_length=1, max_length=80)
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole

    @model_validator(mode="after")
    def _by_line_or_amount(self) -> "RefundRequest":
        if self.lines and self.amount_fen is not None:
            raise Unfit("amount_fen", "退款按菜品或按金额，只填一项", "either this or lines")
        return self


class AskRefundRequest(OrderRequest):
    """A guest asks for money back; the store decides."""

    lines: list[RefundLine] = Field(default=[], max_length=50)
    reason: Name = Field(min_length=1, max_length=80)


class DecideRefundRequest(Request):
    """Approve or reject a refund that waits for approval. Whoever asked for it can't decide it."""

    refund_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)
    role: StaffRole


class RefundByIdRequest(Request):
    """Name a refund to give up, or one that WeChat Pay closed and that is to be tried again."""

    refund_id: str = Field(min_length=1, max_length=64)
    actor: str = Field(min_length=1, max_length=64)


class RefundsRequest(Request):
    """List refunds that wait for a decision, or that WeChat Pay couldn't pay out; sorted by id."""

    status: Literal["awaiting_approval", "abnormal"] = "awaiting_approval"
    after: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=50, ge=1, le=200)


class Refund(Stored):
    """Money going back for one payment; `id` is our out_refund_no.

    A refund of kind `order` reduces what was paid for the order. One of kind `surplus` gives back
    money that came for an order already paid or cancelled, and changes no order. `total_fen` is
    what the payment took. Without an `out_trade_no` the order took no money. `asked_fen` is the
    amount asked for; None for a refund by line or of the whole rest.
    """

    kind: Literal["order", "surplus"]
    order_id: str
    member_id: str
    store_id: str | None = None
    out_trade_no: str | None = None
    merchant: Merchant | None = None
    total_fen: int | None = None
    amount_fen: int
    asked_fen: int | None = None
    lines: list[LineBack] = Field(default=[])
    reason: str
    actor: str
    role: Role = "system"
    decided_by: str | None = None
    abandoned_at: datetime | None = None
    status: RefundStatus = "requested"
    created_at: datetime
    success_at: datetime | None = None
    bill: BillMark | None = None

    def shown(self) -> "RefundAnswer":
        """What members and staff see of a refund."""
        fields = {
            name: getattr(self, name) for name in RefundAnswer.model_fields if name != "refund_id"
        }
        return RefundAnswer(refund_id=self.id, **fields)


class RefundAnswer(Answer):
    """A refund. It is `success` only once WeChat Pay says so, which takes seconds to days."""

    refund_id: str
    order_id: str
    status: RefundStatus
    amount_fen: int
    lines: list[LineBack] = Field(default=[])
    reason: str
    created_at: datetime
    success_at: datetime | None = None


class RefundsAnswer(Answer):
    """A page of refunds; `next` is the cursor of the following page."""

    refunds: list[RefundAnswer]
    next: str | None


class RefundAmount(Told):
    refund: int = Field(ge=0, le=MOST_FEN)
    total: int | None = Field(default=None, ge=0, le=MOST_FEN)


class RefundNotice(Told):
    """A refund as WeChat Pay describes it.

    A callback calls its state `refund_status`, the answer to a query `status`.
    """

    out_refund_no: str = Field(pattern=NUMBER)
    out_trade_no: str = Field(pattern=NUMBER)
    mchid: str | None = None
    sp_mchid: str | None = None
    sub_mchid: str | None = None
    amount: RefundAmount
    refund_status: str = Field(default="", alias="status")
    success_time: AwareDatetime | None = None
