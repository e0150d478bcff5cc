"""Batches of coupon codes: printed on flyers, typed in by members."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored

MOST_CODES = 5_000_000
MOST_PAGE = 20_000  # Of one call: half a megabyte of codes.
BatchStatus = Literal["active", "revoked"]
BatchName = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")


class CodeBatch(Stored):
    """So many codes for one template; `id` is its name, `number` its place in every code.

    The codes themselves are stored nowhere: each follows from the chain's key, the batch's `salt`
    and its number, so they can be written out again at any time, and who reads the database
    learns none.
    """

    number: int
    template_id: str
    count: int
    salt: bytes
    status: BatchStatus = "active"
    actor: str
    created_at: datetime
    revoked_by: str | None = None
    revoked_at: datetime | None = None


class CodeUse(Stored):
    """A code that a member holds; `id` is `<batch>:<number>`, so a code has one holder."""

    batch: str
    member_id: str
    at: datetime


class CodeTries(Stored):
    """A member's tries of the current hour (`since`: real epoch seconds); `id` is the member's."""

    tries: int = 0
    since: float = 0.0


class MakeCodesRequest(Request):
    """Make a batch of codes for a template; the same call again is the same batch."""

    batch: str = BatchName
    template_id: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=MOST_CODES)
    actor: str = Field(min_length=1, max_length=64)


class CodesRequest(Request):
    """Write out a batch's codes, from number `after` on."""

    batch: str = BatchName
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=MOST_PAGE, ge=1, le=MOST_PAGE)


class BatchesRequest(Request):
    """List the batches, the latest first."""

    limit: int = Field(default=100, ge=1, le=500)


class RevokeBatchRequest(Request):
    """Let nobody use a batch's codes any more; coupons that came of them stay."""

    batch: str = BatchName
    actor: str = Field(min_length=1, max_length=64)


class RedeemCodeRequest(Request):
    """Turn a code into its coupon; small letters, spaces and dashes don't matter."""

    code: str = Field(min_length=1, max_length=64)


class ShownBatch(Answer):
    """A batch and its counters: codes made, and of those `redeemed` by members."""

    batch: str
    template_id: str
    count: int
    redeemed: int
    status: BatchStatus
    actor: str
    created_at: datetime


class BatchesAnswer(Answer):
    """The batches, the latest first."""

    batches: list[ShownBatch]


class CodesAnswer(Answer):
    """A page of codes in their order; `next` is where the following one begins, null at the end."""

    codes: list[str]
    next: int | None
