"""分账: who shares in a store's orders, and what became of each order's money."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Record, Stored

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
    fixed_fen: int = Field(default=0, ge=0)
    cap_fen: int | None = Field(default=None, ge=0, description="at most this much of one order")


class ShareTerms(Record):
    """How one payment's money is divided; frozen on the payment when it is opened.

    `fee_bp` is the merchant's fee rate at WeChat Pay, `max_share_bp` the largest part of an
    order that WeChat Pay lets this merchant give away. With a `brand_mchid` it is 品牌分账.
    """

    rules_revision: int = 0
    fee_bp: int = Field(default=60, ge=0, le=10_000)
    max_share_bp: int = Field(default=3_000, ge=0, le=10_000)
    brand_mchid: str | None = None
    terms: list[ShareTerm] = Field(default=[], max_length=50)


class Receiver(Record):
    """Who a receiver is, as WeChat Pay wants to be told once: `name` must be the registered one.

    Names may be those of persons: they are never logged and leave only encrypted, or over TLS to
    WeChat Pay itself.
    """

    account: str = Field(min_length=1, max_length=64)
    type: ReceiverType = "MERCHANT_ID"
    name: str = Field(default="", max_length=256, repr=False)
    relation_type: str = Field(min_length=1, max_length=32)


class ShareRules(Stored):
    """What holds for one store's orders from now on; `id` is the store's, or "default".

    Replaced only by a later revision. `receivers` tells who the accounts in `terms` are.
    """

    revision: int = Field(ge=1)
    fee_bp: int = Field(default=60, ge=0, le=10_000)
    max_share_bp: int = Field(default=3_000, ge=0, le=10_000)
    brand_mchid: str | None = Field(default=None, min_length=1, max_length=32)
    terms: list[ShareTerm] = Field(default=[], max_length=50)
    receivers: list[Receiver] = Field(default=[], max_length=50)


class Held(Record):
    """A refund that has begun and not ended.

    `cleared` once no receiver's part counts on its money: the parts were frozen without it, or
    receivers were asked to give it back.
    """

    refund_id: str
    amount_fen: int
    cleared: bool = False


class SharePart(Record):
    """One receiver's part: what was `planned_fen` and what it got, `amount_fen`.

    Closed by WeChat Pay it is 0. `returned_fen` is what came back of it before refunds.
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
    """What one receiver gives back for one refund; `out_return_no` follows from the two."""

    refund_id: str
    account: str
    out_return_no: str
    amount_fen: int
    status: ReturnStatus = "processing"
    fail_reason: str | None = None


class Share(Stored):
    """What becomes of one order's money; `id` is the order's.

    In every stored state: paid_fen - refunded_fen = fee_fen + Σ(amount_fen - returned_fen) of the
    parts + kept_fen. `kept_fen` is the merchant's; it is negative where a receiver can't give back
    what a refund took.

    planned    parts follow what is paid, refunded and held
    asked      parts are frozen; WeChat Pay is asked (`accepted`: it has said so)
    finished   WeChat Pay has shared it out
    failed     WeChat Pay refused for good; the merchant has all of it
    cancelled  wholly refunded before it was shared

    `look_at` is when the timer looks at it next; absent where nothing is left to do.
    """

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
