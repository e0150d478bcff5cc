"""分账 (profit sharing): who shares in a store's orders, and how each order's money was divided."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from huitou.runtime.documents import Record, Stored
from huitou.runtime.limits import Fen, Revision

ReceiverType = Literal["MERCHANT_ID", "PERSONAL_OPENID"]
Role = Literal["store", "franchisee", "platform"]
ShareStatus = Literal["nothing_to_share", "planned", "asked", "finished", "cancelled", "failed"]
CarryOnOutcome = ShareStatus | Literal["no share"]
PartStatus = Literal["planned", "success", "closed"]
ReturnStatus = Literal["processing", "success", "failed"]


class ShareTerm(Record):
    """One receiver's claim on each order: a ratio of what the fee leaves, or a fixed amount."""

    account: str = Field(min_length=1, max_length=64)
    type: ReceiverType = "MERCHANT_ID"
    role: Role
    ratio_bp: int = Field(default=0, ge=0, le=10_000, description="of paid minus fee")
    fixed_fen: Fen = 0
    cap_fen: Fen | None = Field(default=None, description="at most this much of one order")


class ShareTerms(Record):
    """How one payment's money is divided; frozen on the payment when it is opened.

    `fee_bp` is the merchant's fee rate at WeChat Pay, `max_share_bp` the largest part of an
    order that WeChat Pay lets this merchant share out. With a `brand_mchid` it is 品牌分账.
    """

    rules_revision: int = 0
    fee_bp: int = Field(default=60, ge=0, le=10_000)
    max_share_bp: int = Field(default=3_000, ge=0, le=10_000)
    brand_mchid: str | None = None
    terms: list[ShareTerm] = Field(default=[], max_length=50)


class Receiver(Record):
    """A receiver, as we register it at WeChat Pay once; `name` must be its registered name.

    It may be a person's name, so we never log it. It leaves our system only encrypted, or over TLS
    to WeChat Pay itself.
    """

    account: str = Field(min_length=1, max_length=64)
    type: ReceiverType = "MERCHANT_ID"
    name: str = Field(default="", max_length=256, repr=False)
    relation_type: str = Field(min_length=1, max_length=32)


class ShareRules(Stored):
    """The rules for one store's orders from now on; `id` is the store's, or "default".

    Only a later revision replaces them. `receivers` describes the accounts named in `terms`.
    """

    revision: Revision
    fee_bp: int = Field(default=60, ge=0, le=10_000)
    max_share_bp: int = Field(default=3_000, ge=0, le=10_000)
    brand_mchid: str | None = Field(default=None, min_length=1, max_length=32)
    terms: list[ShareTerm] = Field(default=[], max_length=50)
    receivers: list[Receiver] = Field(default=[], max_length=50)


class Held(Record):
    """The money of a refund that has begun and not ended.

    It is `cleared` once no receiver's part includes it: the parts were frozen without it, or we
    asked the receivers to give it back.
    """

    refund_id: str
    amount_fen: int
    cleared: bool = False


class SharePart(Record):
    """One receiver's part: `planned_fen` is what was planned, `amount_fen` what it got.

    `amount_fen` is 0 if WeChat Pay closed the part. `returned_fen` is what the receiver gave back
    before refunds.
    """

    account: str
    type: ReceiverType
    role: Role
    planned_fen: int
    amount_fen: int
    returned_fen: int = 0
    status: PartStatus = "planned"
    fail_reason: str | None = None


class ShareReturn(Record):
    """What one receiver gives back for one refund.

    `out_return_no` follows from the refund and the account.
    """

    refund_id: str
    account: str
    out_return_no: str
    amount_fen: int
    status: ReturnStatus = "processing"
    fail_reason: str | None = None


class Share(Stored):
    """How one order's money is divided; `id` is the order's.

    In every stored state: paid_fen - refunded_fen = fee_fen + Σ(amount_fen - returned_fen) of the
    parts + kept_fen. `kept_fen` is the merchant's; it is negative if a receiver couldn't give back
    what a refund took.

    planned    the parts are computed anew from what is paid, refunded and held
    asked      the parts are frozen; we ask WeChat Pay (`accepted`: it has taken the request)
    finished   WeChat Pay has shared the money out
    failed     WeChat Pay refused for good; the merchant keeps all of it
    cancelled  all of it was refunded before it was shared

    `look_at` is when the timer looks at the share next; absent if nothing is left to do.
    """

    LEFT_OUT: ClassVar[dict[str, Any]] = {
        "refunds": [],
        "held": [],
        "parts": [],
        "accepted": False,
        "refusals": 0,
        "returns": [],
    }

    member_id: str
    store_id: str | None = None
    out_trade_no: str
    transaction_id: str
    mchid: str
    sub_mchid: str | None = None
    paid_fen: int
    refunded_fen: int = 0
    refunds: list[str] = Field(default=[], description="refund ids in refunded_fen")
    held: list[Held] = Field(default=[])
    fee_fen: int
    parts: list[SharePart] = Field(default=[])
    kept_fen: int
    terms: ShareTerms
    status: ShareStatus
    accepted: bool = False
    refusals: int = 0
    fail_reason: str | None = None
    out_order_no: str
    not_before: datetime
    look_at: datetime | None = None
    returns: list[ShareReturn] = Field(default=[])
    version: int = 1
