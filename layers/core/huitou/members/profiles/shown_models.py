"""What a member sees of their own profile.

It is in a module of its own, because every call of a member loads `models.py`, and hardly any
answers with points and tiers.
"""

from huitou.loyalty.points.models import ShownPoints
from huitou.loyalty.tiers.shown_models import ShownTier
from huitou.runtime.documents import Answer


class ProfileAnswer(Answer):
    """The member's own profile, tier and points; `birthday` is YYYY-MM-DD."""

    member_id: str
    nickname: str | None
    birthday: str | None
    phone_last4: str | None
    registered_day: str
    tier: ShownTier
    points: ShownPoints
