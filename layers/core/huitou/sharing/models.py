"""分账: who shares in a store's orders, and what became of each order's money."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Record

ReceiverType = Literal["MERCHANT_ID", "PERSONAL_OPENID"]
Role = Literal["store", "franchisee", "platform"]


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
