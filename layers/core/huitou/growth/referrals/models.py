"""Referral: who brought whom, on which terms, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.growth.referrals.poster_models import PosterDesign
from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.runtime.paging import PageRequest

CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # None that is taken for another one.
CODE_LENGTH = 8
Status = Literal["bound", "held", "settled", "refused", "void", "clawed_back"]
# What came of settling one: where it stands now, or why it stays as it was.
SettlingOutcome = (
    Status
    | Literal["nothing due", "kept", "waits", "waits for another order", "too small", "clawed back"]
)
FriendState = Literal["registered", "ordered", "rewarded", "processing", "not_counted"]
Reason = Literal[
    "risk_rank",  # WeChat counts the new member's account among abusers
    "burst",  # the inviter brought many within an hour
    "ring",  # the inviter was themselves brought by the new member, over some corners
    "same_network",  # several of the inviter's registered from one network
    "look_alike",  # several of the inviter's ordered the same on the same day in the same store
]


class InviteSet(Record):
    """So many friends who ordered bring a coupon: fixed, and shown from the start."""

    count: int = Field(default=3, ge=2, le=20, title="好友人数")
    template_id: str = Field(min_length=1, max_length=64, title="券模板")


class Activity(Record):
    """Other points for friends who register on some days, both included."""

    valid_from: Day = Field(title="开始日期")
    valid_until: Day = Field(title="结束日期（含）")
    inviter_points: int = Field(ge=0, le=10_000, title="邀请人积分")
    invited_points: int = Field(ge=0, le=10_000, title="新会员积分")

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until must not be before valid_from")
        return self


class ReferralRules(Stored):
    """What bringing a friend is worth: `referrals` among the rule documents.

    Both get their points when the friend's first order can't go back any more. The caps are of
    the inviter's points; the friend always gets theirs. Above `burst_per_hour` friends within an
    hour, and from WeChat's risk rank `hold_from_rank` on, a person decides.
    """

    id: str = Field(default="referrals", alias="_id")
    revision: int = Field(default=1, ge=1)
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
    """A member's personal code (`id`)."""

    member_id: str


class ReferralTerms(Record):
    """What was promised when the friend registered; frozen, whatever the rules say later."""

    inviter_points: int
    invited_points: int
    min_order_fen: int = 0
    rules_revision: int
    invite_set: InviteSet | None = None


class Decision(Record):
    """Who decided about a referral that was held, and why."""

    approve: bool
    actor: str
    reason: str
    at: datetime


class Referral(Stored):
    """One new member (`id`) and who brought them: written once, with the registration.

    `look_at` is when it must be looked at next, if ever: after the first paid order, or when that
    went back. `seq` is which of the inviter's friends this one is among those that count, `place`
    the same of a day; both are free again when it is clawed back. `rank` is WeChat's risk rank at
    the registration, `network` a keyed hash of the network address then.
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
        """Whether rewarding has begun: then it is ended, or taken back."""
        return self.seq is not None or self.capped


class MineRequest(PageRequest):
    """One's own code, what it brings, and whom it has brought; friends by page."""


class ShownFriend(Answer):
    """A friend as their inviter sees them: when they came, and how far it is. No names."""

    since: datetime
    state: FriendState


class MineAnswer(Answer):
    """One's code and how it goes; `scene` is what one's mini-program code carries.

    Of `set_count` friends who order `set_done` have; null where nothing is given for several.
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
    """One's own mini-program code as an image; `page` is what it opens."""

    page: str = Field(default="pages/index/index", min_length=1, max_length=128)


class CodeImageAnswer(Answer):
    """The image as WeChat draws it, in base64."""

    image: str


class PosterRequest(Request):
    """One's own poster to show to friends; nothing is given for showing it."""


class PosterAnswer(Answer):
    """Where it can be read for an hour: an https link, a JPEG."""

    url: str


class HeldRequest(PageRequest):
    """The referrals that wait for a person's decision, newest first."""


class ShownHeld(Answer):
    """A referral that is held, and why in codes and words."""

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
    """Decide about a referral that is held."""

    referral_id: str = Field(min_length=1, max_length=64)
    approve: bool
    actor: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=200)


class ReferralRequest(Request):
    """Name a referral by its new member."""

    referral_id: str = Field(min_length=1, max_length=64)


class ReferralAnswer(Answer):
    """One referral, for staff."""

    referral_id: str
    inviter_id: str
    status: Status
    reasons: list[Reason]
    look_at: datetime | None
    order_id: str | None
