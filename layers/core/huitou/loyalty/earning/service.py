"""The terms by which orders and events earn points, under the rules in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.loyalty.birthdays.service import Birthdays
from huitou.loyalty.earning.errors import EarningErrors
from huitou.loyalty.earning.models import BonusAnswer, EarningRule, EarningTerms
from huitou.loyalty.earning.repository import EarningRepository
from huitou.loyalty.earning.rules import (
    BonusEvent,
    BonusOutcome,
    Purchase,
    asks_birthday,
    bonus_award,
    bonus_words,
    bonuses_for,
    in_force,
    terms_for,
)
from huitou.loyalty.points.models import LedgerEntry, PointsRules, RuleRef
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.persons.ids.rules import names_of
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.loyalty.points.rules import Award, EntryOrigin, TakenBack

if TYPE_CHECKING:
    from huitou.loyalty.tiers.models import Level

PAID_LATE = timedelta(days=31)  # An order's payment may be reported this long after its day.


class Earning:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._rules = EarningRepository(database)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)
        self._birthdays = Birthdays(database)

    def put_rule(self, rule: EarningRule) -> None:
        """Store a later revision of a promotion; Refusal RULES_CONFLICT for an earlier one."""
        self._rules.put(rule)

    def rules_in_force(self, day: str) -> list[EarningRule]:
        """Return the promotions in force on a business day, by id."""
        since = (self._clock.now() - PAID_LATE).date().isoformat()
        return [rule for rule in self._rules.rules(since) if in_force(rule, day)]

    def terms_for_order(self, member_id: str, purchase: Purchase) -> EarningTerms:
        """Return the terms by which a purchase earns, at the member's present tier."""
        level, revision = self._tiers.level_of(member_id)
        return self._terms(member_id, purchase, level, revision, self._points.rules())

    def terms_for_cart(
        self,
        member_id: str,
        purchase: Purchase,
        level: Level,
        tier_rules_revision: int,
        points: PointsRules,
    ) -> EarningTerms:
        """Return the terms by which a cart would earn if it were paid now, at this level."""
        return self._terms(member_id, purchase, level, tier_rules_revision, points)

    def _terms(
        self,
        member_id: str,
        purchase: Purchase,
        level: Level,
        tier_rules_revision: int,
        points: PointsRules,
    ) -> EarningTerms:
        rules = self.rules_in_force(purchase.business_day)
        # The birthday is read only if a promotion of the day depends on it.
        asked = asks_birthday(rules, purchase.business_day)
        birthday: date | None = self._birthdays.find_birthday(member_id) if asked else None
        return terms_for(points, rules, purchase, level, tier_rules_revision, birthday)


