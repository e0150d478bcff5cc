"""The daily check on a real database: it finds differences and clears corrected ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from at_once import at_once
from bill_texts import MCHID, Bills, Row, flow_bill, flow_of, paid, refunded, trade_bill
from chain_data import FakeClock
from huitou.payments.bill_check.errors import BillErrors
from huitou.payments.bill_check.models import BillReport
from huitou.payments.bill_check.service import BillCheck
from huitou.payments.charges.models import Payment
from huitou.payments.discrepancies.models import DiscrepanciesRequest
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.refunds.models import Refund
from huitou.runtime.database import Database, Document
from huitou.runtime.errors import Code, Refusal
from localcloud.mongod import Mongod
from watching import Commands, watched

DAY = "2026-03-01"
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
CHECKED_AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai, the day after.


class Day:
    """One day: our books in the database, and WeChat Pay's bill of it."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.clock.moment = CHECKED_AT
        self.bills = Bills()
        self.check = BillCheck(database, clock, self.bills)
        self.rows: list[Row] = []

    def pay(self, number: str, fen: int = 3_600, *, at: datetime = NOON, **ours: Any) -> None:
        """Store a payment; at noon of the day, unless `at` names another moment."""
        payment = Payment.model_validate(
            {
                "_id": number, "order_id": f"o-{number}", "member_id": "m", "attempt": 1,
                "amount_fen": fen, "store_id": "jingan", "merchant": {"mchid": MCHID},
                "sharing": {"fee_bp": 60}, "status": "success", "expires_at": at, "created_at": at,
                "transaction_id": f"42{number}", "success_at": at, **ours,
            }
        )  # fmt: skip
        self.database.collection("payments").insert_one(payment.document())

    def refund(
        self, number: str, payment: str, fen: int, *, at: datetime = NOON, **ours: Any
    ) -> None:
        refund = Refund.model_validate(
            {
                "_id": number, "kind": "order", "order_id": f"o-{payment}", "member_id": "m",
                "out_trade_no": payment, "merchant": {"mchid": MCHID}, "total_fen": 3_600,
                "amount_fen": fen, "reason": "", "actor": "ann", "status": "success",
                "created_at": at, "success_at": at, **ours,
            }
        )  # fmt: skip
        self.database.collection("refunds").insert_one(refund.document())

    def run(self, *rows: Row, day: str = DAY) -> BillReport:
        self.bills.put(day, rows)
        return self.check.check_day(day)

    def differences(self) -> dict[str, str]:
        """Return the open differences, kind by reference."""
        listed = Discrepancies(self.database, self.clock).list_discrepancies(
            DiscrepanciesRequest(limit=50)
        )
        return {one.reference: one.kind for one in listed.discrepancies}

    def mark(self, collection: str, number: str) -> Any:
        found = self.database.collection(collection).find_one({"_id": number})
        assert found
        return found.get("bill")


@pytest.fixture
def day(database: Database, clock: FakeClock) -> Day:
    return Day(database, clock)


def test_a_day_without_differences_is_reported_and_marked(day: Day) -> None:
    day.pay("p1")
    day.pay("p2", 1_500)
    day.refund("r1", "p1", 1_000)
    report = day.run(paid("p1", 3_600), paid("p2", 1_500), refunded("r1", "p1", 1_000))
    assert report.differences == []
    assert (report.rows, report.payments, report.refunds) == (3, 2, 1)
    assert (report.taken_fen, report.given_back_fen, report.fees_fen) == (5_100, 1_000, 25)
    assert (report.kept_fen, report.fund_flow) == (4_075, "agrees")
    assert day.mark("payments", "p1") == {"day": DAY, "fee_fen": 22}
    assert day.mark("refunds", "r1") == {"day": DAY, "fee_fen": -6}
    run = day.database.collection("bill_runs").find_one({"_id": f"{MCHID}|{DAY}"})
    assert run
    assert (run["status"], run["rows"], run["differences"]) == ("checked", 3, 0)


