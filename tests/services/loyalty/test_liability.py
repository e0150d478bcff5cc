"""What a chain owes in points, compared with a plain sum over all entries, on any day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from at_once import at_once
from chain_data import FakeClock, Shop, item
from cli.points import liability
from desks import Desk
from huitou.loyalty.liability.models import LiabilityAnswer
from huitou.loyalty.liability.service import Liability
from huitou.loyalty.points.models import LedgerEntry, LotMove
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from hunting import examples

SUMS = ("issued", "used", "expired", "clawed_back", "taken", "outstanding")
NAMES = {"use": "used", "return": "used", "expire": "expired", "claw-back": "clawed_back"}


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def report(shop: Shop, as_of: str | None = None) -> LiabilityAnswer:
    return Liability(shop.database, shop.clock).report_liability(as_of, lambda: True)


def plain(shop: Shop, as_of: str) -> dict[str, Any]:
    """Sum up all entries, one by one."""
    months: dict[str, Counter[str]] = {}
    test: Counter[str] = Counter()
    by_year: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for entry in shop.database.collection("points_entries").find({}):
        if entry["booked_on"] > as_of:
            continue
        month = months.setdefault(entry["booked_on"][:7], Counter())
        sums = test if entry["is_test"] else month
        name = NAMES.get(entry["kind"], "issued")
        name = "taken" if entry["kind"] == "adjust" and entry["points"] < 0 else name
        sums[name] += entry["points"] * (1 if name == "issued" else -1)
        sums["outstanding"] += entry["points"]
        if not entry["is_test"]:
            parts["owed"] += entry.get("debt", 0)
            for move in entry.get("lots", ()):
                year = move["expires_on"][:4]
                by_year["never" if year == "9999" else year] += move["points"]
                parts["pending" if "usable" in move else "open"] += move["points"]
    total: Counter[str] = Counter()
    for month in months.values():
        total.update(month)
    return {
        "months": {name: [sums[s] for s in SUMS] for name, sums in months.items()},
        "total": [total[s] for s in SUMS],
        "test": [test[s] for s in SUMS],
        "parts": [parts[name] for name in ("open", "pending", "owed")],
        "by_year": {year: points for year, points in by_year.items() if points},
    }


def sums_of(found: LiabilityAnswer) -> dict[str, Any]:
    months = {m.month: [getattr(m, s) for s in SUMS] for m in found.months}
    return {
        "months": {month: sums for month, sums in months.items() if any(sums)},
        "total": [getattr(found.total, s) for s in SUMS],
        "test": [getattr(found.test, s) for s in SUMS],
        "parts": [found.open_points, found.pending_points, found.owed_points],
        "by_year": found.by_year,
    }


def check(shop: Shop, as_of: str) -> LiabilityAnswer:
    found, wanted = report(shop, as_of), plain(shop, as_of)
    wanted["months"] = {month: sums for month, sums in wanted["months"].items() if any(sums)}
    assert sums_of(found) == wanted
    assert (found.agrees, found.rest) == (True, False)
    return found


def test_two_years_of_orders_add_up_on_each_day_that_is_asked_for(shop: Shop) -> None:
    alice, bob = shop.register("alice"), shop.register("bob")
    for number in range(10):
        order = shop.paid(alice, items=[item(20)])
        shop.paid(bob, items=[item(10)], points=0)
        if number % 3 == 1:
            spent = shop.paid(alice, items=[item(10)], points=200)
            shop.refund(spent, amount_fen=1_000)
            shop.settlement.settle_order(spent.id)
        if number % 4 == 3:
            shop.refund(order)
            shop.settlement.settle_order(order.id)
        shop.clock.advance(days=70)
        for member_id in (alice, bob):
            shop.settlement._points.bring_up_to_date(member_id)
    assert shop.differences() == []
    today = shop.settlement._points.today()
    for as_of in ("2026-03-01", "2026-03-02", "2026-12-31", "2027-06-15", today):
        check(shop, as_of)
    found = check(shop, today)
    assert found.total.expired > 0
    held = [shop.account(m) for m in (alice, bob)]
    assert found.total.outstanding == sum(a["available"] + a["reserved"] for a in held)
    assert [month.closed for month in found.months[:-2]] == [True] * (len(found.months) - 2)
    assert found.months[-1].outstanding_at_end == found.total.outstanding


def test_a_month_ends_with_the_business_day_of_its_last_day(shop: Shop) -> None:
    alice = shop.register()
    shop.clock.moment = datetime(2026, 3, 31, 19, 59, tzinfo=UTC)  # 03:59 on 1 April.
    order, last = (shop.order(alice, items=[item(n)]) for n in (2, 4))
    shop.pay(order)
    shop.settlement.settle_order(order.id)
    shop.clock.moment = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)  # 04:00, when the day begins.
    shop.pay(last)
    shop.settlement.settle_order(last.id)
    found = check(shop, "2026-04-01")
    assert [(m.month, m.issued) for m in found.months] == [("2026-03", 30), ("2026-04", 60)]
    assert check(shop, "2026-03-31").total.outstanding == 30


def test_a_month_that_is_over_is_stored_once_and_its_entries_are_not_read_again(shop: Shop) -> None:
    alice = shop.register()
    shop.paid(alice, items=[item(2)])
    months = shop.database.collection("points_months")
    report(shop)
    shop.clock.moment = datetime(2026, 4, 3, 4, 0, tzinfo=UTC)
    assert report(shop).months[0].closed is False  # A store further west may still book in it.
    shop.clock.advance(days=2)
    found = at_once([lambda: report(shop)] * 4)
    assert all(one == found[0] for one in found)
    assert [month["_id"] for month in months.find({})] == ["2026-03"]
    shop.paid(alice, items=[item(2)])
    before = report(shop)
    shop.database.collection("points_entries").delete_many({"booked_on": "2026-03-02"})
    assert report(shop) == before
    assert list(Liability(shop.database, shop.clock).closable_months()) == []


def test_the_sums_of_the_open_month_come_from_an_index_alone(shop: Shop) -> None:
    shop.paid(shop.register(), items=[item(2)])
    pipeline = [
        {"$match": {"booked_on": "2026-03-02"}},
        {
            "$group": {
                "_id": {
                    "kind": "$kind",
                    "taken": {"$lt": ["$points", 0]},
                    "is_test": {"$eq": ["$is_test", True]},
                },
                "points": {"$sum": "$points"},
                "debt": {"$sum": "$debt"},
            }
        },
    ]
    explained = shop.database.mongo.command(
        "explain",
        {"aggregate": "points_entries", "pipeline": pipeline, "cursor": {}},
        verbosity="executionStats",
    )
    text = str(explained)
    assert "'totalDocsExamined': 0" in text
    assert "IXSCAN" in text


def test_an_invalid_or_future_day_is_refused(shop: Shop) -> None:
    for as_of in ("2026-03-03", "2026-02-30", "2025-13-01"):
        with pytest.raises(Refusal) as refused:
            report(shop, as_of)
        assert (refused.value.code, refused.value.field) == (Code.INVALID_REQUEST, "as_of")
    empty = report(shop)
    assert (empty.agrees, empty.total.outstanding, len(empty.months)) == (True, 0, 1)


def test_a_report_that_runs_out_of_time_says_so_and_the_next_one_goes_on(shop: Shop) -> None:
    shop.paid(shop.register(), items=[item(2)])
    shop.clock.advance(days=200)
    liability = Liability(shop.database, shop.clock)
    turns = iter([True, True, False] + [False] * 9)
    cut = liability.report_liability(None, lambda: next(turns))
    assert cut.rest
    assert shop.database.collection("points_months").count_documents({}) == 2
    assert not report(shop).rest
    check(shop, "2026-09-01")


def test_the_command_prints_the_equation_of_the_sums(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    alice = shop.register()
    shop.give_points(alice, 1_000)
    shop.paid(alice, items=[item(10)], points=1_000)
    inner: Any = liability.callback
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    for as_json in (False, True):
        with pytest.raises(SystemExit) as ended:
            inner(as_of=None, as_json=as_json, environment=Desk(shop.database, shop.clock))
        assert ended.value.code == 0
    shown, line = capsys.readouterr().out.rsplit("\n{", 1)
    assert "= gone 1,000 + outstanding 625: it adds up" in shown
    assert "expires in 2027" in shown
    assert "¥6.25" in shown
    assert '"agrees": true' in line


KINDS = st.sampled_from(
    ["earn", "bonus", "use", "return", "claw-back", "mature", "expire", "repay", "migrate",
     "adjust", "transfer"]
)  # fmt: skip
MOVES = st.lists(max_size=3, elements=st.builds(
    LotMove,
    expires_on=st.sampled_from(["2026-12-31", "2027-06-30", "9999-12-31"]),
    points=st.integers(-500, 500),
    usable=st.sampled_from([None, "completed", "2026-05-01"]),
))  # fmt: skip


@given(
    entries=st.lists(max_size=25, elements=st.tuples(
        KINDS, MOVES, st.integers(0, 50), st.integers(0, 130), st.booleans()
    )),
    asked=st.lists(st.integers(0, 140), min_size=1, max_size=4),
)  # fmt: skip
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
def test_any_entries_give_the_same_report_as_a_plain_sum(
    database: Database, entries: list[Any], asked: list[int]
) -> None:
    clock = FakeClock()
    start = clock.moment
    for name in ("points_entries", "points_months"):
        database.collection(name).delete_many({})
    shop = Shop(database, clock)
    asked = sorted(asked)
    posted = sorted(enumerate(entries), key=lambda numbered: numbered[1][3])
    for ahead in asked:  # These reports close months.
        while posted and posted[0][1][3] <= ahead:
            number, (kind, lots, debt, day, is_test) = posted.pop(0)
            booked_on = (start + timedelta(days=day)).date().isoformat()
            entry = LedgerEntry(
                id=f"{kind}:{number}",
                member_id="m",
                kind=kind,
                lots=lots,
                debt=debt,
                points=sum(move.points for move in lots) - debt,
                business_day=booked_on,
                booked_on=booked_on,
                at=start,
                cause="x",
                rules_revision=1,
                is_test=is_test,
            )
            database.collection("points_entries").insert_one(entry.document())
        clock.moment = start + timedelta(days=ahead)
        check(shop, clock.moment.date().isoformat())
        check(shop, (start + timedelta(days=ahead // 2)).date().isoformat())
