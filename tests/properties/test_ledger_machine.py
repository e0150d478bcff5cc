"""Members' points through any series of events on the real database, against a simple model.

`scripts/test --hunt` tries more and longer series, and shrinks the failures it finds.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain_data import FakeClock, Shop, item
from huitou.loyalty.points.errors import PointsErrors
from huitou.loyalty.points.models import PointsRules
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.errors import OrderErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from hunting import examples, hunting
from points_promised import Bought
from points_world import GUESTS, World, seen

HUNT = hunting()
# A hunt must reach each of these cases.
MUST_SEE = (
    "debt", "debt repaid", "expired while owing", "waived", "pending taken back",
    "returned into a lot that had ended", "return lost", "capped", "bonus", "another first",
    "matured by its day", "matured by its order", "not enough", "refund came to nothing",
    "to gold", "to silver", "to basic", "settled again", "settled on a later day",
    "pieces back beside a fee",
)  # fmt: skip

which = st.integers(0, 7)
line = st.tuples(
    st.sampled_from([("milk-tea", "m"), ("spring-rolls", "one"), ("beef-noodles", "l")]),
    st.sampled_from([1, 2, 9, 40]),
)
lines = st.lists(line, min_size=1, max_size=2, unique_by=lambda one: one[0])
# The guest, the lines, the percentage of points to spend, how far the order gets, and the mode.
cart = st.tuples(
    st.sampled_from(GUESTS), lines, st.sampled_from([0, 0, 30, 100, 100]),
    st.sampled_from([0, 1, 2, 2, 2, 3]), st.sampled_from(["dine_in", "delivery"]),
)  # fmt: skip
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "expiry": st.sampled_from(
        [{"kind": "rolling_months", "months": n} for n in (1, 1, 2)]
        + [{"kind": "never"}, {"kind": "end_of_next_year"}]
    ),
    "usable": st.sampled_from(
        [{"kind": "at_once"}] * 2
        + [{"kind": "after_days", "days": n} for n in (1, 40)]
        + [{"kind": "on_completion"}] * 2
    ),
    "claw_back": st.sampled_from(["unlimited", "unlimited", "within_balance", "pending_only"]),
    "return_expired_days": st.sampled_from([0, 0, 1, 20]),
    "fen_per_point": st.sampled_from([100, 33, 10]),
    "fen_per_point_by_tier": st.sampled_from([{}, {"silver": 25}, {"basic": 70, "gold": 7}]),
    "counts_points_part": st.booleans(),
    "excluded_categories": st.sampled_from([[], [], ["小吃"]]),
    "caps": st.sampled_from(
        [{}, {}, {"order_points": 40}, {"day_points": 100}, {"month_points": 150},
         {"order_points": 90, "day_points": 120, "month_points": 200}]
    ),
}  # fmt: skip
rules = st.fixed_dictionaries({}, optional=CHANGES)
HOME = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}
MULTIPLIER = {"_id": "more", "name": "多倍", "kind": "multiplier"}
BONUS = {"_id": "hello", "name": "首单", "kind": "bonus", "event": "first_order"}


class PointsOfMembers(RuleBasedStateMachine, World):
    """Guests, staff, operators and the calendar act in any order."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self.begin(shop)

    @initialize(changes=st.fixed_dictionaries(CHANGES), bonus=st.booleans(),
                carts=st.lists(cart, min_size=1, max_size=3))  # fmt: skip
    def open(self, changes: dict[str, Any], bonus: bool, carts: list[tuple[Any, ...]]) -> None:
        self.clear()
        self.rules_change(changes)
        if bonus:
            self.a_bonus_is_offered(50)
        for chosen in carts:
            self.buys(chosen)

    # --- guests ---------------------------------------------------------------------------------

    @rule(cart=cart)
    def buys(self, cart: tuple[str, list[Any], int, int, str]) -> None:
        """Order, and perhaps pay; the order is perhaps settled at once, and perhaps completed."""
        name, lines, share, how_far, mode = cart
        member_id = self.members[name]
        purse, today = self.purses[member_id], self.today()
        items = [item(n, dish, sku) for (dish, sku), n in lines]
        where = {"mode": mode, "delivery": HOME} if mode == "delivery" else {}
        most = max(0, purse.as_of(today).available)
        try:
            order = self.shop.order(member_id, points=most * share // 100, items=items, **where)
        except Refusal as refused:
            assert refused.code is OrderErrors.POINTS_OVER_LIMIT  # noqa: PT017
            most = int(str(refused.detail))
            order = self.shop.order(member_id, points=most, items=items, **where)
        bought = Bought(order.id, order.business_day, order.payable_fen)
        self.orders.append(bought)
        self.owner[order.id] = member_id
        if order.points_used:
            bought.drawn = purse.set_aside(order.id, order.points_used, today)
            assert bought.drawn == [(part.expires_on, part.points) for part in order.points_drawn]
        if how_far > 0:
            self.pays(0)
        if how_far > 1:
            self.is_settled(0)
        if how_far > 2:
            self.completes(0, True, False)

    @rule(name=st.sampled_from(GUESTS), lines=lines, days=st.sampled_from([0, 0, 1, 33, 62]))
    def spends_what_then_goes_back(self, name: str, lines: list[Any], days: int) -> None:
        """Earn points, spend all of them, and refund the order that earned or spent them."""
        self.buys((name, lines, 0, 2, "delivery"))
        self.shop.clock.advance(days=days % 32)
        self.buys((name, [(("milk-tea", "m"), 9)], 100, 2, "dine_in"))
        self.shop.clock.advance(days=days - days % 32)
        self.refunds_money(0 if days > 1 else 1, None, 0, True)

    @rule(name=st.sampled_from(GUESTS), more=st.sampled_from([1]))
    def wants_more_than_there_is(self, name: str, more: int) -> None:
        member_id = self.members[name]
        has = max(0, self.purses[member_id].as_of(self.today()).available)
        with pytest.raises(Refusal) as refused:
            self.shop.database.transact(
                lambda session: self.points.reserve_points(member_id, has + more, session)
            )
        assert refused.value.code is PointsErrors.POINTS_NOT_ENOUGH
        self.saw("not enough")

    @precondition(lambda self: self.orders)
    @rule(number=which)
    def pays(self, number: int) -> None:
        bought = self.order(number)
        order = self.shop.orders.get_order(bought.id)
        if self.shop.pay(order):
            bought.promised = self.promised(order)
            off = [sum(d.by_line_fen[n] for d in order.discounts) for n in range(len(order.lines))]
            bought.line_fen = [
                one.list_fen - fen for one, fen in zip(order.lines, off, strict=True)
            ]

    @precondition(lambda self: self.orders)
    @rule(number=which)
    def cancels(self, number: int) -> None:
        bought = self.order(number)
        order = self.shop.orders.get_order(bought.id)
        if self.shop.orders.begin_closing_order(order) and self.shop.orders.cancel_order(order):
            if bought.drawn:
                self.purses[order.member_id].let_go(order.id, self.today())
            self.saw("cancelled with points" if bought.drawn else "cancelled")

    # --- staff ----------------------------------------------------------------------------------

    @precondition(lambda self: self.orders)
    @rule(number=which, settled=st.booleans(), fails=st.booleans())
    def completes(self, number: int, settled: bool, fails: bool) -> None:
        """Complete an order; perhaps a refund of all of it has just begun, and then fails."""
        order = self.shop.orders.get_order(self.order(number).id)
        if self.shop.orders.move_paid_order(order, "completed", None):
            begun = fails and self.begin_refund(number, None, 0)
            if settled:
                self.is_settled(number)
            if begun:
                self.a_refund_ends(0, False)

    @precondition(lambda self: self.orders)
    @rule(number=which, fen=st.sampled_from([None, None, 1, 99, 700, 5_000]),
          pieces=st.integers(-2, 2), settled=st.sampled_from([True, True, False]))  # fmt: skip
    def refunds_money(self, number: int, fen: int | None, pieces: int, settled: bool) -> None:
        """Refund all that is left, an amount, or pieces (below 0: pieces of the last line)."""
        if self.begin_refund(number, fen, pieces if fen is not None else 0):
            self.a_refund_ends(0, True)
            if settled:
                self.is_settled(number)

    @precondition(lambda self: self.orders)
    @rule(number=which, fen=st.sampled_from([None, 1, 700]), pieces=st.integers(-1, 1))
    def begins_a_refund(self, number: int, fen: int | None, pieces: int) -> None:
        self.begin_refund(number, fen, pieces)

    @rule(number=which, given=st.sampled_from([True, True, False]))
    def a_refund_ends(self, number: int, given: bool) -> None:
        found = self.shop.database.collection("orders").find({"_id": {"$in": list(self.owner)}})
        running = sorted((r["refund_id"], o["_id"]) for o in found for r in o.get("refunding", ()))
        if running:
            refund_id, order_id = running[-1 - number % len(running)]
            self.shop.database.transact(
                lambda session: self.shop.orders.end_refund(
                    order_id, refund_id, given=given, session=session
                )
            )
            if not given:
                self.saw("refund came to nothing")

    # --- repeated and late events ---------------------------------------------------------------

    @precondition(lambda self: self.orders)
    @rule(number=which)
    def is_settled(self, number: int) -> None:
        self.settle(self.order(number))

    @precondition(lambda self: self.orders)
    @rule(number=which)
    def is_settled_again(self, number: int) -> None:
        """An event comes again for an order that looks due: settling it adds nothing."""
        bought = self.order(number)
        if bought.given is not None:
            self.saw("settled again")
            self.shop.database.collection("orders").update_one(
                {"_id": bought.id}, {"$set": {"settlement": "due"}}
            )
            self.settle(bought)

    # --- rules ----------------------------------------------------------------------------------

    @rule(changes=rules)
    def rules_change(self, changes: dict[str, Any]) -> None:
        following = {**self.in_force.model_dump(by_alias=True), **changes}
        following["revision"] += 1
        self.in_force = PointsRules.model_validate(following)
        request = LoadRequest.model_validate({"points_rules": following})
        Maintenance(self.shop.database, self.shop.clock).load_chain(request)
        self.shop.database.cache.clear()

    @rule(bp=st.sampled_from([12_345, 20_000, 30_000]), categories=st.sampled_from(
              [[], ["奶茶"], ["小吃", "面"]]), off=st.booleans())  # fmt: skip
    def more_is_promised(self, bp: int, categories: list[str], off: bool) -> None:
        until = "2099-01-01" if off else None
        self.promotion({**MULTIPLIER, "multiplier_bp": bp, "categories": categories}, until)

    @rule(points=st.sampled_from([7, 50, 500]))
    def a_bonus_is_offered(self, points: int) -> None:
        self.promotion({**BONUS, "points": points}, None)

    # --- time -----------------------------------------------------------------------------------

    @rule(days=st.sampled_from([0.3, 0.6, 1, 2, 7, 28, 31, 33, 62, 200, 370]))
    def time_goes_by(self, days: float) -> None:
        if days > 100:  # Tiers no longer count orders that are settled a year late.
            self.everything_is_settled()
        self.shop.clock.advance(days=days)

    @rule()
    def the_timer_fires(self) -> None:
        today = self.today()
        due = list(self.points.due_accounts())
        self.points.bring_all_up_to_date(due)
        for member_id, purse in self.purses.items():
            known, owed = len(purse.written), purse.owed
            if member_id in due:
                purse.dawn(today)
                self.look_at(purse.written[known:], owed)
            assert purse.as_of(today).written == purse.written
        assert list(self.points.due_accounts()) == []

    @rule()
    def tiers_are_looked_at(self) -> None:
        for member_id in list(self.tiers.due_reviews()):
            self.tiers.evaluate_member(member_id)
            self.purses[member_id].level = self.level(member_id)
        for member_id, purse in self.purses.items():
            assert self.level(member_id) == purse.level

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def the_ledger_is_what_the_model_says(self) -> None:
        seen["steps"] += 1
        self.agrees()

    def teardown(self) -> None:
        if sys.exc_info()[0] is None and hasattr(self, "purses"):
            self.everything_is_settled()
            self.the_timer_fires()
            # Orders that aren't marked due are checked too: no entry may be missing.
            for bought in self.orders:
                if bought.given is not None:
                    self.predict(bought)
            self.the_ledger_is_what_the_model_says()
            self.tiers_are_looked_at()
            assert self.shop.differences() == []
            seen["lives"] += 1


@pytest.mark.hypothesis
def test_after_any_events_the_ledger_equals_the_model(chain: Database, clock: FakeClock) -> None:
    shop = Shop(chain, clock)
    run_state_machine_as_test(
        lambda: PointsOfMembers(shop),
        settings=settings(
            max_examples=examples(40),
            stateful_step_count=50 if HUNT else 30,
            phases=[Phase.explicit, Phase.reuse, Phase.generate] + [Phase.shrink] * HUNT,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(sorted(seen.items())))
    if HUNT:
        assert [name for name in MUST_SEE if not seen[name]] == []
