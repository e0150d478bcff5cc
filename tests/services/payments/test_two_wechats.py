"""After a merge a person pays an order by either WeChat, and never twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from at_once import at_once, winners
from chain_data import FakeClock
from huitou.ordering.orders.models import Order
from huitou.payments.charges.models import PrepayAnswer
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets, load_secrets
from merging import merged
from paying import PayingShop


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


class TwoWeChats(PayingShop):
    """One person who ordered as `old` and whose account was merged into that of `new`."""

    def ordered(self, number: int = 0) -> Order:
        """Order and prepay by the old WeChat, then merge the accounts."""
        self.old, self.new = f"old{number}", f"new{number}"
        before, self.person = self.register(self.old), self.register(self.new)
        order = self.order(before)
        self.first = self.prepaid(before, order, self.old)
        merged(self.database, self.clock, before, self.person, f"merge-{number:06}")
        return order

    def prepay(self, order: Order, name: str) -> PrepayAnswer:
        return self.payments.prepay_order(self.person, Caller(name, self.keys.appid), order.id)

    def try_to_prepay(self, order: Order, name: str) -> PrepayAnswer | None:
        """Return None where the caller must try again, since the other WeChat came between."""
        try:
            return self.prepay(order, name)
        except Unavailable:
            return None

    def pays(self, name: str, sheet: dict[str, str]) -> bool:
        """Confirm on a phone; False if WeChat Pay doesn't let it."""
        try:
            self.wechat.pay(name, sheet)
        except Exception:  # The stand-in refuses as the phone does.
            return False
        return True

    def statuses(self, order: Order) -> list[str]:
        found = self.database.collection("payments").find({"order_id": order.id})
        return sorted(attempt["status"] for attempt in found)


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> TwoWeChats:
    return TwoWeChats(chain, clock, keys, tmp_path)


@pytest.mark.parametrize("is_old_attempt", [False, True])
def test_the_other_wechat_pays_and_the_first_ones_attempt_is_closed(
    shop: TwoWeChats, is_old_attempt: bool
) -> None:
    order = shop.ordered()
    if is_old_attempt:  # The version before didn't store who opened it.
        shop.database.collection("payments").update_many(
            {"order_id": order.id}, {"$unset": {"payer": ""}}
        )
    sheet = shop.prepay(order, shop.new).payment
    assert sheet
    assert shop.prepay(order, shop.new).payment  # Repeated: the same attempt.
    assert not shop.pays(shop.old, shop.first)
    assert shop.pays(shop.new, sheet.model_dump())
    assert shop.let_happen() == ["paid"]
    assert shop.statuses(order) == ["closed", "success"]
    assert shop.orders.get_order(order.id).status == "paid"
    shop.timers()
    shop.everything_agrees()


def test_the_other_wechat_is_told_that_the_first_one_has_paid(shop: TwoWeChats) -> None:
    order = shop.ordered()
    assert shop.pays(shop.old, shop.first)
    answer = shop.prepay(order, shop.new)  # Before the notice came.
    assert (answer.status, answer.payment) == ("paid", None)
    shop.let_happen()
    assert shop.statuses(order) == ["success"]
    shop.everything_agrees()


def test_if_both_wechats_prepay_and_pay_at_once_the_money_comes_once(shop: TwoWeChats) -> None:
    for number in range(4):
        order = shop.ordered(number)
        names = [shop.old, shop.new] * 2
        answers = at_once([partial(shop.try_to_prepay, order, name) for name in names])
        sheets = [(shop.old, shop.first)] + [
            (name, answer.payment.model_dump())
            for name, answer in zip(names, answers, strict=True)
            if isinstance(answer, PrepayAnswer) and answer.payment
        ]
        paid = sum(winners(at_once([partial(shop.pays, *sheet) for sheet in sheets])))
        # Either may have to begin again, but nobody is asked for the money twice.
        assert paid <= 1
        shop.let_happen()
        if not paid:
            last = shop.prepay(order, shop.new).payment
            assert last
            assert shop.pays(shop.new, last.model_dump())
            shop.let_happen()
        assert shop.orders.get_order(order.id).status == "paid"
        assert shop.statuses(order).count("success") == 1
        assert "surplus" not in shop.statuses(order)
    shop.timers()
    shop.everything_agrees()
