"""Sets of friends: so many who order bring the inviter a coupon."""

from __future__ import annotations

from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.rules import coupon_id
from huitou.coupons.issuing.service import Coupons
from huitou.growth.referrals.models import Referral
from huitou.growth.referrals.repository import ReferralRepository
from huitou.growth.referrals.rules import numbers_anew, set_of
from huitou.members.profiles.service import Members
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable

MOST_GENERATIONS = 50  # How often one set of friends may be broken and completed again.


class FriendSets:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._repository = ReferralRepository(database)
        self._members = Members(database, clock, brand_id)
        self._persons = Persons(database)
        self._coupons = Coupons(database, clock)

    def complete_sets(self, referral: Referral) -> None:
        """Give the coupon for each set of friends of whom all are settled, after one was.

        The friend who is settled last finds the others. If two of them are settled at once, both
        may issue the coupon; its cause is the same, so there is only one.
        """
        several = referral.terms.invite_set
        inviter_id = self._members.current_member_id(referral.inviter_id)
        if several is None or referral.seq is None or inviter_id is None:
            return
        ids = self._persons.ids_of(inviter_id)
        template = self._coupons.find_templates([several.template_id]).get(several.template_id)
        if template is None:
            return
        anew = self._number_anew(ids, several.count)
        settled = [f for f in self._repository.counting(ids) if f.status == "settled"]
        # After merges two friends may be one person, or have had the same phone. A set that lacked
        # one for this reason is completed by a friend of the next set.
        persons = self._members.count_persons([friend.id for friend in settled])
        last = [set_of(seq, several.count)[0] for seq in (*anew, referral.seq)]
        for number in sorted({one for n in last for one in (n - 1, n) if one}):
            _, places = set_of(number * several.count, several.count)
            is_whole = {friend.seq for friend in settled} >= set(places)
            if is_whole and persons >= number * several.count:
                self._issue_set(template, inviter_id, ids, number)

    def _number_anew(self, ids: list[str], count: int) -> list[int]:
        """Give friends of merged inviters numbers of their own; returns the new numbers.

        Raises DuplicateKeyError or Unavailable if one of them changes meanwhile: it is done again.
        """
        friends = self._repository.counting(ids) if len(ids) > 1 else []
        anew = numbers_anew(friends, count)
        for friend in friends:
            if friend.id in anew and not self._repository.put(friend, seq=anew[friend.id]):
                raise Unavailable
        return list(anew.values())

    def _issue_set(
        self, template: CouponTemplate, inviter_id: str, ids: list[str], number: int
    ) -> None:
        # If a claw-back has broken the set, its coupon was revoked. Once the set is complete again,
        # it brings a new coupon, unless the first one was used before it could be revoked.
        for generation in range(MOST_GENERATIONS):
            cause = self._cause_of_set(ids, number, generation)
            self._coupons.issue_coupon(template, member_id=inviter_id, cause=cause)
            if self._coupons.show_coupon_of_cause(cause).status != "revoked":
                return

    def break_set(self, referral: Referral, count: int) -> None:
        """Revoke the coupon of a friend's set, if it wasn't used: the friend counts no more."""
        number, _ = set_of(referral.seq or 1, count)
        current = self._members.current_member_id(referral.inviter_id) or referral.inviter_id
        # Each id may have had its own set of this number before a merge: its own goes first.
        ids = list(dict.fromkeys([referral.inviter_id, *self._persons.ids_of(current)]))
        for generation in range(MOST_GENERATIONS):
            cause = self._cause_of_set(ids, number, generation)
            try:
                shown = self._coupons.show_coupon_of_cause(cause)
            except Refusal:
                return
            if shown.status == "issued":
                self._coupons.revoke_coupon(coupon_id(cause), "referral-settle", "首单已退款")

    def _cause_of_set(self, ids: list[str], number: int, generation: int) -> str:
        """Return the cause of a set's coupon: under the id that has one, else the first id."""
        causes = [f"referral-set:{one}:{number}:{generation}" for one in ids]
        found = self._coupons.find_coupons([coupon_id(cause) for cause in causes])
        there = {coupon.cause for coupon in found}
        return next((cause for cause in causes if cause in there), causes[0])
