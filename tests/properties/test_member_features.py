"""After any history, counted at any time, the features equal those computed from all orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from at_once import at_once
from chain_data import FakeClock, Shop, empty
from cli.bench.orders import paid_order
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.rules import business_day
from huitou.catalog.stores.service import Stores
from huitou.marketing.features.models import RebuildRequest, TagRequest
from huitou.marketing.features.rules import usual_interval
from huitou.marketing.features.service import FeatureBook
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from hunting import examples
from merging import merged as merge_now

START = datetime(2024, 2, 20, 12, tzinfo=UTC)  # A few days before the leap day.
ZONES = {"sh": "Asia/Shanghai", "ny": "America/New_York"}
guests = st.sampled_from(["ann", "bob", "eve"])
step = st.one_of(
    st.tuples(st.just("buy"), guests, st.integers(0, 400 * 24), st.sampled_from(list(ZONES)),
              st.sampled_from([0, 1_800, 7_200]), st.booleans()),
    st.tuples(st.just("refund"), st.integers(0, 20), st.sampled_from([500, None])),
    st.tuples(st.just("fold")),
    st.tuples(st.just("fold twice at once")),
    st.tuples(st.just("tag"), guests),
    st.tuples(st.just("merge"), guests, guests),
)  # fmt: skip


class History:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        clock.moment = START
        self.database, self.clock, self.shop = database, clock, Shop(database, clock)
        self.book = FeatureBook(database, clock)
        self.ids = {name: self.shop.register(name) for name in ("ann", "bob", "eve")}
        self.orders: list[Order] = []
        self.merged: dict[str, str] = {}
        for name, zone in ZONES.items():
            hours = [OpeningHours(opens="00:00", closes="00:00")]
            store = Store(id=name, brand_id="huitou", name=name, zone=zone, hours=hours)
            Stores(database, clock).put_store(store)
        database.cache.clear()

    def do(self, kind: str, *args: Any) -> None:
        getattr(self, "_" + kind.replace(" ", "_"))(*args)

    def _buy(self, who: str, hour: int, store: str, fen: int, is_test: bool) -> None:
        at = START + timedelta(hours=hour)
        paid = paid_order(f"o{len(self.orders)}", self.ids[who]) | {
            "store_id": store,
            "payable_fen": fen,
            "is_test": is_test,
            "paid_at": at,
            "business_day": business_day(at, ZONES[store], "04:00"),
        }
        self.database.collection("orders").insert_one(paid)
        self.orders.append(Order.model_validate(paid))
        assert self.shop.settlement.settle_order(paid["_id"]) == "settled"

    def _refund(self, which: int, fen: int | None) -> None:
        if not self.orders:
            return
        order = self.shop.orders.get_order(self.orders[which % len(self.orders)].id)
        if order.left_fen > (fen or 0):
            self.shop.refund(order, f"r{order.version}-{order.id}", fen)
            self.shop.settlement.settle_order(order.id)

    def _fold(self) -> None:
        self.book.count_due_orders(60)

    def _fold_twice_at_once(self) -> None:
        at_once([self._fold, self._fold])

    def _tag(self, who: str) -> None:
        self.book.tag_members(TagRequest(tag="vip", add=[self.ids[who]]))

    def _merge(self, source: str, into: str) -> None:
        one, other = self.ids[source], self.ids[into]
        if one == other or one in self.merged or other in self.merged:
            return
        merge_now(self.database, self.clock, one, other)
        self.merged[one] = other

    def owner(self, member_id: str) -> str:
        while member_id in self.merged:
            member_id = self.merged[member_id]
        return member_id


@pytest.mark.slow
@pytest.mark.hypothesis
def test_features_equal_those_computed_from_the_orders(database: Database) -> None:
    @given(st.lists(step, min_size=4, max_size=25))
    @settings(max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow])
    def holds(steps: list[tuple[Any, ...]]) -> None:
        empty(database)
        history = History(database, FakeClock())
        for taken in steps:
            history.do(*taken)
        history.do("fold")
        found = history.book.check_features(RebuildRequest(limit=500))
        assert found.different == []
        # The rebuild shares the rules with the service, so plain sums over all orders check both.
        sums: dict[str, list[int]] = {}
        for order in database.collection("orders").find({}):
            left = order["payable_fen"] - sum(b["amount_fen"] for b in order.get("refunds", ()))
            if left > 0 and not order.get("is_test"):
                mine = sums.setdefault(history.owner(order["member_id"]), [0, 0])
                mine[0], mine[1] = mine[0] + 1, mine[1] + left
        held = {
            row["_id"]: [row["orders"], row["spend_fen"]]
            for row in database.collection("features").find({})
            if row.get("orders")
        }
        assert held == sums

    holds()


def test_a_difference_is_found_and_repaired(database: Database, clock: FakeClock) -> None:
    history = History(database, clock)
    history.do("buy", "ann", 5, "sh", 7_200, False)
    history.do("fold")
    database.collection("features").update_one({"_id": history.ids["ann"]}, {"$inc": {"orders": 1}})
    assert history.book.check_features(RebuildRequest()).different == [history.ids["ann"]]
    history.book.check_features(RebuildRequest(repair=True))
    assert history.book.check_features(RebuildRequest()).different == []


@pytest.mark.parametrize(
    ("days", "interval"),
    [((1, 3, 5, 7), 2), ((1, 2, 3), None), ((1, 1, 1, 1, 1), None), ((1, 2, 3, 4, 30), 1)],
)
def test_the_usual_interval_is_counted_between_days_not_orders(
    database: Database, clock: FakeClock, days: tuple[int, ...], interval: int | None
) -> None:
    history = History(database, clock)
    for day in days:
        history.do("buy", "ann", 24 * day, "sh", 1_800, False)
    history.do("fold")
    features = history.book.read_features([history.ids["ann"]])[history.ids["ann"]]
    assert usual_interval(list(features.visits.values())) == interval
    assert features.usual_interval_days == interval
    assert (features.overdue_on is None) == (interval is None)
