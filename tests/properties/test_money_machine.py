"""Orders and their money through any series of events and crashes; the books agree at the end.

`scripts/test --hunt` tries more and longer series, and shrinks the failures it finds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from at_rest import come_to_rest, everything_is_right, mend, sweep
from chain_data import NOON, FakeClock, item
from crashing import CrashingShop
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest, RefundRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.identity import Caller
from hunting import examples, hunting
from localcloud.keys import LocalSecrets
from localcloud.wechat_pay import FORGERIES, Refused
from money_world import World, seen
from sharing_stores import STORES, clear, open_stores, welcome

HUNT = hunting()
PRICES = {"milk-tea": 1_500, "spring-rolls": 1_200, "beef-noodles": 3_800}
GUESTS = ("alice", "bob")
STEPS = ("accepted", "preparing", "ready", "picked_up", "completed")
# Errors that WeChat Pay may answer once although the call was right.
ONCE = (
    "SYSTEM_ERROR", "FREQUENCY_LIMITED", "SIGN_ERROR", "NOT_ENOUGH", "NO_AUTH", "INVALID_REQUEST",
    "RESOURCE_NOT_EXISTS", "ORDER_NOT_EXIST", "RULE_LIMIT", "PARAM_ERROR", "ORDERPAID",
    "ORDER_CLOSED",
)  # fmt: skip
MOODS: tuple[dict[str, Any], ...] = (
    {}, {}, {"copies": 0}, {"copies": 2}, {"down": True}, {"answer_lost": True},
    {"reorder": True}, {"refunds_end": "CLOSED"}, {"refunds_end": "ABNORMAL"},
    {"shares_end": "CLOSED"}, {"returns_end": "FAILED"}, {"returns_end": "PROCESSING"},
)  # fmt: skip

once = st.one_of(st.none(), st.none(), st.sampled_from(ONCE))
which = st.integers(0, 11)
# The step at which an instance dies (0: none). Below 0, another instance acts (`between`).
crash = st.one_of(
    st.just(0), st.integers(1, 8), st.integers(1, 40), st.integers(-160, -1)
)  # fmt: skip
line = st.tuples(
    st.sampled_from([("milk-tea", "m"), ("spring-rolls", "one"), ("beef-noodles", "l")]),
    st.integers(1, 3),
)
cart = st.tuples(
    st.sampled_from(GUESTS), st.sampled_from(STORES), st.lists(line, min_size=1, max_size=2),
    st.booleans(), st.sampled_from([0, 0, 30, 100, 99]), st.sampled_from([2, 2, 2, 1, 0]),
)  # fmt: skip
lines_back = st.lists(
    st.builds(lambda line, quantity: {"line": line, "quantity": quantity},
              st.integers(0, 1), st.integers(1, 2)),
    max_size=2, unique_by=lambda back: back["line"],
)  # fmt: skip


class Money(RuleBasedStateMachine):
    """Guests, staff, timers and WeChat Pay act in any order."""

    def __init__(self, shop: CrashingShop) -> None:
        super().__init__()
        self.world = World(shop)
        self.shop = shop

    @initialize(carts=st.lists(cart, min_size=2, max_size=4), begun=st.integers(0, 2),
                moods=st.lists(st.sampled_from(MOODS), max_size=2))  # fmt: skip
    def open(self, carts: list[tuple[Any, ...]], begun: int, moods: list[dict[str, Any]]) -> None:
        """Begin in the middle of a day; some orders may be paid, and even shared out."""
        clear(self.shop, NOON)
        self.world.members = {name: self.shop.register(name) for name in GUESTS}
        for name in GUESTS:
            self.world.coupons[name] = welcome(self.shop, self.world.members[name], name)
        for chosen in carts:
            self.buys(chosen, 0)
        if begun:
            self.notices_come(0)
        for _ in range(begun):
            self.life_goes_on(1.1, 0, None)
        self.wechat_changes(moods, None)

    # --- guests ---------------------------------------------------------------------------------

    @rule(cart=cart, at=crash)
    def buys(self, cart: tuple[Any, ...], at: int) -> None:
        """Order, and perhaps prepay, and perhaps pay."""
        name, store, lines, coupon, points, how_far = cart
        chosen: dict[str, Any] = {
            "store_id": store,
            "items": [item(n, dish, sku) for (dish, sku), n in lines],
        }
        if coupon and self.world.coupons[name]:
            chosen["coupon_id"] = self.world.coupons[name].pop()
        list_fen = sum(PRICES[dish] * n for (dish, _), n in lines)
        member_id = self.world.members[name]
        has = max(0, self.shop.account(member_id)["available"])
        wanted = (list_fen - (800 if "coupon_id" in chosen else 0)) * points // 100
        chosen["points"] = min(has, wanted)
        try:
            request = self.shop.request(member_id, **chosen)
        except Refusal as refused:  # Too few points, or too small a sum for the coupon.
            note(f"  {refused!r}")
            return
        made = self.world.attempt(at, lambda: self.shop.orders.create_order(member_id, request))
        if made is None:  # The guest's phone asks again.
            made = self.world.attempt(0, lambda: self.shop.orders.create_order(member_id, request))
        if isinstance(made, Order):
            self.world.orders.append(made)
            if how_far > 0:
                self.asks_to_pay(-1, at)
            if how_far > 1 and self.world.phones:
                self.pays(0)

    @precondition(lambda self: self.world.orders)
    @rule(number=which, at=crash)
    def asks_to_pay(self, number: int, at: int) -> None:
        order = self.world.order(number)
        name = self.world.name_of(order)
        caller = Caller(name, self.shop.keys.appid)
        answer: Any = self.world.attempt(
            at, lambda: self.shop.payments.prepay_order(order.member_id, caller, order.id)
        )
        if getattr(answer, "payment", None) is not None:
            self.world.phones.append((name, answer.payment.model_dump()))

    @precondition(lambda self: self.world.phones)
    @rule(number=which)
    def pays(self, number: int) -> None:
        try:
            self.shop.wechat.pay(*self.world.phones[-1 - number % len(self.world.phones)])
        except Refused as refused:
            note(f"  {refused!r}")

    @precondition(lambda self: self.world.orders)
    @rule(number=which, at=crash)
    def cancels(self, number: int, at: int) -> None:
        order = self.world.order(number)
        self.world.attempt(at, lambda: self.shop.payments.cancel_order(order.member_id, order.id))

    @precondition(lambda self: self.world.orders)
    @rule(number=which, at=crash)
    def looks_at_the_order(self, number: int, at: int) -> None:
        order = self.world.order(number)
        self.world.attempt(at, lambda: self.shop.payments.show_order(order.member_id, order.id))

    @precondition(lambda self: self.world.orders)
    @rule(number=which, lines=lines_back, at=crash)
    def asks_for_a_refund(self, number: int, lines: list[Any], at: int) -> None:
        order = self.world.order(number)
        request = AskRefundRequest(order_id=order.id, lines=lines, reason="cold")
        self.world.attempt(
            at, lambda: self.shop.refunds.ask_refund(self.shop.orders.get_order(order.id), request)
        )

    # --- staff ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.orders)
    @rule(number=which, step=st.sampled_from(STEPS), at=crash)
    def serves(self, number: int, step: Any, at: int) -> None:
        order = self.world.order(number)
        self.world.attempt(at, lambda: self.shop.fulfilment.take_step(order.id, step, "cook"))

    @precondition(lambda self: self.world.orders)
    @rule(number=which, lines=lines_back, amount_fen=st.sampled_from([None, None, 1, 99, 700]),
          role=st.sampled_from(["finance", "cashier"]), at=crash)  # fmt: skip
    def refunds(
        self, number: int, lines: list[Any], amount_fen: int | None, role: Any, at: int
    ) -> None:
        request = RefundRequest(
            order_id=self.world.order(number).id,
            refund_id=f"R{len(self.world.asked):05}",
            lines=lines,
            amount_fen=None if lines else amount_fen,
            reason="cold",
            actor="till",
            role=role,
        )
        self.world.asked.append(request)
        self.world.attempt(at, lambda: self.shop.refunds.begin_refund(request))

    @precondition(lambda self: self.world.asked)
    @rule(number=which, at=crash)
    def refunds_the_same_again(self, number: int, at: int) -> None:
        request = self.world.asked[number % len(self.world.asked)]
        self.world.attempt(at, lambda: self.shop.refunds.begin_refund(request))

    @rule(number=which, approve=st.booleans(), at=crash)
    def decides(self, number: int, approve: bool, at: int) -> None:
        waiting = sorted(
            found["_id"]
            for found in self.shop.database.collection("refunds").find(
                {"status": "awaiting_approval"}
            )
        )
        if waiting:
            request = DecideRefundRequest(
                refund_id=waiting[number % len(waiting)],
                approve=approve,
                actor="boss",
                role="finance",
            )
            self.world.attempt(at, lambda: self.shop.refunds.decide_refund(request))

    @precondition(lambda self: self.world.orders)
    @rule(number=which, at=crash)
    def refuses(self, number: int, at: int) -> None:
        order_id = self.world.order(number).id
        self.world.attempt(
            at,
            lambda: self.shop.refunds.refuse_order(
                self.shop.orders.get_order(order_id), "sold out", "cook"
            ),
        )

    @rule(ratio_bp=st.sampled_from([1, 500, 2_700]))
    def shares_change(self, ratio_bp: int) -> None:
        open_stores(self.shop, ratio_bp)

    # --- WeChat Pay -----------------------------------------------------------------------------

    @rule(moods=st.lists(st.sampled_from(MOODS), min_size=1, max_size=2),
          once=once)  # fmt: skip
    def wechat_changes(self, moods: list[dict[str, Any]], once: str | None) -> None:
        self.shop.wechat.mode.reset()
        for mood in moods:
            self.shop.wechat.mode.set(mood)
        if once:
            self.shop.wechat.mode.set({"fail_next": [once]})

    @rule(release=st.booleans())
    def wechat_acts(self, release: bool) -> None:
        if release:
            self.shop.wechat.release()
        self.shop.vendor_acts()
        self.world.look()

    @rule(at=crash)
    def notices_come(self, at: int) -> None:
        """Deliver all notices that WeChat Pay has sent."""
        self.wechat_acts(release=False)
        for _ in self.world.on_their_way[:]:
            self.a_notice_comes(0, at)

    @precondition(lambda self: self.world.on_their_way)
    @rule(number=which, at=crash)
    def a_notice_comes(self, number: int, at: int) -> None:
        """Deliver any one notice, in any order; a notice that fails comes again."""
        notice = self.world.on_their_way.pop(number % len(self.world.on_their_way))
        answer = self.world.attempt(at, lambda: self.shop.take(notice))
        note(f"  {answer!r}")
        if answer is None or isinstance(answer, Unavailable):
            self.world.on_their_way.append(notice)
        else:
            self.world.come.append(notice)

    @precondition(lambda self: self.world.come)
    @rule(number=which, at=crash)
    def a_notice_comes_again(self, number: int, at: int) -> None:
        notice = self.world.come[number % len(self.world.come)]
        note(f"  {self.world.attempt(at, lambda: self.shop.take(notice))!r}")

    @precondition(lambda self: self.world.on_their_way)
    @rule(number=which)
    def a_notice_is_lost(self, number: int) -> None:
        self.world.on_their_way.pop(number % len(self.world.on_their_way))

    @rule(kind=st.sampled_from(FORGERIES), at=crash)
    def a_forged_notice_comes(self, kind: str, at: int) -> None:
        forged = self.shop.wechat.forge(kind)
        answer = self.world.attempt(at, lambda: self.shop.take(forged))
        assert answer is None or isinstance(answer, Refusal)

    @precondition(lambda self: self.world.orders)
    @rule(number=which, told=st.booleans(), attempt=st.integers(1, 2), cancelled=st.booleans())
    def money_comes_that_must_not(
        self, number: int, told: bool, attempt: int, cancelled: bool
    ) -> None:
        """Let a closed attempt be paid, or one order be paid twice."""
        if cancelled:
            self.cancels(number, 0)
        number_there = f"{self.world.order(number).id}n{attempt}"
        if self.shop.wechat.find(out_trade_no=number_there):
            self.shop.wechat.force_paid(number_there)
            if told:
                self.shop.wechat.notify_paid(number_there)

    @rule()
    def an_operator_mends(self) -> None:
        mend(self.shop)

    # --- time -----------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0.25, 1, 1, 2, 5, 16, 400]))
    def time_goes_by(self, minutes: float) -> None:
        self.shop.clock.advance(minutes=minutes)

    @rule(name=st.sampled_from(
              ["unpaid", "unanswered", "refunds", "completed", "shares", "settlements"]), at=crash,
          minutes=st.sampled_from([0, 1.1]), once=once)  # fmt: skip
    def a_timer_fires(self, name: str, at: int, minutes: float, once: str | None) -> None:
        self.shop.clock.advance(minutes=minutes)
        if once:
            self.shop.wechat.mode.set({"fail_next": [once]})
        note(f"  {self.world.attempt(at, lambda: sweep(self.shop, name))}")

    @rule(minutes=st.sampled_from([0.5, 2, 2, 17]), at=crash, once=once)
    def life_goes_on(self, minutes: float, at: int, once: str | None) -> None:
        self.shop.clock.advance(minutes=minutes)
        for name in self.shop.work():
            self.a_timer_fires(name, at, 0, once)
        self.notices_come(at)

    @invariant()
    def shares_always_add_up(self) -> None:
        """Check each stored state, also just after an instance has died."""
        seen["steps"] += 1
        for share in self.shop.database.collection("shares").find({}):
            shared_fen = sum(p["amount_fen"] - p["returned_fen"] for p in share.get("parts", ()))
            rest_fen = share["paid_fen"] - share["refunded_fen"]
            assert rest_fen == share["fee_fen"] + shared_fen + share["kept_fen"]

    # --- the end --------------------------------------------------------------------------------

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # Otherwise the test has failed already.
            for notice in self.world.on_their_way:  # WeChat Pay retries for a day.
                self.world.attempt(0, lambda notice=notice: self.shop.take(notice))  # type: ignore[misc]
            books = come_to_rest(self.shop)
            everything_is_right(self.shop, books)
            seen["lives"] += 1
            for name in ("orders", "payments", "refunds", "shares", "discrepancies"):
                for found in getattr(books, name).values():
                    seen[f"{name} {found['status']}"] += 1
            for share in books.shares.values():
                for back in share.get("returns", ()):
                    seen[f"returns {back['status']}"] += 1


@pytest.mark.hypothesis
def test_after_any_events_all_money_is_accounted_for(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    shop = CrashingShop(chain, clock, keys, tmp_path)
    run_state_machine_as_test(
        lambda: Money(shop),
        settings=settings(
            max_examples=examples(30),
            stateful_step_count=50 if HUNT else 30,
            phases=[Phase.explicit, Phase.reuse, Phase.generate] + [Phase.shrink] * HUNT,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(sorted(seen.items())))