def test_every_kind_of_difference_is_found(day: Day) -> None:
    for number in ("amount", "open", "fee", "merchant", "missing"):
        ours: dict[str, Any] = {"status": "open", "success_at": None} if number == "open" else {}
        day.pay(number, **ours)
    day.refund("r-amount", "amount", 500)
    day.refund("r-missing", "amount", 500)
    report = day.run(
        paid("amount", 3_500),
        paid("open", 3_600),
        paid("fee", 3_600, 手续费="0.23000"),
        paid("merchant", 3_600, 特约商户号="77"),
        paid("stranger", 1_234),
        refunded("r-amount", "amount", 600),
        refunded("r-stranger", "p9", 99),
    )
    assert day.differences() == {
        "amount": "payment amount",
        "open": "payment state",
        "fee": "fee",
        "merchant": "merchant",
        "missing": "payment missing in bill",
        "stranger": "payment unknown to us",
        "r-amount": "refund amount",
        "r-missing": "refund missing in bill",
        "r-stranger": "refund unknown to us",
    }
    assert (report.found, report.new, report.open, report.cleared) == (9, 9, 9, 0)
    by_reference = {one.reference: one for one in report.differences}
    assert (by_reference["amount"].expected, by_reference["amount"].found) == (3_600, 3_500)
    assert (by_reference["fee"].expected, by_reference["fee"].found) == (22, 23)
    assert by_reference["merchant"].found == f"{MCHID}/77"
    assert by_reference["missing"].store_id == "jingan"


def test_a_fund_flow_that_differs_from_the_trade_bill_is_noted(day: Day) -> None:
    day.pay("p1")
    rows = [paid("p1", 3_600)]
    day.bills.put(DAY, rows, flow_bill([("交易", "收入", 3_600), ("扣除交易手续费", "支出", 36)]))
    report = day.check.check_day(DAY)
    [difference] = report.differences
    assert (difference.kind, difference.reference) == ("fund flow", f"{MCHID}:{DAY}:fees")
    assert (difference.expected, difference.found, report.fund_flow) == (-22, -36, "differs")
    assert day.run(*rows).fund_flow == "agrees"
    assert day.differences() == {}


def test_a_providers_fund_flow_is_not_compared_with_its_stores_trade(day: Day) -> None:
    day.pay("p1", merchant={"mchid": MCHID, "sub_mchid": "77"})
    day.bills.put(DAY, [paid("p1", 3_600, 特约商户号="77")], flow_bill([]))
    assert day.check.check_day(DAY).differences == []
    assert day.bills.asked == [("trade", DAY), ("fundflow", DAY)]


def test_checking_a_day_again_changes_nothing(day: Day) -> None:
    day.pay("p1")
    day.pay("missing")
    rows = [paid("p1", 3_600), paid("stranger", 100)]
    first = day.run(*rows)
    before = list(day.database.collection("payments").find({}))
    again = day.run(*rows)
    assert (first.new, again.new) == (2, 0)
    assert (again.found, again.open, again.cleared) == (2, 2, 0)
    assert list(day.database.collection("payments").find({})) == before


def test_two_checks_of_a_day_at_once_find_the_same(day: Day) -> None:
    for number in range(20):
        day.pay(f"p{number}")
    rows = [paid(f"p{number}", 3_600 if number % 2 else 3_500) for number in range(20)]
    day.bills.put(DAY, rows)
    reports = at_once([lambda: day.check.check_day(DAY)] * 3)
    assert [report.open for report in reports] == [10, 10, 10]
    assert sum(report.new for report in reports) == 10


def test_a_corrected_difference_is_cleared(day: Day) -> None:
    day.pay("amount", 3_500)
    rows = [paid("amount", 3_600), paid("late", 3_600)]
    day.run(*rows)
    assert day.differences() == {"amount": "payment amount", "late": "payment unknown to us"}
    day.database.collection("payments").update_one(
        {"_id": "amount"}, {"$set": {"amount_fen": 3_600}}
    )
    day.pay("late")
    report = day.run(*rows)
    assert (report.found, report.cleared, report.open) == (0, 2, 0)
    stored = day.database.collection("discrepancies").find({})
    assert {one["resolution"]["actor"] for one in stored} == {"system"}


