"""Checking days of a chain against the bills that WeChat Pay's stand-in writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain_data import FakeClock, item
from huitou.payments.bill_check.errors import BillErrors
from huitou.payments.bill_check.service import BillCheck
from huitou.payments.discrepancies.models import DiscrepanciesRequest
from huitou.payments.discrepancies.service import Discrepancies
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from localcloud.keys import LocalSecrets, load_secrets
from paying import PayingShop

DAY = "2026-03-02"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


class Chain(PayingShop):
    """A paying chain and its daily check."""

    @property
    def check(self) -> BillCheck:
        return BillCheck(self.database, self.clock, self.gateway)

    def trade(self) -> None:
        """Sell four orders at noon; refund one completely and one in two parts."""
        alice = self.register()
        orders = [self.bought(alice, items=[item(number)]) for number in (1, 2, 3, 4)]
        self.give_back(orders[0].id, "whole1")
        self.give_back(orders[1].id, "part01", amount_fen=1_234)
        self.timers(rounds=3)
        self.give_back(orders[1].id, "part02", amount_fen=777)
        self.timers(rounds=4)

    def until_ten(self) -> None:
        """Move the clock to 10:00 of the next morning."""
        self.clock.moment = self.clock.moment.replace(hour=2, minute=0, second=0)
        self.clock.advance(days=1)

    def open(self) -> dict[str, str]:
        listed = Discrepancies(self.database, self.clock).list_discrepancies(
            DiscrepanciesRequest(limit=50)
        )
        return {one.reference: one.kind for one in listed.discrepancies}


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> Chain:
    return Chain(chain, clock, keys, tmp_path)


@pytest.mark.slow
def test_a_day_of_orders_and_refunds_agrees_with_its_bill_to_the_fen(shop: Chain) -> None:
    shop.trade()
    shop.until_ten()
    report = shop.check.check_day(DAY)
    assert report.differences == []
    assert (report.payments, report.refunds, report.fund_flow) == (4, 3, "agrees")
    books = shop.wechat.books()
    assert (report.taken_fen, report.given_back_fen) == (books["taken_fen"], books["refunded_fen"])
    assert report.fees_fen == books["fees_fen"]
    for name in ("payments", "refunds"):
        assert {d["bill"]["day"] for d in shop.database.collection(name).find({})} == {DAY}


@pytest.mark.slow
def test_the_planted_differences_are_found_and_no_others(shop: Chain) -> None:
    shop.trade()
    planted = {
        shop.wechat.plant("unknown_payment", DAY)["number"]: "payment unknown to us",
        shop.wechat.plant("amount", DAY)["number"]: "payment amount",
        shop.wechat.plant("lost_refund", DAY)["number"]: "refund missing in bill",
    }
    ours = sorted(payment["_id"] for payment in shop.database.collection("payments").find({}))
    other = next(number for number in ours if number not in planted)
    planted[shop.wechat.plant("fee", DAY, other)["number"]] = "fee"
    shop.until_ten()
    report = shop.check.check_day(DAY)
    assert report.fund_flow == "differs"  # Only the trade bill has planted errors.
    flow = {f"{shop.keys.mchid}:{DAY}:{name}" for name in ("taken", "fees", "given back")}
    assert {
        reference: kind for reference, kind in shop.open().items() if reference not in flow
    } == (planted)


def test_a_row_that_disappears_from_a_checked_bill_is_missing(shop: Chain) -> None:
    shop.trade()
    shop.until_ten()
    assert shop.check.check_day(DAY).differences == []
    lost = shop.wechat.plant("lost_refund", DAY)["number"]
    for found in (2, 2, 2):  # The row and the fund flow; each check finds the same.
        assert shop.check.check_day(DAY).found == found
        assert shop.open()[lost] == "refund missing in bill"
    shop.database.collection("payments").update_one(
        {"_id": "ghost"},
        {
            "$set": {
                "order_id": "o",
                "member_id": "m",
                "attempt": 1,
                "amount_fen": 5,
                "schema": 1,
                "status": "success",
                "success_at": shop.clock.now(),
                "bill": {"day": DAY, "fee_fen": 0},
                "created_at": shop.clock.now(),
                "expires_at": shop.clock.now(),
            }
        },
        upsert=True,
    )
    shop.check.check_day(DAY)
    assert shop.open()["ghost"] == "payment missing in bill"


def test_a_bill_is_not_ready_before_ten(shop: Chain) -> None:
    shop.trade()
    shop.until_ten()
    shop.clock.advance(minutes=-1)
    with pytest.raises(Refusal) as refused:
        shop.check.check_day(DAY)
    assert refused.value.code is BillErrors.BILL_NOT_READY
    shop.clock.advance(minutes=1)
    shop.wechat.mode.set({"fail_next": ["STATEMENT_CREATING"]})
    with pytest.raises(Refusal) as refused:
        shop.check.check_day(DAY)
    assert (refused.value.code, refused.value.detail) == (
        BillErrors.BILL_NOT_READY,
        "2026-03-03 10:30",
    )
    assert shop.check.check_due_day(DAY) == "checked"


def test_a_refund_in_the_next_days_bill_and_a_day_without_trade(shop: Chain) -> None:
    alice = shop.register()
    order = shop.bought(alice)
    shop.until_ten()
    assert shop.check.check_day(DAY).differences == []
    shop.give_back(order.id)
    shop.timers(rounds=2)
    shop.until_ten()
    report = shop.check.check_day("2026-03-03")
    assert (report.payments, report.refunds, report.differences) == (0, 1, [])
    assert report.kept_fen == -order.payable_fen - report.fees_fen
    shop.until_ten()
    assert (shop.check.check_day("2026-03-04").rows, shop.open()) == (0, {})


def test_stores_with_their_own_merchants_are_in_their_providers_bill(
    shop: Chain,
) -> None:
    shop.database.collection("stores").update_one(
        {"_id": "jingan"}, {"$set": {"sub_mchid": "1900000777"}}
    )
    shop.forget()
    alice = shop.register()
    order = shop.bought(alice)
    shop.give_back(order.id, "part01", amount_fen=500)
    shop.timers(rounds=2)
    shop.until_ten()
    report = shop.check.check_day(DAY)
    assert (report.payments, report.refunds, report.differences) == (1, 1, [])
