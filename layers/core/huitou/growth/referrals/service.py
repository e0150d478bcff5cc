"""Referrals: reward the inviter and the new member when the first order is final."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.rules import brand_day
from huitou.growth.referrals.errors import ReferralErrors
from huitou.growth.referrals.models import (
    DecideRequest,
    Decision,
    PosterAnswer,
    Referral,
    ReferralCode,
    SettlingOutcome,
)
from huitou.growth.referrals.repository import ReferralRepository
from huitou.growth.referrals.rules import (
    code_from,
    counts,
    free_seq,
    look_again,
    promise,
    reason_words,
    state_of,
    suspicions,
    terms_on,
)
from huitou.members.profiles.errors import MEMBER
from huitou.members.profiles.rules import friend_scene
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest

with late_imports():
    from huitou.coupons.issuing.service import Coupons
    from huitou.growth.referrals.approved_service import ApprovedGifts
    from huitou.growth.referrals.sets_service import FriendSets
    from huitou.loyalty.earning.service import Bonuses
    from huitou.loyalty.points.models import RuleRef
    from huitou.marketing.audiences.rules import is_minor
    from huitou.members.profiles.service import Members
    from huitou.ordering.orders.service import Orders

if TYPE_CHECKING:
    from huitou.growth.referrals.poster_models import PosterDesign
    from huitou.ordering.orders.models import Order

TRIES = 10  # Friends of one inviter who are settled at once may take each other's numbers.
MOST_UPWARDS = 10  # So many inviters of inviters are searched for a ring.


class Referrals:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database, self._clock, self._brand_id = database, clock, brand_id
        self._repository = ReferralRepository(database)
        self._persons = Persons(database)

    # A member who only looks at their friends needs none of these.

    @cached_property
    def _members(self) -> Members:
        return Members(self._database, self._clock, self._brand_id)

    @cached_property
    def _orders(self) -> Orders:
        return Orders(self._database, self._clock, self._brand_id)

    @cached_property
    def _bonuses(self) -> Bonuses:
        return Bonuses(self._database, self._clock)

    @cached_property
    def _coupons(self) -> Coupons:
        return Coupons(self._database, self._clock)

    @cached_property
    def _gifts(self) -> ApprovedGifts:
        return ApprovedGifts(self._database, self._clock)

    @cached_property
    def _sets(self) -> FriendSets:
        return FriendSets(self._database, self._clock, self._brand_id)

    # --- for the member -----------------------------------------------------------------------

    def personal_code(self, member_id: str) -> str:
        """Return the member's personal code; the first call makes it."""
        for _ in range(TRIES):
            code = self._repository.code_of(member_id)
            if code is not None:
                return code
            made = code_from(secrets.token_bytes(16))
            new = ReferralCode(id=made, member_id=member_id)
            self._persons.insert_for(
                member_id,
                lambda session, new=new: self._repository.put_code(new, session),  # type: ignore[misc]
            )
        raise Unavailable

    def show_own_referrals(self, member_id: str, page: PageRequest, lang: Lang) -> dict[str, Any]:
        """Return the member's code, what it brings, and a page of the friends they invited."""
        code = self.personal_code(member_id)
        terms = terms_on(self._repository.rules(), self._clock.now())
        ids = self._persons.ids_of(member_id)
        friends, after = self._repository.friends_page(ids, page)
        rewarded = [f for f in self._repository.counting(ids) if f.status == "settled"]
        several = terms.invite_set
        template = self._coupons.find_templates([several.template_id]) if several else {}
        name = next((found.name for found in template.values()), "")
        return {
            "code": code,
            "scene": friend_scene(code),
            "what": promise(terms, name, lang),
            "points": sum(friend.terms.inviter_points for friend in rewarded),
            "friends_rewarded": len(rewarded),
            "set_count": several.count if several else None,
            # Friends of two accounts that were merged may have the same number: they count once.
            "set_done": len({f.seq for f in rewarded}) % several.count if several else None,
            "friends": [{"since": f.bound_at, "state": state_of(f)} for f in friends],
            "next": after,
        }

    def draw_code_image(self, member_id: str, page: str, draw: Callable[[str, str], bytes]) -> str:
        """Return the member's mini-program code in base64; `draw` makes it from scene and page."""
        return base64.b64encode(draw(friend_scene(self.personal_code(member_id)), page)).decode()

    def show_poster(
        self, member_id: str, put_up: Callable[[str, str, PosterDesign], str]
    ) -> PosterAnswer:
        """Return a link to the member's poster; `put_up` makes it from code, scene and design."""
        code = self.personal_code(member_id)
        return PosterAnswer(url=put_up(code, friend_scene(code), self._repository.rules().poster))

    # --- settling -----------------------------------------------------------------------------

    def due_referrals(self) -> Iterator[str]:
        return self._repository.due(self._clock.now())

    def settle_referral(self, referral_id: str) -> SettlingOutcome:
        """Bring a referral to what its member's first order deserves now; safe to repeat.

        The cause of every reward names the referral. If a run was killed, the next one finds the
        rewards that were given and gives only the rest.
        """
        for _ in range(TRIES):
            referral = self._repository.find(referral_id)
            if referral is None or referral.look_at is None:
                return "nothing due"
            try:
                outcome = self._settle_as_read(referral)
            except DuplicateKeyError:  # Another friend took the same number a moment ago.
                continue
            if outcome is not None:
                return outcome
        raise Unavailable

    def _settle_as_read(self, referral: Referral) -> SettlingOutcome | None:
        """Take one step from the version read; None if it has changed meanwhile."""
        now = self._clock.now()
        order = self._orders.get_order(referral.order_id) if referral.order_id else None
        if order is None or referral.look_at is None or referral.look_at > now:
            return "nothing due"
        if referral.status in ("bound", "settled") and referral.begun:
            if not counts(referral, order):
                return self._claw_back(referral)
            if referral.status == "settled":
                self._sets.complete_sets(referral)
                return self._put(referral, "kept", look_at=None)
        if referral.status != "bound":
            return self._put(referral, referral.status, look_at=None)
        if order.status == "refunded":
            # The whole order was refunded; the member's next order counts as the first.
            return self._put(referral, "waits for another order", look_at=None, order_id=None)
        again = look_again(order, now)
        if again is not None:
            return self._put(referral, "waits", look_at=again)
        if not counts(referral, order):
            return self._put(referral, "too small", look_at=None, order_id=None)
        return self._judge(referral, order)

    def _judge(self, referral: Referral, order: Order) -> SettlingOutcome | None:
        """The order is final: reward both, or let a person look."""
        now, inviter_id = self._clock.now(), self._members.current_member_id(referral.inviter_id)
        invited_id = self._members.current_member_id(referral.id)
        if inviter_id is None or invited_id is None or inviter_id == invited_id:
            return self._put(referral, "void", status="void", look_at=None)
        today = brand_day(now)
        people = [self._members.get_member(member_id) for member_id in (inviter_id, invited_id)]
        if any(is_minor(person, today) for person in people):
            return self._put(referral, "void", status="void", look_at=None)
        known = referral.model_copy(
            update={
                "order_day": order.business_day,
                "order_fen": order.payable_fen,
                "order_store_id": order.store_id,
            }
        )
        facts = {
            name: getattr(known, name) for name in ("order_day", "order_fen", "order_store_id")
        }
        inviters = self._persons.ids_of(inviter_id)
        friends, rules = self._repository.lately(inviters), self._repository.rules()
        reasons = suspicions(known, rules, friends, self._upwards(inviter_id))
        if reasons and referral.decision is None:
            return self._put(
                referral, "held", status="held", reasons=reasons, look_at=None, **facts
            )
        return self._reward(known, inviter_id, invited_id, facts)

    def _upwards(self, member_id: str) -> list[str]:
        """Return the inviter of this person, the inviter's inviter, and so on: all their ids."""
        found: list[str] = []
        for _ in range(MOST_UPWARDS):
            above = self._repository.any_of(self._persons.ids_of(member_id))
            inviter = self._persons.current_id(above.inviter_id) if above else None
            if inviter is None or inviter in found:
                break
            member_id = inviter
            found += self._persons.ids_of(inviter)
        return found

    def _reward(
        self,
        referral: Referral,
        inviter_id: str,
        invited_id: str,
        facts: dict[str, Any],
    ) -> SettlingOutcome | None:
        """Take a number among the inviter's friends who count, then give what was promised."""
        rules, now = self._repository.rules(), self._clock.now()
        inviters = self._persons.ids_of(inviter_id)
        today, friends = brand_day(now), self._repository.counting(inviters)
        taken = [friend.seq for friend in friends if friend.seq is not None]
        of_day = [f for f in friends if f.place is not None and f.place.startswith(today)]
        capped = len(taken) >= rules.most_in_all or len(of_day) >= rules.most_a_day
        places: dict[str, Any] = (
            {}
            if capped
            else {
                "seq": free_seq(taken),
                "place": f"{today}#{_next_place(of_day)}",
            }
        )
        # The numbers are stored first, under unique indexes: two friends at once can't both be the
        # last one that the limits allow. If this run is killed afterwards, `look_at` is still set,
        # and the next run gives the rest.
        if referral.seq is None and not referral.capped:
            changes = {"capped": capped or None, **places, **facts}
            if not self._repository.put(referral, **changes):
                return None
            found = self._repository.find(referral.id)
            if found is None:
                return None
            referral = found
        terms, rule = (
            referral.terms,
            RuleRef(rule_id="referrals", revision=referral.terms.rules_revision),
        )
        if terms.invited_points:
            cause = f"referral:{referral.id}:invited"
            self._bonuses.give_points(invited_id, terms.invited_points, cause, rule)
        if terms.inviter_points and not referral.capped:
            cause = f"referral:{referral.id}:inviter"
            self._bonuses.give_points(inviter_id, terms.inviter_points, cause, rule)
        # Set the status before looking at the set: if two friends are settled at once, at least
        # one of them must see the other. `look_at` stays until the set is done, so that a killed
        # run is repeated.
        if not self._repository.put(referral, status="settled", settled_at=now):
            return None
        settled = self._repository.find(referral.id)
        if settled is None:
            return None
        self._sets.complete_sets(settled)
        return self._put(settled, "settled", look_at=None)

    def _claw_back(self, referral: Referral) -> SettlingOutcome | None:
        """The first order went back after all: what it brought goes back, too."""
        rule = RuleRef(rule_id="referrals", revision=referral.terms.rules_revision)
        for who, member_id in (("invited", referral.id), ("inviter", referral.inviter_id)):
            now_called = self._members.current_member_id(member_id)
            if now_called is not None:
                self._bonuses.take_back_points(now_called, f"referral:{referral.id}:{who}", rule)
        several = referral.terms.invite_set
        if several is not None and referral.seq is not None:
            self._sets.break_set(referral, several.count)
        return self._put(
            referral, "clawed back", status="clawed_back", look_at=None, seq=None, place=None
        )

    def _put(
        self, referral: Referral, outcome: SettlingOutcome, **changes: Any
    ) -> SettlingOutcome | None:
        if "reasons" in changes:
            changes["reasons"] = list(changes["reasons"])
        return outcome if self._repository.put(referral, **changes) else None

    # --- for staff ----------------------------------------------------------------------------

    def list_held_referrals(self, page: PageRequest, lang: Lang) -> dict[str, Any]:
        """Return a page of referrals that wait for a decision; the reasons are also in words."""
        referrals, after = self._repository.held(page)
        shown = [
            {
                "referral_id": r.id,
                "inviter_id": r.inviter_id,
                "bound_at": r.bound_at,
                "order_id": r.order_id,
                "order_fen": r.order_fen,
                "reasons": r.reasons,
                "words": reason_words(r.reasons, lang),
            }
            for r in referrals
        ]
        return {"referrals": shown, "next": after}

    def decide_referral(self, request: DecideRequest) -> dict[str, Any]:
        """Approve or refuse a held referral; an approved one is settled at once.

        Raises Refusal REFERRAL_NOT_HELD naming `referral_id` if it is not held, and
        REFERRAL_OVER_DAY_LIMIT naming `actor` if its rewards pass what one person gives a day.
        """
        referral = self._repository.find(request.referral_id)
        if referral is None or referral.status != "held":
            raise Refusal(ReferralErrors.REFERRAL_NOT_HELD, field="referral_id")
        now = self._clock.now()
        decision = Decision(
            approve=request.approve, actor=request.actor, reason=request.reason, at=now
        ).model_dump()
        changes: dict[str, Any] = {"status": "bound", "look_at": now}
        if not request.approve:
            changes = {"status": "refused", "look_at": None}
        if request.approve and not self._gifts.count_gift(referral, request):
            raise Refusal(ReferralErrors.REFERRAL_OVER_DAY_LIMIT, field="actor")
        # If two people decide at once, the second one gets the refusal. It has counted for both
        # of them then: a limit that is reached too early does no harm.
        if not self._repository.put(referral, decision=decision, **changes):
            raise Refusal(ReferralErrors.REFERRAL_NOT_HELD, field="referral_id")
        if request.approve:
            self.settle_referral(referral.id)
        return self.show_referral(referral.id)

    def show_referral(self, referral_id: str) -> dict[str, Any]:
        """Return one referral, for staff; Refusal NOT_FOUND naming `referral_id`."""
        referral = self._repository.find(referral_id)
        if referral is None:
            raise Refusal(Code.NOT_FOUND, field="referral_id", detail=MEMBER)
        return {"referral_id": referral.id} | referral.model_dump(
            include={"inviter_id", "status", "reasons", "look_at", "order_id"}
        )


def _next_place(friends: list[Referral]) -> int:
    numbers = [int((friend.place or "#0").partition("#")[2]) for friend in friends]
    return free_seq(numbers)
