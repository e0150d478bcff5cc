"""Bind new members to who brought them, and reward both when their first order is final."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from pymongo.errors import DuplicateKeyError

from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.rules import coupon_id
from huitou.coupons.issuing.service import Coupons
from huitou.growth.referrals.errors import ReferralErrors
from huitou.growth.referrals.models import (
    DecideRequest,
    Decision,
    PosterAnswer,
    Referral,
    ReferralCode,
    SettlingOutcome,
)
from huitou.growth.referrals.poster_models import PosterDesign
from huitou.growth.referrals.repository import ReferralRepository
from huitou.growth.referrals.rules import (
    code_from,
    counts,
    free_seq,
    look_again,
    promise,
    reason_words,
    set_of,
    state_of,
    suspicions,
    terms_on,
)
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.points.models import RuleRef
from huitou.marketing.audiences.rules import is_minor
from huitou.members.profiles.errors import MEMBER
from huitou.members.profiles.rules import friend_scene
from huitou.members.profiles.service import Members
from huitou.ordering.orders.models import Order
from huitou.ordering.orders.service import Orders
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable
from huitou.runtime.paging import PageRequest

TRIES = 10  # Friends of one inviter settled at once fight for places.
MOST_GENERATIONS = 50  # How often one set of friends may break and be mended.
MOST_UPWARDS = 10  # Inviters of inviters that are looked through for a ring.


class Referrals:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._clock = clock
        self._repository = ReferralRepository(database)
        self._members = Members(database, clock, brand_id)
        self._orders = Orders(database, clock, brand_id)
        self._bonuses = Bonuses(database, clock)
        self._coupons = Coupons(database, clock)

    # --- for the member -----------------------------------------------------------------------

    def code(self, member_id: str) -> str:
        """Return the member's personal code, making it on first use."""
        for _ in range(TRIES):
            code = self._repository.code_of(member_id)
            if code is not None:
                return code
            made = code_from(secrets.token_bytes(16))
            self._repository.put_code(ReferralCode(id=made, member_id=member_id))
        raise Unavailable

    def mine(self, member_id: str, page: PageRequest, lang: Lang) -> dict[str, Any]:
        """Return one's code, what it brings and whom it has brought."""
        code = self.code(member_id)
        terms = terms_on(self._repository.rules(), self._clock.now())
        friends, after = self._repository.friends_page(member_id, page)
        rewarded = [f for f in self._repository.counting(member_id) if f.status == "settled"]
        several = terms.invite_set
        template = self._coupons.templates([several.template_id]) if several else {}
        name = next((found.name for found in template.values()), "")
        return {
            "code": code, "scene": friend_scene(code), "what": promise(terms, name, lang),
            "points": sum(friend.terms.inviter_points for friend in rewarded),
            "friends_rewarded": len(rewarded),
            "set_count": several.count if several else None,
            "set_done": len(rewarded) % several.count if several else None,
            "friends": [{"since": f.bound_at, "state": state_of(f)} for f in friends],
            "next": after,
        }  # fmt: skip

    def code_image(self, member_id: str, page: str, draw: Callable[[str, str], bytes]) -> str:
        """Return one's mini-program code in base64; `draw` is asked for a scene and a page."""
        return base64.b64encode(draw(friend_scene(self.code(member_id)), page)).decode()

    def poster(
        self, member_id: str, put_up: Callable[[str, str, PosterDesign], str]
    ) -> PosterAnswer:
        """Return where one's poster can be read; `put_up` is given code, scene and design."""
        code = self.code(member_id)
        return PosterAnswer(url=put_up(code, friend_scene(code), self._repository.rules().poster))

    # --- settling -----------------------------------------------------------------------------

    def due(self) -> Iterator[str]:
        return self._repository.due(self._clock.now())

    def settle(self, referral_id: str) -> SettlingOutcome:
        """Bring a referral to what its member's first order deserves now; safe to repeat.

        Every gift's cause is the referral, so what a killed run has given is found given.
        """
        for _ in range(TRIES):
            referral = self._repository.find(referral_id)
            if referral is None or referral.look_at is None:
                return "nothing due"
            try:
                outcome = self._settle_as_read(referral)
            except DuplicateKeyError:  # Another friend took the place a moment ago.
                continue
            if outcome is not None:
                return outcome
        raise Unavailable

    def _settle_as_read(self, referral: Referral) -> SettlingOutcome | None:
        """Take one step from the version read; None if it has changed meanwhile."""
        now = self._clock.now()
        order = self._orders.get(referral.order_id) if referral.order_id else None
        if order is None or referral.look_at is None or referral.look_at > now:
            return "nothing due"
        if referral.status in ("bound", "settled") and referral.begun:
            if not counts(referral, order):
                return self._claw_back(referral)
            if referral.status == "settled":
                self._complete_set(referral)
                return self._put(referral, "kept", look_at=None)
        if referral.status != "bound":
            return self._put(referral, referral.status, look_at=None)
        if order.status == "refunded":
            # The next order may be their first that lasts.
            return self._put(referral, "waits for another order", look_at=None, order_id=None)
        again = look_again(order, now)
        if again is not None:
            return self._put(referral, "waits", look_at=again)
        if not counts(referral, order):
            return self._put(referral, "too small", look_at=None, order_id=None)
        return self._judge(referral, order)

    def _judge(self, referral: Referral, order: Order) -> SettlingOutcome | None:
        """The order is final: reward both, or let a person look."""
        now, inviter_id = self._clock.now(), self._members.now_called(referral.inviter_id)
        invited_id = self._members.now_called(referral.id)
        if inviter_id is None or invited_id is None or inviter_id == invited_id:
            return self._put(referral, "void", status="void", look_at=None)
        today = brand_day(now)
        people = [self._members.who(member_id) for member_id in (inviter_id, invited_id)]
        if any(is_minor(person, today) for person in people):
            return self._put(referral, "void", status="void", look_at=None)
        known = referral.model_copy(update={
            "order_day": order.business_day, "order_fen": order.payable_fen,
            "order_store_id": order.store_id,
        })  # fmt: skip
        facts = {name: getattr(known, name)
                 for name in ("order_day", "order_fen", "order_store_id")}  # fmt: skip
        friends, rules = self._repository.lately(referral.inviter_id), self._repository.rules()
        reasons = suspicions(known, rules, friends, self._upwards(referral.inviter_id))
        if reasons and referral.decision is None:
            return self._put(referral, "held", status="held", reasons=reasons, look_at=None,
                             **facts)  # fmt: skip
        return self._reward(known, inviter_id, invited_id, facts)

    def _upwards(self, member_id: str) -> list[str]:
        found: list[str] = []
        for _ in range(MOST_UPWARDS):
            above = self._repository.find(member_id)
            if above is None or above.inviter_id in found:
                break
            member_id = above.inviter_id
            found.append(member_id)
        return found

    def _reward(
        self, referral: Referral, inviter_id: str, invited_id: str, facts: dict[str, Any],
    ) -> SettlingOutcome | None:  # fmt: skip
        """Take a place among the inviter's friends who count, then give what was promised."""
        rules, now = self._repository.rules(), self._clock.now()
        today, friends = brand_day(now), self._repository.counting(referral.inviter_id)
        taken = [friend.seq for friend in friends if friend.seq is not None]
        of_day = [f for f in friends if f.place is not None and f.place.startswith(today)]
        capped = len(taken) >= rules.most_in_all or len(of_day) >= rules.most_a_day
        places: dict[str, Any] = {} if capped else {
            "seq": free_seq(taken), "place": f"{today}#{_next_of(of_day)}",
        }  # fmt: skip
        # The place comes first, under a unique index: two friends at once can't both be the last
        # that the caps allow. Who is killed behind this is found by `look_at` and gives the rest.
        if referral.seq is None and not referral.capped:
            changes = {"capped": capped or None, **places, **facts}
            if not self._repository.put(referral, **changes):
                return None
            found = self._repository.find(referral.id)
            if found is None:
                return None
            referral = found
        terms, rule = referral.terms, RuleRef(
            rule_id="referrals", revision=referral.terms.rules_revision)  # fmt: skip
        if terms.invited_points:
            cause = f"referral:{referral.id}:invited"
            self._bonuses.give(invited_id, terms.invited_points, cause, rule)
        if terms.inviter_points and not referral.capped:
            cause = f"referral:{referral.id}:inviter"
            self._bonuses.give(inviter_id, terms.inviter_points, cause, rule)
        # Settled first, for of two friends at once each must see the other; `look_at` stays until
        # the set was looked at, for whoever is killed in between.
        if not self._repository.put(referral, status="settled", settled_at=now):
            return None
        settled = self._repository.find(referral.id)
        if settled is None:
            return None
        self._complete_set(settled)
        return self._put(settled, "settled", look_at=None)

    def _complete_set(self, referral: Referral) -> None:
        """Give the coupon for several friends, once all of a set have counted.

        The friend who comes last finds the others; of two at once both do, for the same cause.
        """
        several = referral.terms.invite_set
        inviter_id = self._members.now_called(referral.inviter_id)
        if several is None or referral.seq is None or inviter_id is None:
            return
        number, places = set_of(referral.seq, several.count)
        friends = self._repository.counting(referral.inviter_id)
        settled = {f.seq for f in friends if f.status == "settled"}
        template = self._coupons.templates([several.template_id]).get(several.template_id)
        if template is None or not settled >= set(places):
            return
        # Of a set that was broken by a claw-back the coupon was revoked; mended it gives another
        # one, unless the first was used.
        for generation in range(MOST_GENERATIONS):
            cause = f"referral-set:{referral.inviter_id}:{number}:{generation}"
            self._coupons.issue(template, member_id=inviter_id, cause=cause)
            if self._coupons.of_cause(cause).status != "revoked":
                return

    def _claw_back(self, referral: Referral) -> SettlingOutcome | None:
        """The first order went back after all: what it brought goes back, too."""
        rule = RuleRef(rule_id="referrals", revision=referral.terms.rules_revision)
        for who, member_id in (("invited", referral.id), ("inviter", referral.inviter_id)):
            now_called = self._members.now_called(member_id)
            if now_called is not None:
                self._bonuses.take_back(now_called, f"referral:{referral.id}:{who}", rule)
        several = referral.terms.invite_set
        if several is not None and referral.seq is not None:
            self._break_set(referral, several.count)
        return self._put(
            referral, "clawed back", status="clawed_back", look_at=None, seq=None, place=None
        )

    def _break_set(self, referral: Referral, count: int) -> None:
        number, _ = set_of(referral.seq or 1, count)
        for generation in range(MOST_GENERATIONS):
            cause = f"referral-set:{referral.inviter_id}:{number}:{generation}"
            try:
                shown = self._coupons.of_cause(cause)
            except Refusal:
                return
            if shown.status == "issued":
                self._coupons.revoke(coupon_id(cause), "referral-settle", "首单已退款")

    def _put(
        self, referral: Referral, outcome: SettlingOutcome, **changes: Any
    ) -> SettlingOutcome | None:
        if "reasons" in changes:
            changes["reasons"] = list(changes["reasons"])
        return outcome if self._repository.put(referral, **changes) else None

    # --- for staff ----------------------------------------------------------------------------

    def held(self, page: PageRequest, lang: Lang) -> dict[str, Any]:
        """Return a page of referrals that wait for a decision, with the reasons in words."""
        referrals, after = self._repository.held(page)
        shown = [
            {
                "referral_id": r.id, "inviter_id": r.inviter_id, "bound_at": r.bound_at,
                "order_id": r.order_id, "order_fen": r.order_fen, "reasons": r.reasons,
                "words": reason_words(r.reasons, lang),
            }
            for r in referrals
        ]  # fmt: skip
        return {"referrals": shown, "next": after}

    def decide(self, request: DecideRequest) -> dict[str, Any]:
        """Let a held referral count, or not; Refusal REFERRAL_NOT_HELD if none is."""
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
        # Of two who decide at once one comes second and is told so.
        if not self._repository.put(referral, decision=decision, **changes):
            raise Refusal(ReferralErrors.REFERRAL_NOT_HELD, field="referral_id")
        if request.approve:
            self.settle(referral.id)
        return self.shown(referral.id)

    def shown(self, referral_id: str) -> dict[str, Any]:
        """Return one referral for staff; Refusal NOT_FOUND naming `referral_id`."""
        referral = self._repository.find(referral_id)
        if referral is None:
            raise Refusal(Code.NOT_FOUND, field="referral_id", detail=MEMBER)
        return {"referral_id": referral.id} | referral.model_dump(
            include={"inviter_id", "status", "reasons", "look_at", "order_id"}
        )


def _next_of(friends: list[Referral]) -> int:
    numbers = [int((friend.place or "#0").partition("#")[2]) for friend in friends]
    return free_seq(numbers)
