"""Points given or taken by hand: the reason, the limit, the second person, repeated calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.service import Stores
from huitou.loyalty.adjustments.errors import AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    AdjustmentAnswer,
    AdjustmentsRequest,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.adjustments.service import Adjustments
from huitou.loyalty.points.errors import PointsErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Desk:
    """Staff who adjust points."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.shop = Shop(database, clock)
        self.adjustments = Adjustments(database, clock)
        self.alice = self.shop.register()

    def ask(self, number: str, points: int, actor: str = "ann", **more: Any) -> AdjustmentAnswer:
        fields = {
            "adjustment_id": f"adjust-{number}",
            "member_id": self.alice,
            "points": points,
            "reason": "汤洒了",
            "actor": actor,
            "role": "cashier",
            **more,
        }
        return self.adjustments.ask_for_adjustment(AdjustPointsRequest.model_validate(fields))

    def decide(
        self, number: str, actor: str = "bob", *, approve: bool = True, **more: Any
    ) -> AdjustmentAnswer:
        fields = {
            "adjustment_id": f"adjust-{number}",
            "approve": approve,
            "actor": actor,
            "role": "manager",
            **more,
        }
        return self.adjustments.decide_adjustment(DecideAdjustmentRequest.model_validate(fields))

    def entry(self, number: str) -> dict[str, Any] | None:
        return self.shop.database.collection("points_entries").find_one(
            {"_id": f"adjust:adjust-{number}"}
        )

    @property
    def points(self) -> int:
        return int(self.shop.account(self.alice)["available"])


@pytest.fixture
def desk(chain: Database, clock: FakeClock) -> Desk:
    return Desk(chain, clock)


def test_within_the_limit_points_move_at_once_and_the_entry_has_the_reason(desk: Desk) -> None:
    assert desk.ask("1", 300).status == "applied"
    entry = desk.entry("1")
    assert entry
    assert (entry["points"], entry["reason"], entry["actor"]) == (300, "汤洒了", "ann")
    assert entry["lots"] == [{"expires_on": "2027-12-31", "points": 300}]
    account = desk.shop.account(desk.alice)
    assert (account["available"], account.get("points_by_day", {})) == (300, {})
    assert desk.shop.differences() == []


def test_points_given_by_hand_expire_by_the_day_of_the_store_where_it_ends_last(desk: Desk) -> None:
    """At 03:00 on 1 January in Shanghai it is 31 December in London: the old year's lot.

    London's business day of 31 December ends at 04:00 there, at 12:00 in Shanghai.
    """
    hours = [OpeningHours(opens="00:00", closes="00:00")]
    london = Store(id="london", brand_id="huitou", name="伦敦店", zone="Europe/London", hours=hours)
    Stores(desk.shop.database, desk.shop.clock).put_store(london)
    desk.shop.database.cache.clear()
    ends = {}
    for number, hour in enumerate((3, 12)):
        desk.shop.clock.moment = datetime(2027, 1, 1, hour, tzinfo=ZoneInfo("Asia/Shanghai"))
        desk.ask(str(number), 10)
        entry = desk.entry(str(number))
        assert entry
        ends[hour] = entry["lots"][0]["expires_on"]
    assert ends == {3: "2027-12-31", 12: "2028-12-31"}


def test_over_the_limit_an_adjustment_waits_for_a_second_person(desk: Desk) -> None:
    assert desk.ask("1", 1_001, role="finance").status == "awaiting_approval"
    assert (desk.points, desk.entry("1")) == (0, None)
    with pytest.raises(Refusal) as refused:
        desk.decide("1", "ann", role="finance")
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_NOT_YOURS
    with pytest.raises(Refusal) as refused:
        desk.decide("1", "carl", role="cashier")
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_NOT_YOUR_ROLE
    decided = desk.decide("1", reason="见过监控")
    assert (decided.status, decided.decided_by, desk.points) == ("applied", "bob", 1_001)
    entry = desk.entry("1")
    assert entry
    assert (entry["actor"], entry["approved_by"]) == ("ann", "bob")
    assert desk.decide("1").status == "applied"  # The same decision repeated.
    for other in ({"actor": "eve"}, {"approve": False}):
        with pytest.raises(Refusal) as refused:
            desk.decide("1", **other)
        assert refused.value.code is AdjustmentErrors.ADJUSTMENT_DECIDED
    assert desk.points == 1_001
    assert desk.shop.differences() == []


