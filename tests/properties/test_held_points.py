"""After any history of holds, bonuses and days, the account equals a simple model of it."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain_data import NOON, FakeClock, Shop
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.points.service import Points
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from hunting import examples
from services.loyalty.test_holds import let_hold_expire, with_points

IDS = tuple(f"game:{number}" for number in range(4))
LOTS = (("2026-03-03", 40), ("2026-03-06", 30), ("9999-12-31", 50))
CHECK_IN_ENDS = "2027-12-31"

step = st.one_of(
    st.tuples(st.just("hold"), st.sampled_from(IDS), st.integers(1, 70)),
    st.tuples(st.sampled_from(["commit", "release", "forget"]), st.sampled_from(IDS), st.just(0)),
    st.tuples(st.just("days"), st.just(""), st.integers(1, 3)),
    st.tuples(st.just("check in"), st.just(""), st.just(0)),
)


class Purse:
    """A simple model: the points by their last day, and the points that each hold has taken."""

    def __init__(self) -> None:
        self.today = date(2026, 3, 2)
        self.lots = Counter(dict(LOTS))
        self.holds: dict[str, tuple[Counter[str], str]] = {}
        self.checked_in: set[date] = set()
        self.gone: Counter[str] = Counter()

    def act(self, kind: str, name: str, number: int) -> bool:
        """Do one step; returns False if the real account must refuse it."""
        known = self.holds.get(name)
        if kind == "days":
            self.today += timedelta(days=number)
        elif kind == "check in" and self.today not in self.checked_in:
            self.checked_in.add(self.today)
            self.lots[CHECK_IN_ENDS] += 5
        elif kind == "hold":
            return self._hold(name, number)
        elif kind == "forget" and known and known[1] == "held":
            self._end(name, "released")
        elif kind in ("commit", "release"):
            wanted = "used" if kind == "commit" else "released"
            if known is None or known[1] not in ("held", wanted):
                return False
            if known[1] == "held":
                self._end(name, wanted)
        return True

    def _hold(self, name: str, number: int) -> bool:
        if name in self.holds:
            return self.holds[name][0].total() == number
        if number > self.lots.total():
            return False
        drawn: Counter[str] = Counter()
        for day in sorted(self.lots):
            drawn[day] = min(self.lots[day], number - drawn.total())
        self.lots -= drawn
        self.holds[name] = (drawn, "held")
        return True

    def _end(self, name: str, status: str) -> None:
        drawn, _ = self.holds[name]
        self.holds[name] = (drawn, status)
        if status == "used":
            self.gone["use"] += drawn.total()
        else:
            self.lots += drawn

    def expire(self) -> None:
        for day in list(self.lots):
            if day < self.today.isoformat():
                self.gone["expire"] += self.lots.pop(day)


@given(steps=st.lists(step, max_size=20))
@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_after_any_history_of_holds_the_account_equals_the_model(
    chain: Database, clock: FakeClock, steps: list[tuple[str, str, int]]
) -> None:
    for name in ("accounts", "points_entries", "points_holds", "members", "identities", "logins"):
        chain.collection(name).delete_many({})
    clock.moment = NOON
    shop, purse, holds = Shop(chain, clock), Purse(), Holds(chain, clock)
    alice = with_points(shop, *LOTS)
    for kind, name, number in steps:
        went = purse.act(kind, name, number)
        try:
            act(shop, holds, alice, kind, name, number)
            assert went, (kind, name, number)
        except Refusal:
            assert not went, (kind, name, number)
        purse.expire()
        agrees(shop, alice, purse)


def act(shop: Shop, holds: Holds, alice: str, kind: str, name: str, number: int) -> None:
    if kind == "hold":
        holds.hold_points(alice, name, number, "game")
    elif kind == "commit":
        holds.commit_points(name)
    elif kind == "release":
        holds.release_points(name)
    elif kind == "forget":
        chosen = shop.database.collection("points_holds").find_one({"_id": name})
        if chosen and chosen["status"] == "held":
            let_hold_expire(shop, name)
        for due in list(holds.due_holds()):
            assert holds.release_due_hold(due) == "released"
    elif kind == "check in":
        Bonuses(shop.database, shop.clock).check_in(alice)
    else:
        shop.clock.advance(days=number)


def agrees(shop: Shop, alice: str, purse: Purse) -> None:
    Points(shop.database, shop.clock).bring_up_to_date(alice)
    account: dict[str, Any] = shop.account(alice)
    assert account["lots"] == dict(+purse.lots)
    held = sum(drawn.total() for drawn, status in purse.holds.values() if status == "held")
    assert account["reserved"] == held
    gone: Counter[str] = Counter()
    for entry in shop.database.collection("points_entries").find({"member_id": alice}):
        if entry["kind"] in ("use", "expire"):
            gone[entry["kind"]] -= entry["points"]
    assert gone == purse.gone
    assert shop.differences() == []