class Bonuses:
    """Fixed points for events that aren't orders: a check-in, a review."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._earning = Earning(database, clock)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)
        self._persons = Persons(database)
        self._birthdays = Birthdays(database)

    def check_in(self, member_id: str, lang: Lang = "zh") -> BonusAnswer:
        """Award the check-in of the brand's business day; a second one that day brings nothing."""
        return self.award_bonus(member_id, "check_in", f"{member_id}:{self._tiers.today()}", lang)

    def award_bonus(
        self, member_id: str, event: BonusEvent, cause: str, lang: Lang = "zh"
    ) -> BonusAnswer:
        """Award what the rules in force give for an event; each rule rewards a cause once.

        Raises Refusal NOT_FOUND naming `member_id` if there is no account, and CAUSE_REUSED if
        the cause is another member's.
        """
        ids = self._persons.ids_of(self._persons.current_id(member_id) or member_id)
        member_id = ids[0]
        day, now = self._tiers.today(), self._clock.now()
        level, _ = self._tiers.level_of(member_id)
        in_force_now = self._earning.rules_in_force(day)
        asked = asks_birthday(in_force_now, day)
        birthday = self._birthdays.find_birthday(member_id) if asked else None
        moment = Purchase((), (), None, BRAND_ZONE, day, now)
        offered = bonuses_for(in_force_now, event, moment, level.level, birthday)
        points = self._points.rules()
        award = bonus_award(points, day)
        named = {_entry_id(event, rule, cause): rule for rule in offered}

        def write(session: ClientSession) -> tuple[bool, int]:
            known = self._entries(list(named), ids, session)
            had = sum(entry.points for entry in known.values())
            if len(known) == len(named):
                return False, had
            self._persons.touch(member_id, session)
            book = self._points.open_book(member_id, session)
            for entry_id, rule in named.items():
                if entry_id in known:
                    continue
                # An entry of 0 points is written too: if the event is reported again in another
                # month, it must bring nothing then either.
                left = book.room(day, points.caps.day_points, points.caps.month_points)
                offer = rule.points or 0
                origin = EntryOrigin(
                    cause=entry_id.removeprefix("bonus:"),
                    at=now,
                    business_day=day,
                    actor="event",
                    rules_revision=points.revision,
                    rules=[RuleRef(rule_id=rule.id, revision=rule.revision)],
                )
                book.bonus(origin, offer if left is None else min(offer, left), award)
            given = sum(entry.points for entry in book.entries if entry.kind == "bonus")
            book.bring_up_to_date()
            self._points.save_books([book], session)
            return True, had + given

        new, total = self._database.transact_once(write) if named else (False, 0)
        if not named:
            outcome: BonusOutcome = "no_rule"
        elif not total:
            outcome = "nothing_left"
        else:
            outcome = "awarded" if new else "awarded_before"
        return BonusAnswer(
            outcome=outcome,
            points=total,
            usable=award.usable if total else None,
            what=bonus_words(outcome, total, lang),
        )

    def _entries(
        self, wanted: list[str], ids: Sequence[str], session: ClientSession
    ) -> dict[str, LedgerEntry]:
        """Return those of these entries that a person has, under whichever of their ids.

        Raises Refusal CAUSE_REUSED if one of them is another person's.
        """
        names = {
            other: name for name in wanted for other in [name, *names_of(name, ids[0], ids[1:])]
        }
        found = self._points.entries_by_ids(list(names), session)
        if any(entry.member_id not in ids for entry in found.values()):
            raise Refusal(EarningErrors.CAUSE_REUSED, field="cause")
        return {names[entry_id]: entry for entry_id, entry in found.items()}

    def give_points(self, member_id: str, points: int, cause: str, rule: RuleRef) -> bool:
        """Give a member points that a rule promised; False if this cause had them before.

        Caps don't apply: the points are a present, not earned by an order. Raises Refusal
        NOT_FOUND naming `member_id` if there is no account, CAUSE_REUSED if it is another's cause.
        """
        rules, day, now = self._points.rules(), self._tiers.today(), self._clock.now()

        def write(session: ClientSession) -> bool:
            ids = self._persons.ids_of(member_id, session)
            if self._entries([f"bonus:{cause}"], ids, session):
                return False
            self._persons.touch(member_id, session)
            book = self._points.open_book(member_id, session)
            origin = EntryOrigin(
                cause=cause,
                at=now,
                business_day=day,
                actor="event",
                rules_revision=rules.revision,
                rules=[rule],
            )
            book.bonus(origin, points, bonus_award(rules, day))
            book.bring_up_to_date()
            self._points.save_books([book], session)
            return True

        return self._database.transact_once(write)

    def take_back_points(self, member_id: str, cause: str, rule: RuleRef) -> bool:
        """Take back what was given for a cause; False if nothing was, or it was taken back before.

        It is a claw-back by the chain's policy: points spent already are owed or waived.
        """
        rules, day, now = self._points.rules(), self._tiers.today(), self._clock.now()

        def write(session: ClientSession) -> bool:
            ids = [f"bonus:{cause}", f"claw-back:{cause}"]
            known = self._points.entries_by_ids(ids, session)
            given = known.get(ids[0])
            if given is None or ids[1] in known or not given.points:
                return False
            book = self._points.open_book(member_id, session)
            lot = next((lot for lot in given.lots if lot.points > 0), None)
            award = Award(lot.expires_on, lot.usable) if lot else bonus_award(rules, day)
            origin = EntryOrigin(
                cause=cause,
                at=now,
                business_day=day,
                actor="event",
                rules_revision=rules.revision,
                rules=[rule],
            )
            book.claw_back(origin, TakenBack(given.points), award, rules.claw_back)
            book.bring_up_to_date()
            self._points.save_books([book], session)
            return True

        return self._database.transact_once(write)


def _entry_id(event: BonusEvent, rule: EarningRule, cause: str) -> str:
    return f"bonus:{event.replace('_', '-')}@{rule.id}:{cause}"
