"""Importing a till's history: repeated, continued, at once, wrong; the books agree in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from at_once import at_once
from chain_data import NOON, FakeClock, Shop
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.imports.errors import ImportErrors
from huitou.operations.imports.models import ImportedRow, ImportOrdersRequest, ImportReport
from huitou.operations.imports.service import OrderImport
from huitou.operations.reconciliation.service import Reconciliation
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.triggers import DUE, TRIGGERS

DAY = date(2026, 1, 10)


def row(line: int = 2, **more: Any) -> ImportedRow:
    """An order of 50 yuan of the member 7 on 10 January."""
    when = {} if "paid_at" in more else {"paid_on": DAY}
    return ImportedRow(**{"line": line, "member": "7", "amount_fen": 5_000, **when, **more})


def send(database: Database, *rows: ImportedRow, dry_run: bool = False) -> ImportReport:
    request = ImportOrdersRequest(rows=list(rows), dry_run=dry_run)
    return OrderImport(database, FakeClock(), "huitou").run(request)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.imported, report.refunded, report.unchanged, report.rejected


def everything(database: Database) -> dict[str, int]:
    return {
        name: database.collection(name).count_documents({"_id": {"$gt": ""}})
        for name in ("members", "identities", "accounts", "orders", "points_entries")
    }


def account(database: Database, number: str = "7") -> dict[str, Any]:
    identity = database.collection("identities").find_one({"_id": f"till:{number}"})
    assert identity
    found = database.collection("accounts").find_one({"_id": identity["member_id"]})
    assert found
    return found


def differences(database: Database) -> Sequence[object]:
    differing: Sequence[object] = Reconciliation(database, FakeClock()).reconcile_page(None, 1_000)[
        "differences"
    ]
    return differing


def test_a_row_becomes_a_member_an_order_points_and_spend(chain: Database) -> None:
    report = send(chain, row(store="静安寺店", order="A-1"))
    assert counts(report) == (1, 0, 0, 0)
    assert report.members == 1
    order = chain.collection("orders").find_one({"_id": {"$gt": ""}})
    assert order
    assert (order["channel"], order["origin"], order["source_id"]) == ("import", "import", "A-1")
    assert (order["store_id"], order["business_day"], order["status"]) == (
        "jingan",
        "2026-01-10",
        "paid",
    )
    assert order["tenders"] == [{"kind": "till", "amount_fen": 5_000}]
    assert account(chain)["available"] == 50
    assert account(chain)["spend_by_day"] == {"2026-01-10": 5_000}
    assert differences(chain) == []


def test_nothing_is_left_for_triggers_and_nobody_gets_a_coupon(chain: Database) -> None:
    send(chain, row(amount_fen=300_000))
    assert account(chain)["tier"]["level"] == "gold"
    for trigger in TRIGGERS:
        assert not chain.collection(trigger.collection).find_one({trigger.marker: DUE})
    assert chain.collection("coupons").find_one({"_id": {"$gt": ""}}) is None
    assert (
        chain.collection("tier_changes").count_documents({"member_id": account(chain)["_id"]}) == 1
    )


def test_the_tier_is_todays_not_what_it_was(chain: Database) -> None:
    old = NOON.date() - timedelta(days=365)
    send(chain, row(amount_fen=300_000, paid_on=old))
    assert account(chain)["available"] == 3_000
    assert account(chain).get("tier", {}).get("level", "basic") == "basic"
    send(chain, row(amount_fen=300_000, paid_on=old + timedelta(days=1)))
    assert account(chain)["tier"]["level"] == "gold"
    # The timer tells at once what keeps it …
    assert account(chain)["review_on"] == NOON.date().isoformat()
    Tiers(chain, FakeClock()).evaluate_member(account(chain)["_id"])
    # … and it falls on the first day that no longer sees the order: 366 days after `old`.
    assert account(chain)["review_on"] == (old + timedelta(days=366)).isoformat()


def test_a_live_review_that_was_due_stays_due(chain: Database) -> None:
    send(chain, row())
    chain.collection("accounts").update_one(
        {"_id": account(chain)["_id"]}, {"$set": {"tier_review": DUE}}
    )
    send(chain, row(amount_fen=300_000))
    assert account(chain)["tier_review"] == DUE
    assert "tier" not in account(chain)
    assert account(chain)["spend_by_day"] == {"2026-01-10": 305_000}


def test_running_it_again_changes_nothing_and_a_longer_file_adds_the_rest(chain: Database) -> None:
    rows = [row(2, seq=0), row(3, seq=1), row(4, amount_fen=0), row(5, order="9")]
    assert counts(send(chain, *rows)) == (4, 0, 0, 0)
    before = everything(chain)
    assert counts(send(chain, *rows)) == (0, 0, 4, 0)
    assert everything(chain) == before
    assert counts(send(chain, *rows, row(6, amount_fen=5_100))) == (1, 0, 4, 0)
    assert account(chain)["available"] == 201
    assert differences(chain) == []


def test_two_imports_of_one_file_at_once_bring_it_in_once(chain: Database) -> None:
    rows = [row(n, member=str(n % 9), order=str(n), store="jingan") for n in range(2, 120)]
    reports = at_once([lambda: send(chain, *rows)] * 3)
    assert sum(report.imported for report in reports) == 118
    assert sum(report.members for report in reports) == 9
    assert differences(chain) == []
    before = everything(chain)
    assert (before["orders"], before["members"], before["identities"]) == (118, 9, 9)


def test_the_same_number_with_other_content_is_rejected_wherever_it_comes_from(
    chain: Database,
) -> None:
    report = send(chain, row(2, order="1"), row(3, order="1"), row(4, order="1", amount_fen=1))
    assert counts(report) == (1, 0, 1, 1)
    assert (report.rejects[0].line, report.rejects[0].field) == (4, "order")
    assert counts(send(chain, row(2, order="1", member="8"))) == (0, 0, 0, 1)
    # Each store's till counts by itself.
    assert counts(send(chain, row(2, order="1", store="jingan", amount_fen=7))) == (1, 0, 0, 0)


def test_a_store_that_does_not_exist_is_rejected(chain: Database) -> None:
    report = send(chain, row(2, store="nowhere"), row(3))
    assert counts(report) == (1, 0, 0, 1)
    assert report.rejects[0].reason == "no such store: nowhere"


def back(line: int, of: str, amount_fen: int, **more: Any) -> ImportedRow:
    return row(line, refund_of=of, amount_fen=-amount_fen, **more)


def test_parts_of_an_order_come_back_to_the_last_point(chain: Database) -> None:
    send(chain, row(2, order="1", amount_fen=9_999))
    assert account(chain)["available"] == 99
    for number, (part, left) in enumerate([(50, 99), (4_950, 49), (4_999, 0)]):
        refund = back(3, "1", part, order=f"r{number}", paid_on=DAY + timedelta(days=number + 1))
        assert counts(send(chain, refund)) == (0, 1, 0, 0)
        assert counts(send(chain, refund)) == (0, 0, 1, 0)
        assert account(chain)["available"] == left
        assert differences(chain) == []
    order = chain.collection("orders").find_one({"source_id": "1", "_id": {"$gt": ""}})
    assert order
    assert order["status"] == "refunded"
    assert not any(account(chain)["spend_by_day"].values())
    entry = chain.collection("points_entries").find_one({"_id": {"$gt": "claw"}}, sort=[("at", -1)])
    assert entry
    assert entry["at"] == datetime(2026, 1, 13, 4, tzinfo=UTC)


def test_a_file_may_hold_the_refund_before_its_order(chain: Database) -> None:
    assert counts(send(chain, back(2, "1", 5_000), row(3, order="1"))) == (1, 1, 0, 0)
    assert account(chain)["available"] == 0
    assert differences(chain) == []


@pytest.mark.parametrize(
    ("refund", "reason"),
    [
        (back(9, "2", 1), "no order with this number"),
        (back(9, "1", 5_001), "more than what is left"),
        (back(9, "1", 100, member="8"), "another member's"),
        (back(9, "1", 100, store="jingan"), "no order with this number"),
    ],
)
def test_a_refund_that_fits_no_order_is_rejected(
    chain: Database, refund: ImportedRow, reason: str
) -> None:
    send(chain, row(2, order="1"), row(3, member="8"))
    report = send(chain, refund)
    assert counts(report) == (0, 0, 0, 1)
    assert reason in report.rejects[0].reason
    assert account(chain)["available"] == 50


def test_refunds_of_one_file_cannot_take_more_than_there_was(chain: Database) -> None:
    send(chain, row(2, order="1"))
    report = send(chain, back(3, "1", 3_000, order="a"), back(4, "1", 3_000, order="b"))
    assert counts(report) == (0, 1, 0, 1)
    same_number = send(chain, back(3, "1", 2_000, order="a"))
    assert (same_number.rejects[0].field, counts(same_number)) == ("order", (0, 0, 0, 1))
    assert differences(chain) == []


def test_two_refunds_at_once_cannot_take_more_than_there_was(chain: Database) -> None:
    send(chain, row(2, order="1"))
    refunds = [back(3, "1", 3_000, order=name) for name in "abcd"]
    reports = at_once([lambda refund=refund: send(chain, refund) for refund in refunds])
    assert sorted(counts(report) for report in reports) == [(0, 0, 0, 1)] * 3 + [(0, 1, 0, 0)]
    assert differences(chain) == []


def test_history_and_live_orders_of_one_member_move_one_account(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    send(chain, row(2, order="1"))
    member_id = account(chain)["_id"]
    live = [shop.order(member_id) for _ in range(4)]
    for order in live:
        shop.pay(order)
    work = [lambda order=order: shop.settlement.settle_order(order.id) for order in live]
    at_once([*work, *(lambda n=n: send(chain, row(3, order=f"x{n}")) for n in range(4))])
    assert account(chain)["available"] == 50 * 5 + 15 * 4
    assert shop.differences() == []


def test_a_dry_run_leaves_nothing_behind(chain: Database) -> None:
    send(chain, row(2, order="1"))
    before = everything(chain)
    report = send(
        chain, row(2, order="1"), row(3, amount_fen=9), row(4, order="1", member="x"), dry_run=True
    )
    assert counts(report) == (1, 0, 1, 1)
    assert everything(chain) == before


def test_members_register_on_their_first_orders_day_even_when_it_comes_later(
    chain: Database,
) -> None:
    send(chain, row(2), row(3, paid_on=DAY + timedelta(days=3)))
    send(chain, row(4, paid_on=DAY - timedelta(days=400), store="xujiahui"))
    member = chain.collection("members").find_one({"_id": account(chain)["_id"]})
    assert member
    assert member["registered_day"] == (DAY - timedelta(days=400)).isoformat()
    assert member["registered_store_id"] == "xujiahui"


def test_the_day_is_the_stores_own(chain: Database) -> None:
    at_night = datetime(2026, 1, 10, 19, 30, tzinfo=UTC)  # 03:30 in Shanghai on the 11th.
    send(chain, row(2, paid_at=at_night, store="jingan"))
    order = chain.collection("orders").find_one({"_id": {"$gt": ""}})
    assert order
    assert order["business_day"] == "2026-01-10"


@pytest.mark.parametrize(
    "wrong",
    [{"amount_fen": -5}, {"refund_of": "1"}, {"paid_at": NOON, "paid_on": DAY}, {"member": ""},
     {"amount_fen": 10**12}, {"amount_fen": 1.5}],
)  # fmt: skip
def test_a_row_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImportedRow(
            **{
                "line": 2,
                "member": "7",
                "amount_fen": 5_000,
                **({} if "paid_on" in wrong else {"paid_on": DAY}),
                **wrong,
            }
        )


def test_a_file_under_another_mapping_is_refused_and_doubles_nothing(chain: Database) -> None:
    old = [row(n, member=str(n)) for n in range(2, 6)]
    new = [row(n, member=str(n)) for n in range(20, 60)]
    send(chain, *old)
    before = everything(chain)
    for store, numbered in (("jingan", False), (None, True), ("jingan", True)):
        rows = [
            one.model_copy(update={"store": store, "order": f"n{one.line}" if numbered else None})
            for one in [*old, *new]
        ]
        with pytest.raises(Refusal) as refused:
            send(chain, *rows)
        assert refused.value.code is ImportErrors.IMPORTED_OTHERWISE
    assert everything(chain) == before
    assert counts(send(chain, *old, *new)) == (40, 0, 4, 0)


def test_a_number_that_was_blank_once_is_no_other_mapping(chain: Database) -> None:
    rows = [row(2, order="H1"), *(row(n, member=str(n)) for n in range(3, 8))]
    send(chain, *rows)
    grown = [*rows, *(row(n + 10, member=str(n), order=f"H{n}") for n in range(3, 8))]
    assert counts(send(chain, *grown)) == (5, 0, 6, 0)


def test_the_same_refund_number_on_another_day_is_another_refund_and_rejected(
    chain: Database,
) -> None:
    send(chain, row(2, order="1"))
    later = DAY + timedelta(days=3)
    report = send(chain, back(3, "1", 10, order="R"), back(4, "1", 10, order="R", paid_on=later))
    assert counts(report) == (0, 1, 0, 1)
