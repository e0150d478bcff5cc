"""Roll-ups with late orders, races and interruptions, and the figures that callers get."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from cli.bench.orders import paid_order
from huitou.catalog.stores.errors import StoreErrors
from huitou.insight.kpis import service as kpi_service
from huitou.insight.kpis.models import DaysRequest, ReportRequest, StoreFiguresRequest
from huitou.insight.kpis.service import Kpis
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller


def visit(database: Database, order_id: str, day: str, member_id: str = "m1", **more: Any) -> None:
    """Insert an order of a business day; it is settled and due for the roll-up."""
    document = paid_order(order_id, member_id) | {"business_day": day, "settlement": "done"}
    database.collection("orders").insert_one(document | {"rollup": "due"} | more)


def report(database: Database, clock: FakeClock, as_of: str, **chosen: Any) -> dict[str, Any]:
    request = ReportRequest(as_of=date.fromisoformat(as_of), **chosen)
    return Kpis(database, clock).report_figures(request)


def repurchase(database: Database, clock: FakeClock, as_of: str, **chosen: Any) -> tuple[int, int]:
    figures = report(database, clock, as_of, **chosen)
    return figures["repurchase_cohort"], figures["repurchased"]


@pytest.fixture
def kpis(chain: Database, clock: FakeClock) -> Kpis:
    return Kpis(chain, clock)


def test_every_rate_is_null_if_nothing_happened(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    assert kpis.roll_up_figures(60) == {"orders": 0, "logins": 0, "days": 1, "rest": False}
    figures = report(chain, clock, "2026-03-01")
    for rate in (
        "repurchase_rate_30d",
        "activity_rate",
        "points_burn_rate",
        "points_burn_rate_90d",
    ):
        assert figures[rate] is None
    assert figures["by_channel"]["mini_program"]["repurchase_rate_30d"] is None


def test_a_guest_who_comes_again_to_another_store_repurchases_only_for_the_chain(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    visit(chain, "o1", "2026-01-10", store_id="jingan")
    visit(chain, "o2", "2026-01-20", store_id="xujiahui")
    kpis.roll_up_figures(60)
    assert repurchase(chain, clock, "2026-02-12") == (1, 1)
    assert repurchase(chain, clock, "2026-02-12", store_id="jingan") == (1, 0)
    page = kpis.list_store_figures(StoreFiguresRequest(as_of=date(2026, 2, 12), limit=2))
    cohorts = {store: found["repurchase_cohort"] for store, found in page["by_store"].items()}
    assert cohorts == {"jingan": 1}
    rest = kpis.list_store_figures(
        StoreFiguresRequest(as_of=date(2026, 2, 12), limit=2, after=page["next"])
    )
    assert (rest["by_store"]["xujiahui"]["repurchase_cohort"], rest["next"]) == (0, None)


@pytest.mark.parametrize(
    ("second", "repurchased"),
    [("2026-01-10", 0), ("2026-01-11", 1), ("2026-02-09", 1), ("2026-02-10", 0)],
)
def test_a_repurchase_is_on_a_later_business_day_within_thirty_days(
    chain: Database, clock: FakeClock, kpis: Kpis, second: str, repurchased: int
) -> None:
    visit(chain, "o1", "2026-01-10")
    visit(chain, "o2", second)
    kpis.roll_up_figures(60)
    assert repurchase(chain, clock, "2026-02-09") == (1, repurchased)


def test_test_orders_free_orders_and_full_refunds_never_count(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    visit(chain, "o1", "2026-01-10", is_test=True)
    visit(chain, "o2", "2026-01-10", payable_fen=0)
    visit(chain, "o3", "2026-01-10", status="refunded")
    kpis.roll_up_figures(60)
    figures = report(chain, clock, "2026-01-10")
    assert (figures["orders"], figures["revenue_fen"]) == (0, 0)
    assert repurchase(chain, clock, "2026-02-12") == (0, 0)


def test_a_late_refund_takes_the_order_out_of_its_day(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    order = shop.paid(alice)
    clock.advance(days=10)
    again = shop.paid(alice)
    kpis.roll_up_figures(60)
    clock.advance(days=25)
    assert repurchase(chain, clock, "2026-04-01") == (1, 1)
    shop.refund(again)
    shop.settlement.settle_order(again.id)
    kpis.roll_up_figures(60)
    assert repurchase(chain, clock, "2026-04-01") == (1, 0)
    figures = report(chain, clock, order.business_day)
    assert (figures["orders"], figures["revenue_fen"]) == (1, order.payable_fen)
    assert report(chain, clock, again.business_day)["orders"] == 0


def test_points_count_on_the_day_of_their_entry(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    shop.give_points(alice, 1_000)
    first_day = shop.paid(alice, items=[item(2)]).business_day
    clock.advance(days=100)
    spent = shop.paid(alice, items=[item(20)], points=500)
    earned = shop.database.collection("points_entries").find_one({"_id": f"earn:{spent.id}"})
    assert earned
    kpis.roll_up_figures(60)
    today = report(chain, clock, spent.business_day)
    assert today["points_burn_rate_90d"] == 500 / earned["points"]
    assert today["points_burn_rate"] == 500 / today["points_issued"]
    assert report(chain, clock, first_day)["points_burn_rate"] == 0
    shop.refund(spent)
    shop.settlement.settle_order(spent.id)
    kpis.roll_up_figures(60)
    figures = report(chain, clock, spent.business_day)
    assert (figures["points_used"], figures["points_clawed_back"]) == (0, earned["points"])
    assert figures["points_burn_rate_90d"] is None


def test_a_member_is_active_with_three_log_ins_in_thirty_days_but_not_in_the_first_29(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    first = clock.now().date()
    for _ in range(4):  # Days 0, 12, 24, 36; the second log-in of a day doesn't count.
        for _ in range(2):
            shop.members.login(Caller("alice", "wxapp"), None)
        kpis.roll_up_figures(60)
        clock.advance(days=12)
    clock.advance(days=40)
    kpis.roll_up_figures(60)
    days = kpis.list_day_figures(DaysRequest(first=first, last=clock.now().date()))["days"]
    assert [day["activity_members"] for day in days] == [0] * 29 + [1] * (len(days) - 29)
    active = [number for number, day in enumerate(days) if day["active_members"]]
    # The third log-in is on day 24, but a member counts only from day 29 on. On day 30 the first
    # log-in is too old. From day 36 to day 41 there are three log-ins again.
    assert active == [29, *range(36, 42)]
    assert days[29]["activity_rate"] == 1.0


def test_two_roll_ups_at_once_count_everything_once(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi_service, "AT_ONCE", 5)
    for number in range(60):
        visit(chain, f"o{number:02}", f"2026-01-{number % 28 + 1:02}", f"m{number % 7}")
    done = at_once([lambda: Kpis(chain, clock).roll_up_figures(60)] * 3)
    assert sum(run["orders"] for run in done) == 60
    assert [run["rest"] for run in done].count(False) == 1, "the others report a rest"
    days = Kpis(chain, clock).list_day_figures(
        DaysRequest(first=date(2026, 1, 1), last=date(2026, 1, 28))
    )
    assert sum(day["orders"] for day in days["days"]) == 60


def test_two_roll_ups_cannot_miss_each_others_visits_of_one_member(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first roll-up has read that the member has no other visit. Now an earlier order comes in,
    # and a second roll-up counts it. Neither sees the other's visit, so without a guard both would
    # count "no visit before".
    monkeypatch.setattr(kpi_service, "AT_ONCE", 1)
    visit(chain, "o2", "2026-01-20")
    slow, read, go_on = Kpis(chain, clock), threading.Event(), threading.Event()
    counted = slow._repository.counted

    def counted_slowly(*args: Any) -> Any:
        found = counted(*args)
        read.set()
        assert go_on.wait(10)
        return found

    monkeypatch.setattr(slow._repository, "counted", counted_slowly)
    first = threading.Thread(target=slow.roll_up_figures, args=(20,))
    first.start()
    assert read.wait(10)
    visit(chain, "o1", "2026-01-10")
    chain.collection("leases").delete_one({"_id": "kpi-rollup"})  # As if it had expired.
    second = threading.Thread(target=Kpis(chain, clock).roll_up_figures, args=(20,))
    second.start()
    second.join(0.5)
    assert second.is_alive(), "the second one waits for its turn"
    go_on.set()
    first.join()
    second.join()
    assert repurchase(chain, clock, "2026-02-19") == (1, 1)
    assert repurchase(chain, clock, "2026-03-12") == (1, 0)  # In [01-12, 02-10], o2 is the first.


def test_a_refund_during_a_roll_up_is_counted_by_the_same_roll_up(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(chain, clock)
    order = shop.paid(shop.register())
    kpis = Kpis(chain, clock)
    move = kpis._repository.move

    def refund_meanwhile(*args: Any) -> None:
        monkeypatch.setattr(kpis._repository, "move", move)
        shop.refund(order)
        shop.settlement.settle_order(order.id)
        move(*args)

    monkeypatch.setattr(kpis._repository, "move", refund_meanwhile)
    kpis.roll_up_figures(60)
    assert report(chain, clock, order.business_day)["orders"] == 0
    assert kpis.roll_up_figures(60)["orders"] == 0


def test_if_a_roll_up_is_killed_between_batches_the_next_one_completes_it(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi_service, "AT_ONCE", 10)
    for number in range(45):
        visit(chain, f"o{number:02}", "2026-01-10", f"m{number}")
    kpis = Kpis(chain, clock)
    assert kpis.roll_up_figures(0) == {"orders": 10, "logins": 0, "days": 0, "rest": True}
    mark, calls = kpis._repository.mark_counted, iter([False, True])

    def die_the_second_time(*args: Any) -> None:
        mark(*args)
        if next(calls):
            raise KeyboardInterrupt

    monkeypatch.setattr(kpis._repository, "mark_counted", die_the_second_time)
    with pytest.raises(KeyboardInterrupt):
        kpis.roll_up_figures(60)
    assert Kpis(chain, clock).roll_up_figures(60)["orders"] == 25
    figures = report(chain, clock, "2026-01-10")
    assert (figures["orders"], figures["revenue_fen"]) == (45, 45 * 7_200)


def test_a_late_order_makes_a_roll_up_read_only_the_days_around_it(
    chain: Database, clock: FakeClock
) -> None:
    visit(chain, "old", "2020-01-10")
    visit(chain, "old2", "2020-01-20")
    visit(chain, "new", "2026-01-10")
    kpis, ranges = Kpis(chain, clock), []
    counted = kpis._repository.counted

    def watched(members: list[str], first: str, last: str, session: Any) -> Any:
        ranges.append((first, last))
        return counted(members, first, last, session)

    kpis._repository.counted = watched  # type: ignore[method-assign]
    assert kpis.roll_up_figures(60)["orders"] == 3
    assert ranges == [("2019-11-11", "2020-03-20"), ("2025-11-11", "2026-03-11")]
    assert repurchase(chain, clock, "2020-02-20") == (1, 1)


def test_an_unknown_member_or_channel_does_not_stop_a_roll_up(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    chain.collection("logins").insert_one(
        {
            "_id": "gone:2026-03-01",
            "member_id": "gone",
            "business_day": "2026-03-01",
            "rollup": "due",
        }
    )
    visit(chain, "o1", "2026-01-10", channel="h5")
    assert kpis.roll_up_figures(60)["rest"] is False
    assert report(chain, clock, "2026-01-10")["orders"] == 1


def test_points_of_test_orders_never_count(chain: Database, clock: FakeClock, kpis: Kpis) -> None:
    shop = Shop(chain, clock)
    order = shop.order(shop.register())
    chain.collection("orders").update_one({"_id": order.id}, {"$set": {"is_test": True}})
    shop.pay(order)
    shop.settlement.settle_order(order.id)
    kpis.roll_up_figures(60)
    figures = report(chain, clock, order.business_day)
    assert (figures["orders"], figures["points_issued"]) == (0, 0)
    assert shop.differences() == []


def test_an_unknown_store_is_refused(chain: Database, clock: FakeClock) -> None:
    with pytest.raises(Refusal) as refused:
        report(chain, clock, "2026-01-10", store_id="nowhere")
    assert (refused.value.code, refused.value.field) == (StoreErrors.STORE_NOT_FOUND, "store_id")
