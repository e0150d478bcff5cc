"""After any order of timers, refunds and failures, our shares agree with WeChat Pay's books."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_data import FakeClock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from hunting import examples
from localcloud.keys import load_secrets
from sharing_till import AtWeChat, Till

STEPS = st.one_of(
    st.tuples(st.just("timer"), st.integers(1, 4_000)),
    st.tuples(st.just("happen"), st.just(0)),
    st.tuples(st.just("refund"), st.integers(1, 10_000)),
    st.tuples(st.just("make_way"), st.integers(0, 5)),
    st.tuples(st.just("let_go"), st.integers(0, 5)),
    st.tuples(st.just("lose"), st.integers(0, 1)),
    st.tuples(st.just("returns"), st.integers(0, 1)),
)


@pytest.fixture
def till(database: Database, clock: FakeClock, tmp_path: Path) -> Till:
    at_wechat = AtWeChat(load_secrets(tmp_path), clock, tmp_path)
    at_wechat.standin.mode.refund_gap_s = 0.0
    made = Till(database, clock, at_wechat)
    made.rules()
    return made


class Guest:
    """One order, with the state of its refunds as the test has seen it."""

    def __init__(self, till: Till, amount_fen: int) -> None:
        self.till, self.amount_fen = till, amount_fen
        self.order_id = till.paid(amount_fen)
        self.under_way: dict[str, int] = {}
        self.back_fen = 0
        self.numbers = 0

    def do(self, step: str, value: int) -> None:
        with suppress(Unavailable):  # The caller tries again.
            getattr(self, step)(value)
        share = self.till.share(self.order_id)  # Reading it fails unless it adds up.
        assert share.refunded_fen == self.back_fen

    def timer(self, after_s: int) -> None:
        self.till.clock.advance(seconds=after_s)
        for order_id in self.till.sharing.due_shares():
            self.till.sharing.carry_on_share(order_id)

    def happen(self, _: int) -> None:
        self.till.wechat.happen()

    def refund(self, part: int) -> None:
        left_fen = self.amount_fen - self.back_fen - sum(self.under_way.values())
        amount_fen = left_fen * part // 10_000
        if amount_fen:
            self.numbers += 1
            refund_id = f"{self.order_id}R{self.numbers}"
            self.till.hold(self.order_id, refund_id, amount_fen)
            self.under_way[refund_id] = amount_fen

    def _choose_refund(self, number: int) -> str | None:
        waiting = list(self.under_way)
        return waiting[number % len(waiting)] if waiting else None

    def make_way(self, number: int) -> None:
        refund_id = self._choose_refund(number)
        if refund_id and self.till.sharing.collect_returns(self.order_id, refund_id):
            amount_fen = self.under_way[refund_id]
            lose, self.till.wechat.door.lose = self.till.wechat.door.lose, lambda _: False
            self.till.refunded(self.order_id, refund_id, amount_fen)
            self.till.wechat.door.lose = lose
            self.back_fen += self.under_way.pop(refund_id)

    def let_go(self, number: int) -> None:
        refund_id = self._choose_refund(number)
        if refund_id:
            self.till.let_go(self.order_id, refund_id)
            del self.under_way[refund_id]

    def lose(self, on: int) -> None:
        self.till.wechat.door.lose = lambda path: bool(on) and "profitsharing" in path

    def returns(self, on: int) -> None:
        self.till.wechat.standin.mode.returns_end = "PROCESSING" if on else "SUCCESS"

    def finish(self) -> None:
        """Finish everything that was lost or is under way."""
        self.lose(0)
        self.returns(0)
        for _ in range(12):
            self.timer(4_000)
            self.happen(0)
            self.make_way(0)


@pytest.mark.slow
@pytest.mark.hypothesis
def test_our_shares_and_wechat_pays_books_agree_in_the_end(till: Till) -> None:
    @given(st.integers(1, 20_000), st.lists(STEPS, max_size=14))
    @settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
    def agrees(amount_fen: int, steps: list[tuple[str, int]]) -> None:
        guest = Guest(till, amount_fen)
        for step, value in steps:
            guest.do(step, value)
        guest.finish()
        share = till.share(guest.order_id)
        assert (share.held, share.look_at, guest.under_way) == ([], None, {})
        assert share.status in ("finished", "cancelled")
        assert not till.agrees(guest.order_id)["frozen"] or share.status == "cancelled"
        assert share.kept_fen >= 0

    agrees()
