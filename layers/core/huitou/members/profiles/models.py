"""Members: an opaque id; who they are elsewhere stands in `identities` only."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from huitou.loyalty.points.models import ShownPoints
from huitou.loyalty.tiers.shown_models import ShownTier
from huitou.runtime.documents import Answer, Request, Stored

Channel = Literal["mini_program", "import"]  # Through which members and orders come to us.


class Member(Stored):
    """One member; `registered_scene` is the code through which they came, its store theirs.

    A member of an import registered on the day of their first order, at its store. One who was
    merged into another has no names any more; `merges` counts how often others came to this one.
    Nor has one who was forgotten, at `erased_at`.
    """

    brand_id: str
    registered_at: datetime
    registered_day: str
    registered_channel: Channel = "mini_program"
    registered_store_id: str | None = None
    registered_scene: str | None = None
    nickname: str | None = None
    birthday: str | None = None
    phone_hash: str | None = None
    phone_last4: str | None = None
    merged_into: str | None = None
    merges: int = 0
    erased_at: datetime | None = None

    @property
    def is_somebody(self) -> bool:
        """Whether there is a person behind it, under this id."""
        return self.merged_into is None and self.erased_at is None


class Identity(Stored):
    """A name under which a member is known.

    `wx:<appid>:<openid>`, `phone:<hash>` or `till:<their number at the chain's till>`. `before`
    are the members it named until they were merged: orders of then are still theirs.
    """

    member_id: str
    before: list[str] | None = None


class LoginRequest(Request):
    """Log in, registering on the first time; `scene` is a scanned code."""

    scene: str | None = Field(default=None, min_length=1, max_length=32)


class ProfileRequest(Request):
    """Ask for one's own profile, tier and points."""


class UpdateProfileRequest(Request):
    """Change what a member may say about themselves; the birthday can be said once."""

    nickname: str | None = Field(default=None, min_length=1, max_length=32)
    birthday: date | None = None


class BindPhoneRequest(Request):
    """Bind the phone number that WeChat's single-use `code` stands for."""

    code: str = Field(min_length=1, max_length=128)


class WelcomeRequest(Request):
    """Take the welcome coupon of a scanned table sticker or till code."""

    scene: str = Field(min_length=1, max_length=32)


class LoginAnswer(Answer):
    """Who logged in; `registered` if that was their first time, `invited` if by a friend's code."""

    member_id: str
    registered: bool
    invited: bool | None = None


class ProfileAnswer(Answer):
    """The member's own profile, tier and points; `birthday` is YYYY-MM-DD."""

    member_id: str
    nickname: str | None
    birthday: str | None
    phone_last4: str | None
    registered_day: str
    tier: ShownTier
    points: ShownPoints


class PhoneAnswer(Answer):
    """The last four digits of the number that is bound now."""

    phone_last4: str
