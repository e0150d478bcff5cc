"""Referrals: who invited whom, on which terms, and what became of it."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.coupons.issuing.roles import GiverRole
from huitou.growth.referrals.poster_models import PosterDesign
from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.limits import Id, Revision
from huitou.runtime.paging import PageRequest
from huitou.runtime.typed import Name

CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # No letters that look alike.
CODE_LENGTH = 8
Status = Literal["bound", "held", "settled", "refused", "void", "clawed_back"]
# What came of settling one: where it stands now, or why it stays as it was.
SettlingOutcome = (
    Status
    | Literal["nothing due", "kept", "waits", "waits for another order", "too small", "clawed back"]
)
FriendState = Literal["registered", "ordered", "rewarded", "processing", "not_counted"]
Reason = Literal[
    "risk_rank",  # WeChat rates the new member's account as risky
    "burst",  # the inviter invited many friends within an hour
    "ring",  # the inviter was invited by the new member, directly or through others
    "same_network",  # several of the inviter's friends registered from one network
    "look_alike",  # several friends paid the same amount on the same day in the same store
]


class InviteSet(Record):
    """A coupon for the inviter of `count` friends who ordered; members know it from the start."""

    count: int = Field(default=3, ge=2, le=20, title="好友人数")
    template_id: str = Field(min_length=1, max_length=64, title="券模板")


class Activity(Record):
    """Other points for friends who register in a period, its first and last day included."""

    valid_from: Day = Field(title="开始日期")
    valid_until: Day = Field(title="结束日期（含）")
    inviter_points: int = Field(ge=0, le=10_000, title="邀请人积分")
    invited_points: int = Field(ge=0, le=10_000, title="新会员积分")

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.valid_until < self.valid_from:
            raise Unfit("valid_until", "不能早于开始日期", "must not be before valid_from")
        return self


class ReferralRules(Stored):
    """What inviting a friend is worth: the rule document `referrals`.

    Both members get their points when the friend's first order can't be refunded any more. The
    limits apply to the inviter's points; the friend always gets theirs. If an inviter has more
    than `burst_per_hour` friends within an hour, or WeChat's risk rank is `hold_from_rank` or
    higher, a person decides.
    """

    id: Id = Field(default="referrals", alias="_id")
    revision: Revision = 1
    inviter_points: int = Field(default=50, ge=0, le=10_000, title="邀请人积分")
    invited_points: int = Field(default=50, ge=0, le=10_000, title="新会员积分")
    activities: list[Activity] = Field(default=[], max_length=50, title="活动期")
    invite_set: InviteSet | None = Field(default=None, title="邀请满人数送券")
    min_order_fen: int = Field(default=0, ge=0, le=1_000_000, title="首单最低金额（分）")
    most_a_day: int = Field(default=10, ge=1, le=1_000, title="邀请人每天最多计几位")
    most_in_all: int = Field(default=200, ge=1, le=100_000, title="邀请人总共最多计几位")
    burst_per_hour: int = Field(default=5, ge=1, le=1_000, title="一小时内超过几位需人工审核")
    hold_from_rank: int = Field(default=3, ge=1, le=5, title="风险等级达到几需人工审核")
    poster: PosterDesign = Field(default_factory=PosterDesign, title="邀请海报")


class ReferralCode(Stored):
    """A member's personal code; `id` is the code."""

    member_id: str


class ReferralTerms(Record):
    """What was promised when the friend registered; later changes of the rules don't apply."""

    inviter_points: int
    invited_points: int
    min_order_fen: int = 0
    rules_revision: int
    invite_set: InviteSet | None = None


class Decision(Record):
    """How a person decided about a held referral, and why."""

    approve: bool
    actor: str
    reason: str
    at: datetime


class Referral(Stored):
    """One new member (`id`) and their inviter; it is created when the member registers.

    `look_at` is when `settle` must process it next: some time after the first paid order, or when
    that order was refunded. `seq` is the friend's number among the inviter's friends that count,
    and `place` is the number on one day; a claw-back frees both. `rank` is WeChat's risk rank at
    the registration, and `network` a keyed hash of the network address then.
    """

    inviter_id: str
    code: str
    bound_at: datetime
    terms: ReferralTerms
    status: Status = "bound"
    look_at: datetime | None = None
    order_id: str | None = None
    order_day: str | None = None
    order_fen: int | None = None
    order_store_id: str | None = None
    rank: int | None = None
    network: str | None = None
    reasons: list[Reason] = Field(default=[])
    decision: Decision | None = None
    seq: int | None = None
    place: str | None = None
    capped: bool = False
    settled_at: datetime | None = None
    version: int = 0

    @property
    def begun(self) -> bool:
        """Whether rewarding has begun; then it must be completed or taken back."""
        return self.seq is not None or self.capped


class MineRequest(PageRequest):
    """Ask for the caller's own code, what it brings, and a page of the friends they invited."""


class ShownFriend(Answer):
    """A friend as their inviter sees them: when they registered and the state, without a name."""

    since: datetime
    state: FriendState


class MineAnswer(Answer):
    """The member's code and what it has brought; `scene` is the scene of their mini-program code.

    `set_count` friends must order for the coupon, and `set_done` of them have; both are null if
    there is no such coupon.
    """

    code: str
    scene: str
    what: str
    points: int
    friends_rewarded: int
    set_count: int | None
    set_done: int | None
    friends: list[ShownFriend]
    next: str | None


class CodeImageRequest(Request):
    """Ask for the caller's own mini-program code as an image; it opens `page`."""

    page: str = Field(default="pages/index/index", min_length=1, max_length=128)


class CodeImageAnswer(Answer):
    """The image from WeChat, in base64."""

    image: str


class PosterRequest(Request):
    """Ask for the caller's own poster, to show it to friends; showing it brings no reward."""


class PosterAnswer(Answer):
    """An https link to the poster, a JPEG; it works for an hour."""

    url: str


class HeldRequest(PageRequest):
    """Ask for the referrals that wait for a person's decision, newest first."""


class ShownHeld(Answer):
    """A held referral; the reasons are given as codes and in words."""

    referral_id: str
    inviter_id: str
    bound_at: datetime
    order_id: str | None
    order_fen: int | None
    reasons: list[Reason]
    words: list[str]


class HeldAnswer(Answer):
    """One page of held referrals; `next` is null on the last one."""

    referrals: list[ShownHeld]
    next: str | None


class DecideRequest(Request):
    """Approve or refuse a held referral.

    What it brings counts as a gift of the actor's day; without a role a cashier's limit applies.
    """

    referral_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)
    role: GiverRole | None = None
    reason: Name = Field(min_length=1, max_length=200)


class ReferralRequest(Request):
    """Ask for one referral; `referral_id` is the new member's id."""

    referral_id: str = Field(min_length=1, max_length=64)


class ReferralAnswer(Answer):
    """One referral, for staff."""

    referral_id: str
    inviter_id: str
    status: Status
    reasons: list[Reason]
    look_at: datetime | None
    order_id: str | None