def test_small_adjustments_of_one_day_count_together_against_the_limit(desk: Desk) -> None:
    assert desk.ask("1", 600).status == "applied"
    assert desk.ask("2", -400).status == "applied"
    assert desk.ask("3", 1).status == "awaiting_approval"
    assert desk.ask("4", 500, actor="carl").status == "applied"  # Each actor has a limit.
    desk.decide("3", approve=False)
    desk.shop.clock.advance(days=1)
    assert desk.ask("5", 600).status == "applied"
    assert desk.points == 600 - 400 + 500 + 600


def test_simultaneous_small_adjustments_do_not_pass_the_limit(desk: Desk) -> None:
    asked = at_once([lambda n=number: desk.ask(str(n), 300) for number in range(8)])
    applied = [one for one in asked if one.status == "applied"]
    assert len(applied) == 3
    assert desk.points == 900
    assert desk.shop.differences() == []


def test_a_repeated_adjustment_is_posted_once_and_its_id_is_not_reused(desk: Desk) -> None:
    results = at_once([lambda: desk.ask("1", 200)] * 6)
    assert {one.status for one in results} == {"applied"}
    assert desk.points == 200
    for other in ({"reason": "x"}, {"actor": "bob"}, {"member_id": desk.shop.register("bob")}):
        with pytest.raises(Refusal) as refused:
            desk.ask("1", 200, **other)
        assert refused.value.code is AdjustmentErrors.ADJUSTMENT_ID_REUSED
    waiting = at_once([lambda: desk.ask("2", 5_000)] * 6)
    assert {one.status for one in waiting} == {"awaiting_approval"}


def test_if_several_people_decide_at_once_only_one_decision_counts(desk: Desk) -> None:
    for number in range(5):
        before = desk.points
        desk.ask(f"x{number}", 2_000)
        results = at_once(
            [
                lambda n=number: desk.decide(f"x{n}", "bob"),
                lambda n=number: desk.decide(f"x{n}", "eve", approve=False),
                lambda n=number: desk.decide(f"x{n}", "carl"),
            ]
        )
        [won] = winners(results)
        assert desk.points - before == (2_000 if won.status == "applied" else 0)
    assert desk.shop.differences() == []


def test_an_adjustment_never_takes_more_points_than_the_member_has(desk: Desk) -> None:
    desk.ask("1", 100)
    with pytest.raises(Refusal) as refused:
        desk.ask("2", -101)
    assert refused.value.code is PointsErrors.POINTS_NOT_ENOUGH
    with pytest.raises(Refusal) as refused:
        desk.ask("3", -5_000)  # Refused at once, not only when it is approved.
    assert refused.value.code is PointsErrors.POINTS_NOT_ENOUGH
    desk.ask("4", 2_000)
    desk.decide("4")
    desk.ask("5", -1_900)
    desk.ask("6", -1_900)
    desk.decide("5")
    with pytest.raises(Refusal) as refused:
        desk.decide("6")
    assert refused.value.code is PointsErrors.POINTS_NOT_ENOUGH
    listed = desk.adjustments.list_adjustments(AdjustmentsRequest())
    assert [one.adjustment_id for one in listed.adjustments] == ["adjust-6"]
    with pytest.raises(Refusal) as refused:
        desk.ask("7", 5, member_id="nobody")
    assert refused.value.code is Code.NOT_FOUND
    assert desk.shop.differences() == []


def test_adjusting_and_spending_at_once_never_overdraw(desk: Desk) -> None:
    desk.ask("0", 900)
    for number in range(4):
        results = at_once(
            [
                lambda n=number: desk.ask(f"t{n}", -150, actor=f"actor{n}"),
                lambda: desk.shop.order(desk.alice, items=[item(4)], points=100),
            ]
        )
        assert winners(results)
        assert desk.points >= 0
    assert desk.shop.differences() == []


def test_each_page_of_adjustments_begins_where_the_last_one_ended(desk: Desk) -> None:
    for number in range(5):
        desk.ask(str(number), 2_000 + number)
        desk.shop.clock.advance(seconds=1)
    seen: list[int] = []
    after = None
    while True:
        page = desk.adjustments.list_adjustments(AdjustmentsRequest(limit=2, after=after))
        seen += [one.points for one in page.adjustments]
        after = page.next
        if after is None:
            break
    assert seen == [2_004, 2_003, 2_002, 2_001, 2_000]