def test_a_resolved_difference_stays_resolved_when_the_day_is_checked_again(day: Day) -> None:
    day.run(paid("stranger", 100))
    operator = Discrepancies(day.database, day.clock)
    operator.resolve_discrepancy(
        "payment unknown to us|stranger", "ann", "paid in the shop, by hand"
    )
    report = day.run(paid("stranger", 100))
    assert (report.found, report.open, report.differences) == (1, 0, [])


def test_a_row_in_the_next_days_bill_clears_a_missing_payment(day: Day) -> None:
    day.pay("p1")
    day.run()
    assert day.differences() == {"p1": "payment missing in bill"}
    day.clock.advance(days=1)
    day.run(paid("p1", 3_600, 交易时间="2026-03-02 00:00:01"), day="2026-03-02")
    assert day.differences() == {}
    assert day.mark("payments", "p1")["day"] == "2026-03-02"


def test_a_payment_near_midnight_is_missing_only_after_both_days_are_checked(day: Day) -> None:
    midnight = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)  # The end of 1 March in Shanghai.
    day.pay("before", at=midnight - timedelta(minutes=5))
    day.pay("after", at=midnight + timedelta(minutes=5))
    day.pay("earlier", at=midnight - timedelta(minutes=11))
    day.run()
    assert day.differences() == {"earlier": "payment missing in bill"}
    day.clock.advance(days=1)
    day.run(paid("before", 3_600, 交易时间="2026-03-02 00:00:00"), day="2026-03-02")
    assert set(day.differences()) == {"earlier", "after"}


def test_days_checked_in_any_order_find_a_missing_payment_near_midnight(day: Day) -> None:
    midnight = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
    day.pay("before", at=midnight - timedelta(minutes=5))
    day.pay("after", at=midnight + timedelta(minutes=5))
    day.clock.advance(days=1)
    day.run(day="2026-03-02")
    assert day.differences() == {}
    day.run()
    assert set(day.differences()) == {"before", "after"}


def test_a_refund_is_missing_only_after_every_day_since_its_creation_is_checked(day: Day) -> None:
    day.pay("p1")
    day.refund("r1", "p1", 500, at=NOON, created_at=NOON - timedelta(days=1))
    day.run(paid("p1", 3_600))
    assert day.differences() == {}  # It may be in the bill of 28 February.
    day.run(day="2026-02-28")
    day.run(paid("p1", 3_600))
    assert day.differences() == {"r1": "refund missing in bill"}


def test_a_refund_of_no_money_is_not_expected_in_a_bill(day: Day) -> None:
    day.refund("r1", "p1", 0, out_trade_no=None)
    assert day.run().differences == []


def test_old_payments_without_merchant_and_rate_agree_with_the_bill(day: Day) -> None:
    day.pay("p1", merchant=None, sharing=None, store_id=None)
    assert day.run(paid("p1", 3_600, 手续费="0.14000")).differences == []
    assert day.mark("payments", "p1")["fee_fen"] == 14


def test_a_day_without_a_bill_reports_our_payments_as_missing(day: Day) -> None:
    assert day.check.check_day(DAY).rows == 0
    day.pay("p1")
    assert [one.kind for one in day.check.check_day(DAY).differences] == ["payment missing in bill"]


def refusal(day: Day, of: str = DAY) -> Refusal:
    with pytest.raises(Refusal) as refused:
        day.check.check_day(of)
    return refused.value


def test_a_bill_is_not_requested_before_it_can_be_ready(day: Day) -> None:
    day.clock.advance(minutes=-1)
    refused = refusal(day)
    assert (refused.code, refused.detail) == (BillErrors.BILL_NOT_READY, "2026-03-02 10:00")
    assert refusal(day, "2026-03-09").detail == "2026-03-10 10:00"
    assert refusal(day, "2026-02-30").code is Code.INVALID_REQUEST
    assert day.bills.asked == []


def test_a_bill_in_the_making_is_requested_again_after_half_an_hour(day: Day) -> None:
    day.bills.creating = True
    refused = refusal(day)
    assert (refused.code, refused.detail) == (BillErrors.BILL_NOT_READY, "2026-03-02 10:30")
    assert day.check.check_due_day(DAY) == "bill not ready"
    assert day.check.due_days() == []
    day.clock.advance(minutes=30)
    assert day.check.due_days() == [DAY]


