"""After any history with roll-ups at any time, the figures equal those computed from scratch."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from at_once import at_once
from chain_data import FakeClock, Shop, empty
from cli.bench.orders import paid_order
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.rules import business_day
from huitou.catalog.stores.service import Stores
from huitou.insight.kpis import service as kpi_service
from huitou.insight.kpis.models import DaysRequest
from huitou.insight.kpis.service import Kpis
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from huitou.runtime.identity import Caller
from hunting import examples

START = date(2024, 1, 10)  # The history contains 29 February 2024.
DAYS = 75
STORES = {
    "sh": ("Asia/Shanghai", "04:00"),
    "ny": ("America/New_York", "05:30"),
    "ur": ("Asia/Urumqi", "00:00"),
}
FULL_DAY = [OpeningHours(opens="00:00", closes="00:00")]

# Times around midnight and around the cut times of all zones, where the business day changes.
minutes = st.builds(
    lambda day, minute: day * 1_440 + minute,
    st.integers(0, DAYS - 1), st.sampled_from([0, 570, 959, 1_080, 1_199, 1_200, 1_439]),
)  # fmt: skip
guests = st.sampled_from(["ann", "bob"])
places = st.sampled_from([*STORES, None])
fen = st.sampled_from([0, 1_500, 8_000])
row = st.tuples(guests, minutes, places, fen)
step = st.one_of(
    st.tuples(st.just("import"), st.lists(row, min_size=3, max_size=8)),
    st.tuples(st.just("import refund"), st.integers(0, 30), st.sampled_from([500, 1_500, 8_000])),
    st.tuples(st.just("live"), guests, minutes, st.sampled_from(list(STORES)), fen, st.booleans()),
    st.tuples(st.just("refund"), st.integers(0, 30)),
    st.tuples(st.just("login"), guests, st.integers(0, 6)),
    st.tuples(st.just("roll up")),
    st.tuples(st.just("roll up twice at once")),
)


class History:
    """Does the steps; keeps only what later steps need."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        clock.moment = datetime(START.year, START.month, START.day, 12, tzinfo=UTC)
        self.shop = Shop(database, clock)
        self.orders: list[Order] = []
        self.sold: list[ImportedRow] = []
        for name, (zone, cut) in STORES.items():
            store = Store(
                id=name, brand_id="huitou", name=name, zone=zone, cut_time=cut, hours=FULL_DAY
            )
            Stores(database, clock).put_store(store)

    def do(self, kind: str, *args: Any) -> None:
        getattr(self, "_" + kind.replace(" ", "_"))(*args)

    def _send(self, rows: list[ImportedRow]) -> None:
        OrderImport(self.database, self.clock, "huitou").run(ImportOrdersRequest(rows=rows))

    def _import(self, rows: list[tuple[str, int, str | None, int]]) -> None:
        sold = [
            ImportedRow(
                line=1,
                member=f"till-{who}",
                paid_at=moment(minute),
                amount_fen=amount,
                store=place,
                order=str(len(self.sold) + number),
            )
            for number, (who, minute, place, amount) in enumerate(rows)
        ]
        self._send(sold)
        self.sold += sold

    def _import_refund(self, which: int, amount: int) -> None:
        if self.sold:
            sold = self.sold[which % len(self.sold)]
            back = {"amount_fen": -amount, "refund_of": sold.order, "order": f"r{which}-{amount}"}
            self._send([sold.model_copy(update=back)])

    def _live(self, who: str, minute: int, place: str, amount: int, is_test: bool) -> None:
        zone, cut = STORES[place]
        paid = paid_order(f"live{len(self.orders)}", self.shop.register(who))
        paid |= {
            "store_id": place,
            "payable_fen": amount,
            "is_test": is_test,
            "lines": [],
            "business_day": business_day(moment(minute), zone, cut),
        }
        self.database.collection("orders").insert_one(paid)
        self.orders.append(Order.model_validate(paid))
        self.shop.settlement.settle_order(paid["_id"])

    def _refund(self, which: int) -> None:
        if self.orders:
            order = self.orders[which % len(self.orders)]
            self.shop.refund(order)
            self.shop.settlement.settle_order(order.id)

    def _login(self, who: str, later: int) -> None:
        self.clock.advance(days=later)
        self.shop.members.login(Caller(who, "wxapp"), None)

    def _roll_up(self) -> None:
        while Kpis(self.database, self.clock).roll_up_figures(60)["rest"]:
            time.sleep(0.01)  # Another roll-up is counting.

    def _roll_up_twice_at_once(self) -> None:
        at_once([self._roll_up, self._roll_up])


