"""Roll-ups against late facts, races and interruptions; the figures that callers get."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from cli.bench.orders import paid_order
from huitou.imports.models import ImportedRow, ImportOrdersRequest
from huitou.imports.service import OrderImport
from huitou.kpis import service as kpi_service
from huitou.kpis.models import DaysRequest, ReportRequest
from huitou.kpis.service import Kpis
from huitou.runtime.database import Database
from huitou.runtime.declarations import MIGRATIONS, declare
from huitou.runtime.identity import Caller


def visit(database: Database, order_id: str, day: str, member_id: str = "m1", **more: Any) -> None:
    """An order of that business day, settled and due for the roll-up."""
    document = paid_order(order_id, member_id) | {"business_day": day, "settlement": "done"}
    database.collection("orders").insert_one(document | {"rollup": "due"} | more)


def report(database: Database, clock: FakeClock, as_of: str, **chosen: Any) -> dict[str, Any]:
    request = ReportRequest(as_of=date.fromisoformat(as_of), **chosen)
    return Kpis(database, clock).report(request)


def repurchase(database: Database, clock: FakeClock, as_of: str, **chosen: Any) -> tuple[int, int]:
    told = report(database, clock, as_of, **chosen)
    return told["repurchase_cohort"], told["repurchased"]


@pytest.fixture
def kpis(chain: Database, clock: FakeClock) -> Kpis:
    return Kpis(chain, clock)


def test_nothing_happened_and_every_rate_is_null(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    assert kpis.roll_up(5) == {"orders": 0, "logins": 0, "days": 1, "rest": False}
    told = report(chain, clock, "2026-03-01")
    for rate in (
        "repurchase_rate_30d",
        "activity_rate",
        "points_burn_rate",
        "points_burn_rate_90d",
    ):
        assert told[rate] is None
    assert told["by_channel"]["mini_program"]["repurchase_rate_30d"] is None


def test_a_guest_who_comes_again_at_another_store_repurchased_there_only_for_the_chain(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    visit(chain, "o1", "2026-01-10", store_id="jingan")
    visit(chain, "o2", "2026-01-20", store_id="xujiahui")
    kpis.roll_up(5)
    assert repurchase(chain, clock, "2026-02-12") == (1, 1)
    assert repurchase(chain, clock, "2026-02-12", store_id="jingan") == (1, 0)
    told = report(chain, clock, "2026-02-12")
    cohorts = {store: found["repurchase_cohort"] for store, found in told["by_store"].items()}
    assert cohorts == {"jingan": 1, "xujiahui": 0}


@pytest.mark.parametrize(
    ("second", "repurchased"),
    [("2026-01-10", 0), ("2026-01-11", 1), ("2026-02-09", 1), ("2026-02-10", 0)],
)
def test_again_means_a_later_business_day_within_thirty(
    chain: Database, clock: FakeClock, kpis: Kpis, second: str, repurchased: int
) -> None:
    visit(chain, "o1", "2026-01-10")
    visit(chain, "o2", second)
    kpis.roll_up(5)
    assert repurchase(chain, clock, "2026-02-09") == (1, repurchased)


def test_tests_free_orders_and_whole_refunds_never_count(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    visit(chain, "o1", "2026-01-10", is_test=True)
    visit(chain, "o2", "2026-01-10", payable_fen=0)
    visit(chain, "o3", "2026-01-10", status="refunded")
    kpis.roll_up(5)
    told = report(chain, clock, "2026-01-10")
    assert (told["orders"], told["revenue_fen"]) == (0, 0)
    assert repurchase(chain, clock, "2026-02-12") == (0, 0)


def test_a_refund_long_after_takes_the_order_out_of_its_day(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    order = shop.paid(alice)
    clock.advance(days=10)
    again = shop.paid(alice)
    kpis.roll_up(5)
    clock.advance(days=25)
    assert repurchase(chain, clock, "2026-04-01") == (1, 1)
    shop.refund(again)
    shop.settlement.settle(again.id)
    kpis.roll_up(5)
    assert repurchase(chain, clock, "2026-04-01") == (1, 0)
    told = report(chain, clock, order.business_day)
    assert (told["orders"], told["revenue_fen"]) == (1, order.payable_fen)
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
    kpis.roll_up(5)
    today = report(chain, clock, spent.business_day)
    assert today["points_burn_rate_90d"] == 500 / earned["points"]
    assert today["points_burn_rate"] == 500 / today["points_issued"]
    assert report(chain, clock, first_day)["points_burn_rate"] == 0
    shop.refund(spent)
    shop.settlement.settle(spent.id)
    kpis.roll_up(5)
    told = report(chain, clock, spent.business_day)
    assert (told["points_used"], told["points_clawed_back"]) == (0, earned["points"])
    assert told["points_burn_rate_90d"] is None


def test_three_log_ins_in_thirty_days_make_an_active_member_once_they_are_known_for_29(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    first = clock.now().date()
    for _ in range(4):  # Days 0, 12, 24, 36; each day's second log-in adds nothing.
        for _ in range(2):
            shop.members.login(Caller("alice", "wxapp"), None)
        kpis.roll_up(5)
        clock.advance(days=12)
    clock.advance(days=40)
    kpis.roll_up(5)
    days = kpis.days(DaysRequest(first=first, last=clock.now().date()))["days"]
    assert [day["activity_members"] for day in days] == [0] * 29 + [1] * (len(days) - 29)
    active = [number for number, day in enumerate(days) if day["active_members"]]
    # The third log-in is on day 24, but a member counts from day 29 on. On day 30 the first one is
    # too old; on day 36 there are three again, until day 41.
    assert active == [29, *range(36, 42)]
    assert days[29]["activity_rate"] == 1.0


def test_two_roll_ups_at_once_count_everything_once(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi_service, "AT_ONCE", 5)
    for number in range(60):
        visit(chain, f"o{number:02}", f"2026-01-{number % 28 + 1:02}", f"m{number % 7}")
    done = at_once([lambda: Kpis(chain, clock).roll_up(30)] * 3)
    assert sum(run["orders"] for run in done) == 60
    days = Kpis(chain, clock).days(DaysRequest(first=date(2026, 1, 1), last=date(2026, 1, 28)))
    assert sum(day["orders"] for day in days["days"]) == 60


def test_two_roll_ups_cannot_miss_each_others_visits_of_one_member(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One has read that the member has no other visit when a back-dated order comes in and is
    # counted by another one, who sees no visit either: both would count "never here before".
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
    first = threading.Thread(target=slow.roll_up, args=(20,))
    first.start()
    assert read.wait(10)
    visit(chain, "o1", "2026-01-10")
    second = threading.Thread(target=Kpis(chain, clock).roll_up, args=(20,))
    second.start()
    second.join(0.5)
    assert second.is_alive(), "the second one waits for its turn"
    go_on.set()
    first.join()
    second.join()
    assert repurchase(chain, clock, "2026-02-19") == (1, 1)
    assert repurchase(chain, clock, "2026-03-12") == (1, 0)  # [01-12, 02-10]: o2 comes first there.


def test_a_refund_during_a_roll_up_is_counted_in_the_end(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(chain, clock)
    order = shop.paid(shop.register())
    kpis = Kpis(chain, clock)
    move = kpis._repository.move

    def refund_meanwhile(*args: Any) -> None:
        monkeypatch.setattr(kpis._repository, "move", move)
        shop.refund(order)
        shop.settlement.settle(order.id)
        move(*args)

    monkeypatch.setattr(kpis._repository, "move", refund_meanwhile)
    kpis.roll_up(5)
    assert report(chain, clock, order.business_day)["orders"] == 0
    assert kpis.roll_up(5)["orders"] == 0


def test_a_roll_up_that_dies_between_batches_is_finished_by_the_next(
    chain: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpi_service, "AT_ONCE", 10)
    for number in range(45):
        visit(chain, f"o{number:02}", "2026-01-10", f"m{number}")
    kpis = Kpis(chain, clock)
    assert kpis.roll_up(0) == {"orders": 10, "logins": 0, "days": 0, "rest": True}
    mark, calls = kpis._repository.mark_counted, iter([False, True])

    def die_the_second_time(*args: Any) -> None:
        mark(*args)
        if next(calls):
            raise KeyboardInterrupt

    monkeypatch.setattr(kpis._repository, "mark_counted", die_the_second_time)
    with pytest.raises(KeyboardInterrupt):
        kpis.roll_up(5)
    assert Kpis(chain, clock).roll_up(5)["orders"] == 25
    told = report(chain, clock, "2026-01-10")
    assert (told["orders"], told["revenue_fen"]) == (45, 45 * 7_200)


def test_an_import_changes_days_that_were_closed_long_ago(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    shop = Shop(chain, clock)
    shop.register()
    kpis.roll_up(5)
    clock.advance(days=50)
    kpis.roll_up(5)
    row = ImportedRow(
        line=2, member="7", paid_on=date(2026, 2, 20), amount_fen=5_000, store="jingan"
    )
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=[row]))
    kpis.roll_up(5)
    told = report(chain, clock, "2026-02-20")
    assert (told["orders"], told["new_members"], told["points_issued"]) == (1, 1, 50)
    assert told["by_channel"]["import"]["new_members"] == 1
    assert told["by_store"]["jingan"]["new_members"] == 1
    earlier = row.model_copy(update={"paid_on": date(2026, 2, 10), "store": "xujiahui"})
    OrderImport(chain, clock, "huitou").run(ImportOrdersRequest(rows=[earlier]))
    kpis.roll_up(5)
    assert report(chain, clock, "2026-02-20")["new_members"] == 0
    assert report(chain, clock, "2026-02-20", store_id="jingan")["new_members"] == 0
    assert report(chain, clock, "2026-02-10", store_id="xujiahui")["new_members"] == 1


def test_orders_from_before_the_roll_ups_are_counted_after_the_migration(
    chain: Database, clock: FakeClock, kpis: Kpis
) -> None:
    chain.collection("orders").insert_many(
        [paid_order(f"o{number}", "m1") | {"settlement": "done"} for number in range(3)]
    )
    chain.collection("meta").delete_one({"_id": "migrations"})
    assert MIGRATIONS[0].title in declare(chain)["migrated"]
    assert kpis.roll_up(5)["orders"] == 3
    assert declare(chain)["migrated"] == []