@pytest.mark.parametrize("kind", ["trade", "fundflow"])
def test_a_damaged_bill_changes_nothing_and_is_reported(day: Day, kind: str) -> None:
    day.pay("p1")
    day.bills.put(DAY, [paid("p1", 3_500), paid("p2", 1)])
    whole = day.bills.days[kind, DAY]
    day.bills.days[kind, DAY] = whole[:-60]
    assert refusal(day).code is BillErrors.BILL_DAMAGED
    assert day.differences() == {f"{MCHID}:{DAY}:{kind}": "bill damaged"}
    assert day.mark("payments", "p1") is None
    assert day.check.check_due_day(DAY) == "bill damaged"
    day.bills.days[kind, DAY] = whole
    day.check.check_day(DAY)
    assert set(day.differences()) == {"p1", "p2"}


def test_the_timer_checks_each_day_once_from_ten_o_clock_on(day: Day) -> None:
    day.clock.advance(minutes=-1)
    assert day.check.due_days() == ["2026-02-28"]  # Yesterday's bill isn't ready yet.
    day.clock.advance(minutes=1)
    assert day.check.due_days() == [DAY]
    assert [day.check.check_due_day(one) for one in day.check.due_days()] == ["checked"]
    assert day.check.due_days() == []
    day.clock.advance(days=3)
    assert day.check.due_days() == ["2026-03-02", "2026-03-03", "2026-03-04"]
    day.check.check_day("2026-03-04")
    assert day.check.due_days() == ["2026-03-02", "2026-03-03"]
    day.clock.advance(days=30)
    assert day.check.due_days() == [f"2026-03-{number}" for number in range(28, 32)] + [
        "2026-04-01", "2026-04-02", "2026-04-03",
    ]  # fmt: skip


@pytest.fixture
def listened(mongod: Mongod, database: Database) -> Iterator[tuple[Database, Commands]]:
    """The test's database, opened by a client whose commands are counted."""
    with watched(mongod.uri, database.name) as opened:
        yield opened


def test_twenty_thousand_rows_take_a_bounded_number_of_commands(
    listened: tuple[Database, Commands], clock: FakeClock
) -> None:
    database, commands = listened
    day = Day(database, clock)
    pages, rows = 40, []
    payments: list[Document] = []
    for number in range(20_000):
        rows.append(paid(f"p{number}", 1_500))
        payments.append(
            Payment.model_validate(
                {
                    "_id": f"p{number}", "order_id": f"o{number}", "member_id": "m", "attempt": 1,
                    "amount_fen": 1_500, "sharing": {"fee_bp": 60}, "status": "success",
                    "expires_at": NOON, "created_at": NOON, "success_at": NOON,
                }
            ).document()
        )  # fmt: skip
    database.collection("payments").insert_many(payments)
    day.bills.days["trade", DAY] = trade_bill(rows)
    day.bills.days["fundflow", DAY] = flow_of(rows)
    commands.names.clear()
    report = day.check.check_day(DAY)
    assert (report.rows, report.found) == (20_000, 0)
    assert commands.names.count("find") <= 2 * pages + 10
    assert commands.names.count("update") <= 2 * pages + 10  # Marks and clearing, once a page each.
    assert len(commands.names) <= 4 * pages + 40
    commands.names.clear()
    day.check.check_day(DAY)
    assert commands.names.count("update") <= pages + 10  # Nothing is marked twice.


def test_twenty_thousand_unknown_rows_take_a_bounded_number_of_commands(
    listened: tuple[Database, Commands], clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    database, commands = listened
    day = Day(database, clock)
    rows = [paid(f"p{number}", 1_500) for number in range(20_000)]
    day.bills.put(DAY, rows)
    commands.names.clear()
    report = day.check.check_day(DAY)
    assert (report.open, len(report.differences)) == (20_000, 50)
    assert len(commands.names) <= 4 * 40 + 40