def moment(minute: int) -> datetime:
    return datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(minutes=minute)


class RecomputedFigures:
    """The KPIs by their definitions, computed from all documents."""

    def __init__(self, database: Database) -> None:
        def read(name: str) -> list[dict[str, Any]]:
            return list(database.collection(name).find({}))

        self.orders = []
        for order in read("orders"):
            left = order["payable_fen"] - sum(b["amount_fen"] for b in order.get("refunds", ()))
            if order["status"] in ("paid", "refunding") and left > 0 and not order.get("is_test"):
                self.orders.append((order, date.fromisoformat(order["business_day"]), left))
        self.members = {member["_id"]: member for member in read("members")}
        first: dict[str, str] = {}
        for order in read("orders"):
            if order.get("origin") == "import":
                who = order["member_id"]
                first[who] = min(first.get(who, "9999"), order["business_day"])
        for member_id, day in first.items():
            assert self.members[member_id]["registered_day"] == day
        self.logins = defaultdict(set)
        for login in read("logins"):
            self.logins[login["member_id"]].add(date.fromisoformat(login["business_day"]))
        self.entries = [
            (
                entry["kind"],
                entry["points"],
                date.fromisoformat(business_day(entry["at"], "Asia/Shanghai", "04:00")),
            )
            for entry in read("points_entries")
            if not entry.get("is_test")
        ]

    def figures(self, day: date, store: str | None, channel: str | None) -> dict[str, Any]:
        chosen = [
            (order["member_id"], when, left)
            for order, when, left in self.orders
            if store in (None, order.get("store_id")) and channel in (None, order["channel"])
        ]
        visits = defaultdict(set)
        for who, when, _ in chosen:
            visits[who].add(when)
        cohort = repurchased = 0
        for days in visits.values():
            window = [d for d in days if day - timedelta(59) <= d <= day - timedelta(30)]
            if window:
                cohort += 1
                repurchased += any(0 < (d - min(window)).days <= 30 for d in days)
        known = [
            member
            for member in self.members.values()
            if date.fromisoformat(member["registered_day"]) <= day - timedelta(29)
        ]
        active = sum(
            len([d for d in self.logins[member["_id"]] if day - timedelta(29) <= d <= day]) >= 3
            for member in known
        )
        joined = [
            member
            for member in self.members.values()
            if member["registered_day"] == day.isoformat()
            and store in (None, member.get("registered_store_id"))
            and channel in (None, member["registered_channel"])
        ]
        return {
            "day": day.isoformat(),
            "repurchase_cohort": cohort,
            "repurchased": repurchased,
            "repurchase_rate_30d": repurchased / cohort if cohort else None,
            "orders": sum(when == day for _, when, _ in chosen),
            "revenue_fen": sum(left for _, when, left in chosen if when == day),
            "new_members": len(joined),
            "active_members": active,
            "activity_members": len(known),
            "activity_rate": active / len(known) if known else None,
            "points_burn_rate": self.burnt(date(1, 1, 1), day),
            "points_burn_rate_90d": self.burnt(day - timedelta(89), day),
        }

    def burnt(self, first: date, last: date) -> float | None:
        sums: Counter[str] = Counter()
        for kind, points, when in self.entries:
            if first <= when <= last:
                sums[kind] += points
        kept = sums["earn"] + sums["claw-back"]
        return -(sums["use"] + sums["return"]) / kept if kept > 0 else None


@given(steps=st.lists(step, min_size=3, max_size=14))
@settings(
    max_examples=examples(25),
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # An example takes a second, so failures aren't shrunk.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_roll_up_of_any_history_equals_its_recomputation(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    monkeypatch.setattr(kpi_service, "AT_ONCE", 2)  # Small batches, so that they end at any point.
    empty(database)
    history = History(database, clock)
    for one in steps:
        history.do(*one)
    history.do("roll up")
    assert Kpis(database, clock).roll_up_figures(60)["orders"] == 0
    scratch = RecomputedFigures(database)
    last = max(START + timedelta(DAYS + 61), clock.now().date())
    for store in (None, *STORES):
        for channel in (None, "mini_program", "import"):
            request = DaysRequest(
                first=START - timedelta(2), last=last, store_id=store, channel=channel
            )  # type: ignore[arg-type]
            for report in Kpis(database, clock).list_day_figures(request)["days"]:
                wanted = scratch.figures(date.fromisoformat(report["day"]), store, channel)
                assert {name: report[name] for name in wanted} == wanted
