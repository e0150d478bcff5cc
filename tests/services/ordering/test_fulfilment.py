"""From paid to eaten: each step from where it may begin, by itself in time, WeChat told once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.members.messaging.models import MessageRules, PickupCard
from huitou.ordering.fulfilment.errors import FulfilmentErrors
from huitou.ordering.fulfilment.service import Fulfilment
from huitou.ordering.orders.models import InvoiceRequest, Order, Status
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from localcloud.keys import LocalSecrets
from paying import PayingShop

LIFE: tuple[Status, ...] = ("accepted", "preparing", "ready", "picked_up", "completed")


class Kitchen(Shop):
    """A shop and its staff."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__(database, clock)
        self.fulfilment = Fulfilment(database, clock, "huitou")

    def served(self, order: Order, *steps: Status) -> Order:
        for step in steps:
            self.fulfilment.take(order.id, step, "cook-1")
        return self.orders.get(order.id)


@pytest.fixture
def kitchen(chain: Database, clock: FakeClock) -> Kitchen:
    return Kitchen(chain, clock)


def test_an_order_goes_its_way_and_its_time_line_tells_who_and_when(kitchen: Kitchen) -> None:
    order = kitchen.served(kitchen.paid(kitchen.register()), *LIFE)
    assert [moment.status for moment in order.timeline] == ["created", "paid", *LIFE]
    assert {moment.actor for moment in order.timeline[2:]} == {"cook-1"}
    assert order.completed_at == kitchen.clock.now()


def test_no_step_is_skipped_and_the_same_one_again_changes_nothing(kitchen: Kitchen) -> None:
    order = kitchen.paid(kitchen.register())
    for wrong in ("preparing", "ready", "delivering", "picked_up"):
        with pytest.raises(Refusal) as refused:
            kitchen.served(order, wrong)
        assert (refused.value.code, refused.value.detail) == (
            FulfilmentErrors.ORDER_NOT_AT_THIS_STEP,
            "paid",
        )
    twice = kitchen.served(order, "accepted", "accepted")
    assert [moment.status for moment in twice.timeline] == ["created", "paid", "accepted"]


def test_of_two_cooks_one_takes_the_step(kitchen: Kitchen) -> None:
    order = kitchen.served(kitchen.paid(kitchen.register()), "accepted")
    found = at_once([lambda: kitchen.orders.serve(order, "preparing", "ann")] * 4)
    assert sorted(found) == [False, False, False, True]


