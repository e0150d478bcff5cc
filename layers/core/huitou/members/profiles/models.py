"""Members: they have opaque ids; only `identities` has their OpenIDs, phones and till numbers."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from huitou.runtime.documents import Answer, Request, Stored
from huitou.runtime.typed import Name

Channel = Literal["mini_program", "import"]  # How a member or an order came to us.


class Member(Stored):
    """One member; `registered_scene` is the code they scanned, `registered_store_id` its store.

    A member from an import counts as registered on the day and at the store of their first order.
    A member who was merged into another one (`merged_into`) or erased (`erased_at`) has no
    identities any more. `merges` counts how many members were merged into this one; `merged_ids`
    are the ids of all of them, and of those merged into them before. `birthday_said_on` is the day
    on which the birthday was said; the member can correct it once (`birthday_corrected`), and
    staff once (`birthday_corrected_by`).
    `registered_import` is the import that registered the member; `undone_by` the import with which
    a member who had nothing else was taken back.
    """

    brand_id: str
    registered_at: datetime
    registered_day: str
    registered_channel: Channel = "mini_program"
    registered_store_id: str | None = None
    registered_scene: str | None = None
    registered_import: str | None = None
    nickname: str | None = None
    birthday: str | None = None
    birthday_said_on: str | None = None
    birthday_corrected: bool = False
    birthday_corrected_by: str | None = None
    phone_hash: str | None = None
    phone_last4: str | None = None
    merged_into: str | None = None
    merges: int = 0
    merged_ids: list[str] | None = None
    erased_at: datetime | None = None
    undone_by: str | None = None

    @property
    def is_somebody(self) -> bool:
        """Whether this id still stands for a person: neither merged into another nor erased."""
        return self.merged_into is None and self.erased_at is None


class Identity(Stored):
    """A name under which a member is known outside of our database.

    `id` is `wx:<appid>:<openid>`, `phone:<hash>` or `till:<number at the chain's till>`. `before`
    lists the members that it named until they were merged; old orders still have those ids.
    `moved_at` is when WeChat last vouched for a new holder of a phone.
    """

    member_id: str
    before: list[str] | None = None
    moved_at: datetime | None = None


class PhoneMove(Stored):
    """A phone number went to a new holder, for whom WeChat vouched; kept as an audit record."""

    from_member: str
    to_member: str
    at: datetime


class CorrectBirthdayRequest(Request):
    """Correct a birthday that the member said wrongly and can't correct any more, once."""

    member_id: str = Field(min_length=1, max_length=64)
    birthday: date
    actor: str = Field(min_length=1, max_length=64)


class ShownPhoneMove(Answer):
    """A phone number went to another member, or came from one; `other_member` is that member."""

    at: datetime
    way: Literal["to_other", "from_other"]
    other_member: str


class CorrectedBirthday(Answer):
    """A member's birthday was corrected; staff aren't shown it."""

    member_id: str


class LoginRequest(Request):
    """Log in, and register the first time; `scene` is the scene of a scanned code."""

    scene: str | None = Field(default=None, min_length=1, max_length=32)


class ProfileRequest(Request):
    """Ask for the caller's own profile, tier and points."""


class UpdateProfileRequest(Request):
    """Change the caller's own profile; a birthday that was said can be corrected once."""

    nickname: Name | None = Field(default=None, min_length=1, max_length=32)
    birthday: date | None = None


class BindPhoneRequest(Request):
    """Bind the phone number that WeChat's single-use `code` stands for."""

    code: str = Field(min_length=1, max_length=128)


class WelcomeRequest(Request):
    """Take the welcome coupon of a scanned table sticker or till code."""

    scene: str = Field(min_length=1, max_length=32)


class LoginAnswer(Answer):
    """The member who logged in.

    `registered` if it was the first time; `invited` if they came with a friend's code.
    """

    member_id: str
    registered: bool
    invited: bool | None = None


class PhoneAnswer(Answer):
    """The last four digits of the phone number that is now bound."""

    phone_last4: str
