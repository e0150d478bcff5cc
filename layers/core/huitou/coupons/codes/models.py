"""Batches of coupon codes: printed on flyers, typed in by members."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.coupons.issuing.roles import GiverRole
from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.limits import Count

MOST_CODES = 5_000_000
MOST_PAGE = 20_000  # Codes in one answer: half a megabyte.
BatchStatus = Literal["active", "revoked"]
BatchName = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")


class CodeBatch(Stored):
    """A batch of `count` codes for one template; `id` is its name, `number` is part of its codes.

    The codes themselves are not stored. Each one is computed from the chain's key, the batch's
    `salt` and the code's number. So they can be written out again at any time, and somebody who
    reads the database learns no code.
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
    """A code that a member has redeemed; `id` is `<batch>:<number>`, so a code has one holder."""

    batch: str
    member_id: str
    at: datetime


class CodeTries(Stored):
    """How many codes a member (`id`) tried in the hour that began at `since` (epoch seconds)."""

    tries: int = 0
    since: float = 0.0


class MakeCodesRequest(Request):
    """Make a batch of codes for a template; the same call again returns the same batch.

    `role` is that of the person of the staff who asks: codes are worth money to whoever has them,
    so a person makes only so many alone on a day. The chain's own commands have no role.
    """

    batch: str = BatchName
    template_id: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=MOST_CODES)
    actor: str = Field(min_length=1, max_length=64)
    role: GiverRole | None = None


class CodesRequest(Request):
    """Ask for a batch's codes, from number `after` on."""

    batch: str = BatchName
    after: Count = Field(default=0)
    limit: int = Field(default=MOST_PAGE, ge=1, le=MOST_PAGE)


class BatchesRequest(Request):
    """List the batches, the latest first."""

    limit: int = Field(default=100, ge=1, le=500)


class RevokeBatchRequest(Request):
    """Revoke a batch: its codes can't be redeemed any more. Coupons issued by then stay valid."""

    batch: str = BatchName
    actor: str = Field(min_length=1, max_length=64)


class RedeemCodeRequest(Request):
    """Redeem a code for its coupon; small letters, spaces and dashes don't matter."""

    code: str = Field(min_length=1, max_length=64)


class ShownBatch(Answer):
    """A batch: how many codes it has (`count`), and how many members have `redeemed`."""

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
    """A page of codes in their order; `next` is the `after` of the next page, null at the end."""

    codes: list[str]
    next: int | None
