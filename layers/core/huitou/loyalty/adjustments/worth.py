"""What a rule may give away at most, and how much of it counts for the day of who sets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.roles import GiverRole
from huitou.coupons.issuing.rules import worth_fen
from huitou.loyalty.adjustments.models import Given
from huitou.loyalty.adjustments.rules import gift_limit_fen
from huitou.loyalty.points.models import GiftLimits

# As many accounts may belong to one person and friends: what they get counts as a gift by hand.
OWN_ACCOUNTS = 10


class Worth(NamedTuple):
    """What a gift to many is worth: one of them, how many in all, and how many for one member.

    None means that nothing limits it. `budget_fen` limits the money in all.
    """

    each_fen: int
    gifts: int | None = None
    per_member: int | None = None
    budget_fen: int | None = None

    @property
    def total_fen(self) -> int | None:
        """What all members together get at most; None without a limit."""
        all_gifts = None if self.gifts is None else self.gifts * self.each_fen
        return _least(all_gifts, self.budget_fen) if self.each_fen else 0

    @property
    def own_fen(self) -> int | None:
        """What `OWN_ACCOUNTS` members get of it at most; None without a limit."""
        theirs = None if self.per_member is None else OWN_ACCOUNTS * self.per_member * self.each_fen
        return _least(theirs, self.total_fen)

    def within(self, gifts: int | None, per_member: int | None = None) -> Worth:
        """Return the worth of at most so many of these gifts, in all and for one member."""
        return self._replace(
            gifts=_least(gifts, self.gifts), per_member=_least(per_member, self.per_member)
        )


class Raised(NamedTuple):
    """By how much a rule raises what is given, in fen; None without a limit."""

    total_fen: int | None
    own_fen: int | None


def worth_of(template: CouponTemplate, unknown_fen: int) -> Worth:
    """Return what the coupons of a template are worth; `unknown_fen` if one doesn't say it."""
    limits = template.limits
    each_fen = worth_fen(template.terms, unknown_fen)
    return Worth(each_fen, limits.quota, template.most_per_member, limits.budget_fen)


def raised_by(new: CouponTemplate, old: CouponTemplate | None, unknown_fen: int) -> Raised:
    """Return by how much a template raises what its coupons may take off.

    A new kind that nobody can claim gives nothing: other rules give it, and they count. One that
    nobody could claim before counts whole. So does one that is worth more than before and had no
    limit, for there may be rules that give it, and one whose worth nobody can compare.
    """
    worth = worth_of(new, unknown_fen)
    if old is None:
        return Raised(worth.total_fen, worth.own_fen) if new.claimable else Raised(0, 0)
    before = worth_of(old, unknown_fen)
    is_dearer = worth.each_fen > before.each_fen
    says_worth = bool(new.terms.cap_fen or new.terms.off_fen)
    whole = (
        (new.claimable and not old.claimable)
        or (is_dearer and before.total_fen is None)
        or (not says_worth and new.terms != old.terms)
    )
    if whole:
        return Raised(worth.total_fen, worth.own_fen)
    return Raised(_more(worth.total_fen, before.total_fen), _more(worth.own_fen, before.own_fen))


def sums_of(
    worth: Worth | Raised, limits: GiftLimits, role: GiverRole | None
) -> Mapping[Given, tuple[int, int]] | None:
    """Return the sums of the day for which a gift to many counts; None if it has no limit.

    All of it counts as a gift to many, what its maker's own accounts may get as a gift by hand.
    """
    if worth.total_fen is None or worth.own_fen is None:
        return None
    return {
        "codes": (worth.total_fen, limits.codes_fen),
        "gifts": (worth.own_fen, gift_limit_fen(limits, role)),
    }


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _more(new: int | None, old: int | None) -> int | None:
    if new is None:
        return None if old is not None else 0
    return max(0, new - old) if old is not None else 0