def test_a_refund_and_a_step_have_one_winner(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    for number in range(5):
        order = kitchen.served(kitchen.paid(alice), "accepted", "preparing")
        at_once([
            lambda o=order: kitchen.served(o, "ready"),
            lambda o=order, n=number: kitchen.refund(o, f"R0000{n}"),
        ])  # fmt: skip
        words = [m.status for m in kitchen.orders.get(order.id).timeline]
        assert words[-2:] == ["refunding", "refunded"]
        assert "ready" not in words[words.index("refunding") :]


def test_an_order_completes_two_hours_after_it_was_ready(kitchen: Kitchen) -> None:
    order = kitchen.served(kitchen.paid(kitchen.register()), "accepted", "preparing", "ready")
    kitchen.clock.advance(hours=1, minutes=59)
    assert list(kitchen.fulfilment.to_complete()) == []
    kitchen.clock.advance(minutes=2)
    assert [kitchen.fulfilment.complete(o) for o in kitchen.fulfilment.to_complete()] == [
        "completed"
    ]
    assert kitchen.orders.get(order.id).status == "completed"
    assert list(kitchen.fulfilment.to_complete()) == []


def test_at_the_days_cut_every_order_is_over(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    orders = [kitchen.paid(alice), kitchen.served(kitchen.paid(alice), "accepted")]
    kitchen.clock.moment = kitchen.clock.moment.replace(hour=19, minute=30)  # 03:30
    late = kitchen.served(kitchen.paid(alice), "accepted", "preparing", "ready")
    assert list(kitchen.fulfilment.to_complete()) == []
    kitchen.clock.advance(minutes=31)  # 04:01, the next business day
    due = set(kitchen.fulfilment.to_complete())
    assert due == {order.id for order in [*orders, late]}


def test_a_delivery_is_on_its_way_before_it_is_there(kitchen: Kitchen) -> None:
    where = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}
    alice = kitchen.register()
    with pytest.raises(Refusal) as refused:
        kitchen.order(alice, mode="delivery")
    assert refused.value.field == "delivery"
    order = kitchen.paid(alice, mode="delivery", delivery=where)
    ready = kitchen.served(order, "accepted", "preparing", "ready")
    with pytest.raises(Refusal):
        kitchen.served(ready, "picked_up")
    assert kitchen.served(ready, "delivering", "picked_up").status == "picked_up"


def test_a_booking_belongs_to_the_day_it_is_wanted_for(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    tomorrow = kitchen.clock.now() + timedelta(days=1)
    for wrong in (None, kitchen.clock.now() - timedelta(minutes=1), tomorrow + timedelta(days=7)):
        with pytest.raises(Refusal) as refused:
            kitchen.order(alice, mode="booking", pickup_at=wrong)
        assert refused.value.field == "pickup_at"
    order = kitchen.order(alice, mode="booking", pickup_at=tomorrow)
    number = kitchen.orders.take_number(order)
    assert number == 1
    assert kitchen.orders.take_number(kitchen.order(alice)) == 1  # Today's first one.
    kitchen.pay(order)
    kitchen.clock.advance(hours=17)  # Past today's cut, before tomorrow's.
    assert list(kitchen.fulfilment.to_complete()) == []


def test_numbers_of_a_busy_counter_are_never_called_twice(kitchen: Kitchen) -> None:
    order = kitchen.order(kitchen.register())
    numbers = at_once([lambda: kitchen.orders.take_number(order)] * 12)
    assert sorted(numbers) == list(range(1, 13))


def test_an_invoice_is_asked_for_once_and_only_of_a_paid_order(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    order = kitchen.order(alice)
    asked = [
        InvoiceRequest.model_validate({"order_id": order.id, "title": title, "tax_number": None})
        for title in ("甲公司", "乙公司")
    ]
    with pytest.raises(Refusal):
        kitchen.fulfilment.ask_invoice(alice, asked[0])
    kitchen.pay(order)
    found = at_once([lambda a=a: kitchen.fulfilment.ask_invoice(alice, a) for a in asked])
    assert len({answer.invoice.title for answer in winners(found)}) == 1
    with pytest.raises(Refusal) as refused:
        kitchen.fulfilment.ask_invoice(kitchen.register("mallory"), asked[0])
    assert refused.value.code is Code.NOT_FOUND


class Managed:
    """WeChat's trade management as a test wants it."""

    def __init__(self, *errors: int, managed: bool = True) -> None:
        self._errors, self._managed = list(errors), managed
        self.told: list[dict[str, Any]] = []

    def is_trade_managed(self) -> bool:
        return self._managed

    def upload_shipping_info(self, info: dict[str, Any]) -> int:
        self.told.append(info)
        return self._errors.pop(0)


@pytest.mark.parametrize(
    ("wechat", "outcome", "kept"),
    [
        (Managed(0), "told", "done"),
        (Managed(10060002), "told", "done"),
        (Managed(268485216), "refused", "failed"),
        (Managed(managed=False), "not needed", "not_needed"),
    ],
)
def test_wechat_is_told_of_what_was_handed_over(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path, wechat: Managed,
    outcome: str, kept: str,
) -> None:  # fmt: skip
    shop = PayingShop(chain, clock, keys, tmp_path)
    order = shop.bought(shop.register())
    assert list(shop.shipping.to_ship()) == []
    for step in ("accepted", "preparing", "ready"):
        shop.fulfilment.take(order.id, step, "cook")
    assert list(shop.shipping.to_ship()) == [order.id]
    assert shop.shipping.ship(order.id, wechat, shop.keys.appid) == outcome
    assert shop.orders.get(order.id).shipping == kept
    assert list(shop.shipping.to_ship()) == []
    for info in wechat.told:
        assert info["payer"] == {"openid": "alice"}
        assert info["order_key"]["transaction_id"] == order.tenders[0].transaction_id


def test_a_payment_that_wechat_does_not_know_yet_is_told_again(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    shop = PayingShop(chain, clock, keys, tmp_path)
    order = shop.bought(shop.register())
    shop.fulfilment.take(order.id, "completed", "cook")
    with pytest.raises(Unavailable):
        shop.shipping.ship(order.id, Managed(10060001), shop.keys.appid)
    assert list(shop.shipping.to_ship()) == [order.id]


class Cards:
    """The cards WeChat shows, as a test wants it to answer."""

    def __init__(self, *errors: int) -> None:
        self._errors = list(errors)
        self.shown: list[dict[str, Any]] = []

    def show_card(
        self, openid: str, code: str, content: dict[str, Any], check: dict[str, int]
    ) -> int:
        self.shown.append({"openid": openid, "code": code, **content, **check})
        return self._errors.pop(0) if self._errors else 0


CARD = {
    "page": "pages/order/index?id={order_id}", "dish_image": "https://img.example.cn/dish.png",
    "states": {"paid": 1, "preparing": 2, "ready": 3},
    "wait_from_minutes": 5, "wait_to_minutes": 8,
}  # fmt: skip


@pytest.fixture
def carded(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    rules = MessageRules.model_validate({"_id": "messages", "revision": 2, "pickup_card": CARD})
    chain.collection("rules").replace_one({"_id": "messages"}, rules.document())
    return PayingShop(chain, clock, keys, tmp_path)


def test_the_guests_card_follows_the_order(carded: PayingShop) -> None:
    order, wechat = carded.bought(carded.register()), Cards()
    show = partial(carded.shipping.show_card, order.id, wechat, carded.keys.appid)
    assert list(carded.shipping.cards_due()) == [order.id]
    assert [show(), show()] == ["shown", "shown before"]
    for step in ("accepted", "preparing", "ready", "picked_up"):
        carded.fulfilment.take(order.id, step, "cook")
        show()
    paid, preparing, ready = wechat.shown
    assert [card["cur_status"] for card in wechat.shown] == [1, 2, 3]
    assert paid["code"] == order.tenders[0].transaction_id
    assert (paid["openid"], paid["pay_amount"]) == ("alice", order.payable_fen)
    assert paid["wxa_path_query"] == f"pages/order/index?id={order.id}"
    assert "queue_number" not in paid
    assert (preparing["queue_number"], preparing["max_wait_time"]) == ("001", 480)
    assert (ready["queue_number"], "max_wait_time" in ready) == ("001", False)
    assert list(carded.shipping.cards_due()) == []


def test_a_card_told_of_late_shows_how_the_order_stands_now(carded: PayingShop) -> None:
    order, wechat = carded.bought(carded.register()), Cards(85437, -1)
    show = partial(carded.shipping.show_card, order.id, wechat, carded.keys.appid)
    for _ in range(2):  # The payment's number isn't known yet; WeChat is busy.
        with pytest.raises(Unavailable):
            show()
    for step in ("accepted", "preparing"):
        carded.fulfilment.take(order.id, step, "cook")
    assert show() == "shown"
    assert wechat.shown[-1]["cur_status"] == 2


def test_an_order_that_moved_on_while_its_card_was_told_is_told_again(carded: PayingShop) -> None:
    order = carded.bought(carded.register())

    class Slow(Cards):
        def show_card(self, *told: Any) -> int:
            if not self.shown:
                carded.fulfilment.take(order.id, "accepted", "cook")
                carded.fulfilment.take(order.id, "preparing", "cook")
            return super().show_card(*told)

    wechat = Slow()
    for _ in range(2):
        carded.shipping.show_card(order.id, wechat, carded.keys.appid)
    assert [card["cur_status"] for card in wechat.shown] == [1, 2]


def test_a_card_that_wechat_refuses_is_left_alone(carded: PayingShop) -> None:
    order, wechat = carded.bought(carded.register()), Cards(40003)
    show = partial(carded.shipping.show_card, order.id, wechat, carded.keys.appid)
    assert show() == "refused"
    carded.fulfilment.take(order.id, "accepted", "cook")
    assert (show(), len(wechat.shown)) == ("shown before", 1)


def test_a_code_that_never_becomes_known_is_given_up(carded: PayingShop) -> None:
    order, wechat = carded.bought(carded.register()), Cards(85437)
    carded.clock.advance(minutes=11)
    assert carded.shipping.show_card(order.id, wechat, carded.keys.appid) == "refused"


def test_a_chain_without_cards_has_none_due(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    chain.collection("rules").delete_one({"_id": "messages"})
    shop = PayingShop(chain, clock, keys, tmp_path)
    shop.bought(shop.register())
    assert list(shop.shipping.cards_due()) == []


@pytest.mark.parametrize(
    "wrong", [{"states": {"ready": 3}}, {"wait_from_minutes": 9}, {"dish_image": "dish.png"}]
)
def test_a_card_that_can_not_be_shown_is_no_rule(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PickupCard.model_validate(CARD | wrong)


def test_what_happened_at_a_till_of_before_is_not_served_again(kitchen: Kitchen) -> None:
    order = kitchen.paid(kitchen.register())
    imported = {"$set": {"origin": "import"}}
    kitchen.database.collection("orders").update_one({"_id": order.id}, imported)
    with pytest.raises(Refusal):
        kitchen.fulfilment.take(order.id, "accepted", "cook")
