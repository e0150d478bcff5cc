"""Members' months, through the real services on the real database, against single points.

Orders with points, payments, settlements in any order and any number, refunds in parts,
completions, expiries, rules that change in between. The model is told in which order things were
committed, and predicts every lot, pending award, debt and balance, and the level.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from chain_data import NOON, FakeClock, Shop, item
from huitou.maintenance.models import LoadRequest
from huitou.maintenance.service import Maintenance
from huitou.orders.models import Order
from huitou.points.models import ON_COMPLETION, Account, Caps, Expiry, PointsRules, Usable
from huitou.points.rules import Award
from huitou.points.service import Points
from huitou.runtime.database import Database
from huitou.tiers.service import Tiers
from purse import Point, Purse

EXAMPLES = int(os.environ.get("HUITOU_MACHINE_EXAMPLES", "25"))
GUESTS = ("ann", "bob")
MOVING = ("orders", "accounts", "points_entries", "members", "identities", "logins",
          "tier_changes", "rules", "rule_revisions", "notices")  # fmt: skip


@dataclass
class Bought:
    """One order as the model knows it: by which rules it was paid, and what came back of it."""

    order: Order
    taken: list[Point]
    rules: PointsRules | None = None
    paid_on: str = ""
    given: int | None = None  # Points, once it was settled.
    parts_fen: list[int] = field(default_factory=list)
    wholly: bool = False
    told: int = 0  # How many of the parts have been settled.
    left: int = 0
    returned: int = 0
    completed: bool = False
    matured: bool = False
    cancelled: bool = False


class World:
    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.points = Points(shop.database, shop.clock)
        self.rules = PointsRules()
        self.members = {name: shop.register(name) for name in GUESTS}
        self.purses = {member_id: Purse() for member_id in self.members.values()}
        self.bought: list[Bought] = []
        self.earned: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    @property
    def today(self) -> str:
        local: date = (self.shop.clock.now() + timedelta(hours=8)).date()
        return local.isoformat()

    def step(self, kind: str, number: int, amount: int, choice: Any) -> None:
        if kind in ("orders", "buys", "rules change", "waits", "timer"):
            getattr(self, "_" + kind.replace(" ", "_"))(number, amount, choice)
        elif self.bought:
            one = self.bought[number % len(self.bought)]
            getattr(self, "_" + kind.replace(" ", "_"))(one, amount)

    def _orders(self, number: int, amount: int, share: int) -> None:
        member_id = list(self.purses)[number % len(GUESTS)]
        purse = self.purses[member_id]
        purse.day_breaks(self.today)
        usable = len(purse.open()) - purse.owed
        assert self.points.available(member_id) == usable
        # 30 % of the order, whatever the level has taken off it before.
        points = max(0, min(usable, amount * 1_500 * 3 // 12) * share // 100)
        order = self.shop.order(member_id, items=[item(amount)], points=points)
        taken = purse.open()[:points]
        for point in taken:
            purse.points.remove(point)
        self.bought.append(Bought(order, taken))

    def _buys(self, number: int, amount: int, share: int) -> None:
        self._orders(number, amount, share)
        self._pays(self.bought[-1], 0)
        self._settles(self.bought[-1], 0)

    def _sends_back(self, one: Bought, amount: int) -> None:
        self._refunds(one, amount)
        self._settles(one, amount)

    def _rules_change(self, number: int, _: int, choice: Any) -> None:
        expiry, usable, claw_back, caps = choice
        self.rules = PointsRules(
            revision=self.rules.revision + 1, expiry=expiry, usable=usable, claw_back=claw_back,
            caps=caps, return_expired_days=number % 3,
        )  # fmt: skip
        request = LoadRequest.model_validate({"points_rules": self.rules.document()})
        Maintenance(self.shop.database, self.shop.clock).load(request)
        self.shop.database.recent._kept.clear()

    def _waits(self, _number: int, days: int, _: Any) -> None:
        assert isinstance(self.shop.clock, FakeClock)
        self.shop.clock.advance(days=days)

    def _timer(self, *_: Any) -> None:
        self.points.bring_all_up_to_date(lambda: True)

    def _pays(self, one: Bought, _: int) -> None:
        if one.rules is None and not one.cancelled:
            assert self.shop.pay(one.order)
            one.rules, one.paid_on = self.rules, one.order.business_day

    def _cancels(self, one: Bought, _: int) -> None:
        if one.rules is None and not one.cancelled:
            self.shop.orders.begin_closing(one.order)
            assert self.shop.orders.cancel(one.order)
            one.cancelled = True
            self.purses[one.order.member_id].points += one.taken
            self._day(one.order.member_id)

    def _completes(self, one: Bought, _: int) -> None:
        found = self.shop.orders.get(one.order.id)
        if one.rules and not one.wholly and not one.completed:
            assert self.shop.orders.serve(found, "completed", None)
            one.completed = True

    def _refunds(self, one: Bought, amount: int) -> None:
        left_fen = one.order.payable_fen - sum(one.parts_fen)
        if one.rules is None or one.wholly:
            return
        part = min(left_fen, amount * 1_000) if amount else left_fen
        self.shop.refund(one.order, f"R{one.order.id}-{len(one.parts_fen)}", part)
        one.parts_fen.append(part)
        one.wholly = part == left_fen

    def _settles(self, one: Bought, times: int) -> None:
        for _ in range(1 + times % 2):
            self.shop.settlement.settle(one.order.id)
        if one.rules is not None:
            self._settled(one, one.rules)

    def _settled(self, one: Bought, rules: PointsRules) -> None:
        """What a settlement at this moment must have done, point by point."""
        member_id, day = one.order.member_id, one.paid_on
        purse, earned = self.purses[member_id], self.earned[member_id]
        self._day(member_id)
        award = Award(last_day(rules.expiry, day), waits_for(rules.usable, day))
        exact = Fraction(one.order.payable_fen, 100)
        if rules.caps.order_points is not None:
            exact = min(exact, Fraction(rules.caps.order_points))
        if one.given is None:
            limits = [int(exact)]
            if rules.caps.day_points is not None:
                limits.append(max(0, rules.caps.day_points - earned[day]))
            if rules.caps.month_points is not None:
                month = sum(n for other, n in earned.items() if other[:7] == day[:7])
                limits.append(max(0, rules.caps.month_points - month))
            one.given = one.left = min(limits)
            earned[day] += one.given
            purse.points += [Point(award.expires_on, award.usable) for _ in range(one.given)]
        base = exact if one.given == int(exact) else Fraction(one.given)
        paid = one.order.payable_fen
        waiting = Award(award.expires_on, None if one.matured else award.usable)
        while one.told < len(one.parts_fen):
            one.told += 1
            rest = Fraction(paid - sum(one.parts_fen[: one.told]), paid)
            ends = one.wholly and one.told == len(one.parts_fen)
            left = 0 if ends else int(base * rest)
            back = len(one.taken) if ends else int(len(one.taken) * (1 - rest))
            self._come_back(one, purse, back, rules.return_expired_days)
            purse.take_back(one.left - left, waiting, rules.claw_back, self.today)
            earned[day] -= one.left - left
            one.left = left
        if one.completed and not one.wholly and waiting.usable == ON_COMPLETION:
            ripe = [
                point
                for point in purse.points
                if (point.waits_for, point.expires_on) == (ON_COMPLETION, award.expires_on)
            ]
            for point in ripe[: one.left]:
                point.waits_for = None
            one.matured = bool(ripe[: one.left])
        self._day(member_id)

    def _come_back(self, one: Bought, purse: Purse, upto: int, extend: int) -> None:
        # Those that hold longest come back first.
        coming = sorted(one.taken, key=lambda point: point.expires_on, reverse=True)
        for point in coming[one.returned : upto]:
            until = point.expires_on
            if until < self.today:
                event("points come back to a lot that has ended")
                if not extend:
                    continue
                until = (date.fromisoformat(self.today) + timedelta(extend)).isoformat()
            purse.points.append(Point(until))
        one.returned = upto

    def _day(self, member_id: str) -> None:
        purse = self.purses[member_id]
        if purse.owed:
            event("something is owed")
            if any(point.expires_on < self.today for point in purse.points):
                event("points expire while something is owed")
        purse.day_breaks(self.today)

    def agrees(self) -> None:
        """Every account is what the model says; the books agree; levels follow from orders."""
        self._timer()
        for member_id, purse in self.purses.items():
            self._day(member_id)
            stored = self.shop.account(member_id)
            account = Account.model_validate(stored)
            purse.agrees(account)
            aside = sum(
                len(one.taken) for one in self.bought
                if one.order.member_id == member_id and one.given is None and not one.cancelled
            )  # fmt: skip
            assert account.reserved == aside
            assert account.available == len(purse.open()) - purse.owed
            self._level_agrees(member_id)
        assert self.shop.differences() == []

    def _level_agrees(self, member_id: str) -> None:
        tiers = Tiers(self.shop.database, self.shop.clock)
        tiers.evaluate(member_id)
        first = (date.fromisoformat(self.today) - timedelta(364)).isoformat()
        spent_fen = sum(
            one.order.payable_fen - sum(one.parts_fen[: one.told]) for one in self.bought
            if one.order.member_id == member_id and one.given is not None and one.paid_on >= first
        )  # fmt: skip
        level = "gold" if spent_fen >= 200_000 else "silver" if spent_fen >= 50_000 else "basic"
        assert tiers.level_of(member_id)[0].level == level


def last_day(expiry: Expiry, day: str) -> str:
    start = date.fromisoformat(day)
    if expiry.kind == "never":
        return "9999-12-31"
    if expiry.kind == "end_of_next_year":
        return f"{start.year + 1}-12-31"
    months = start.month - 1 + expiry.months
    for last in (start.day, 30, 29, 28):  # The month may be shorter.
        try:
            return date(start.year + months // 12, months % 12 + 1, last).isoformat()
        except ValueError:
            continue
    raise AssertionError(day)


def waits_for(usable: Usable, day: str) -> str | None:
    if usable.kind == "after_days":
        return (date.fromisoformat(day) + timedelta(usable.days)).isoformat()
    return ON_COMPLETION if usable.kind == "on_completion" else None


some_rules = st.tuples(
    st.sampled_from([Expiry(), Expiry(kind="never"), Expiry(kind="rolling_months", months=1),
                     Expiry(kind="rolling_months", months=2)]),
    st.sampled_from([Usable(), Usable(), Usable(kind="after_days", days=3),
                     Usable(kind="after_days", days=40), Usable(kind="on_completion")]),
    st.sampled_from(["pending_only", "within_balance", "unlimited", "unlimited"]),
    st.sampled_from([Caps(), Caps(), Caps(day_points=40), Caps(order_points=25),
                     Caps(month_points=60)]),
)  # fmt: skip
number = st.integers(0, 11)


nothing = st.just(0)


def steps_of(kind: str, amounts: Any = nothing, choices: Any = nothing) -> Any:
    return st.tuples(st.just(kind), number, amounts, choices)


step = st.one_of(
    steps_of("orders", st.integers(1, 30), st.sampled_from([0, 50, 100])),
    steps_of("orders", st.integers(1, 30), st.just(100)),
    steps_of("buys", st.integers(1, 30), st.sampled_from([0, 100])),
    steps_of("buys", st.integers(1, 30), st.just(100)),
    steps_of("pays"),
    steps_of("settles", st.integers(0, 1)),
    steps_of("refunds", st.integers(0, 20)),
    steps_of("sends back", st.integers(0, 20)),
    steps_of("sends back"),
    steps_of("cancels"),
    steps_of("completes"),
    steps_of("waits", st.sampled_from([0, 1, 2, 20, 33, 70, 370])),
    steps_of("timer"),
    steps_of("rules change", nothing, some_rules),
)


@pytest.mark.timeout(3_000 if EXAMPLES > 100 else 240)
@given(first=some_rules, steps=st.lists(step, min_size=8, max_size=40))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_every_point_is_where_the_model_says(
    chain: Database, clock: FakeClock, first: Any, steps: list[Any]
) -> None:
    for name in MOVING:
        if name not in ("rules", "rule_revisions"):
            chain.collection(name).delete_many({})
    chain.collection("rules").delete_many({"_id": "points"})
    chain.collection("rule_revisions").delete_many({"_id": {"$regex": "^rules:points@"}})
    chain.recent._kept.clear()
    clock.moment = NOON
    world = World(Shop(chain, clock))
    world.step("rules change", 0, 0, first)
    for taken in steps:
        world.step(*taken)
        if taken[0] in ("settles", "buys", "sends back", "timer", "cancels"):
            world.agrees()
    for one in world.bought:
        world.step("settles", world.bought.index(one), 0, 0)
    world.agrees()
