"""The steps of a paid order: their order, their timers, and the updates to WeChat."""

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
    """A shop whose staff take orders' steps."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__(database, clock)
        self.fulfilment = Fulfilment(database, clock, "huitou")

    def take_steps(self, order: Order, *steps: Status) -> Order:
        for step in steps:
            self.fulfilment.take_step(order.id, step, "cook-1")
        return self.orders.get_order(order.id)


@pytest.fixture
def kitchen(chain: Database, clock: FakeClock) -> Kitchen:
    return Kitchen(chain, clock)


def test_the_time_line_of_an_order_tells_who_took_each_step(kitchen: Kitchen) -> None:
    order = kitchen.take_steps(kitchen.paid(kitchen.register()), *LIFE)
    assert [moment.status for moment in order.timeline] == ["created", "paid", *LIFE]
    assert {moment.actor for moment in order.timeline[2:]} == {"cook-1"}
    assert order.completed_at == kitchen.clock.now()


def test_no_step_can_be_skipped_and_repeating_a_step_changes_nothing(kitchen: Kitchen) -> None:
    order = kitchen.paid(kitchen.register())
    for wrong in ("preparing", "ready", "delivering", "picked_up"):
        with pytest.raises(Refusal) as refused:
            kitchen.take_steps(order, wrong)
        assert (refused.value.code, refused.value.detail) == (
            FulfilmentErrors.ORDER_NOT_AT_THIS_STEP,
            "paid",
        )
    twice = kitchen.take_steps(order, "accepted", "accepted")
    assert [moment.status for moment in twice.timeline] == ["created", "paid", "accepted"]


def test_if_several_cooks_take_a_step_at_once_one_succeeds(kitchen: Kitchen) -> None:
    order = kitchen.take_steps(kitchen.paid(kitchen.register()), "accepted")
    found = at_once([lambda: kitchen.orders.move_paid_order(order, "preparing", "ann")] * 4)
    assert sorted(found) == [False, False, False, True]


def test_an_order_takes_no_step_after_a_refund_began(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    for number in range(5):
        order = kitchen.take_steps(kitchen.paid(alice), "accepted", "preparing")
        at_once(
            [
                lambda o=order: kitchen.take_steps(o, "ready"),
                lambda o=order, n=number: kitchen.refund(o, f"R0000{n}"),
            ]
        )
        words = [m.status for m in kitchen.orders.get_order(order.id).timeline]
        assert words[-2:] == ["refunding", "refunded"]
        assert "ready" not in words[words.index("refunding") :]


def test_an_order_completes_two_hours_after_it_was_ready(kitchen: Kitchen) -> None:
    order = kitchen.take_steps(kitchen.paid(kitchen.register()), "accepted", "preparing", "ready")
    kitchen.clock.advance(hours=1, minutes=59)
    assert list(kitchen.fulfilment.orders_to_complete()) == []
    kitchen.clock.advance(minutes=2)
    assert [
        kitchen.fulfilment.complete_order(o) for o in kitchen.fulfilment.orders_to_complete()
    ] == ["completed"]
    assert kitchen.orders.get_order(order.id).status == "completed"
    assert list(kitchen.fulfilment.orders_to_complete()) == []


def test_at_the_end_of_the_business_day_every_order_is_due_to_complete(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    orders = [kitchen.paid(alice), kitchen.take_steps(kitchen.paid(alice), "accepted")]
    kitchen.clock.moment = kitchen.clock.moment.replace(hour=19, minute=30)  # 03:30
    late = kitchen.take_steps(kitchen.paid(alice), "accepted", "preparing", "ready")
    assert list(kitchen.fulfilment.orders_to_complete()) == []
    kitchen.clock.advance(minutes=31)  # 04:01, the next business day
    due = set(kitchen.fulfilment.orders_to_complete())
    assert due == {order.id for order in [*orders, late]}


def test_a_delivery_must_be_on_its_way_before_it_is_picked_up(kitchen: Kitchen) -> None:
    where = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}
    alice = kitchen.register()
    with pytest.raises(Refusal) as refused:
        kitchen.order(alice, mode="delivery")
    assert refused.value.field == "delivery"
    order = kitchen.paid(alice, mode="delivery", delivery=where)
    ready = kitchen.take_steps(order, "accepted", "preparing", "ready")
    with pytest.raises(Refusal):
        kitchen.take_steps(ready, "picked_up")
    assert kitchen.take_steps(ready, "delivering", "picked_up").status == "picked_up"


def test_a_booking_belongs_to_the_day_of_its_pickup(kitchen: Kitchen) -> None:
    alice = kitchen.register()
    tomorrow = kitchen.clock.now() + timedelta(days=1)
    for wrong in (None, kitchen.clock.now() - timedelta(minutes=1), tomorrow + timedelta(days=7)):
        with pytest.raises(Refusal) as refused:
            kitchen.order(alice, mode="booking", pickup_at=wrong)
        assert refused.value.field == "pickup_at"
    order = kitchen.order(alice, mode="booking", pickup_at=tomorrow)
    number = kitchen.orders.take_pickup_number(order)
    assert number == 1
    assert (
        kitchen.orders.take_pickup_number(kitchen.order(alice)) == 1
    )  # The first number of today.
    kitchen.pay(order)
    kitchen.clock.advance(hours=17)  # After the end of today's business day, before tomorrow's.
    assert list(kitchen.fulfilment.orders_to_complete()) == []


def test_a_busy_counter_never_gives_a_pickup_number_twice(kitchen: Kitchen) -> None:
    order = kitchen.order(kitchen.register())
    numbers = at_once([lambda: kitchen.orders.take_pickup_number(order)] * 12)
    assert sorted(numbers) == list(range(1, 13))


def test_an_invoice_can_be_requested_once_and_only_for_a_paid_order(kitchen: Kitchen) -> None:
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


class FakeTradeManagement:
    """Answers like WeChat's trade management, with the error codes of a test."""

    def __init__(self, *errors: int, managed: bool = True) -> None:
        self._errors, self._managed = list(errors), managed
        self.sent: list[dict[str, Any]] = []

    def is_trade_managed(self) -> bool:
        return self._managed

    def upload_shipping_info(self, info: dict[str, Any]) -> int:
        self.sent.append(info)
        return self._errors.pop(0)


@pytest.mark.parametrize(
    ("wechat", "outcome", "kept"),
    [
        (FakeTradeManagement(0), "told", "done"),
        (FakeTradeManagement(10060002), "told", "done"),
        (FakeTradeManagement(268485216), "refused", "failed"),
        (FakeTradeManagement(managed=False), "not needed", "not_needed"),
    ],
)
def test_wechat_is_told_once_that_an_order_was_handed_over(
    chain: Database,
    clock: FakeClock,
    keys: LocalSecrets,
    tmp_path: Path,
    wechat: FakeTradeManagement,
    outcome: str,
    kept: str,
) -> None:
    shop = PayingShop(chain, clock, keys, tmp_path)
    order = shop.bought(shop.register())
    assert list(shop.shipping.orders_to_ship()) == []
    for step in ("accepted", "preparing", "ready"):
        shop.fulfilment.take_step(order.id, step, "cook")
    assert list(shop.shipping.orders_to_ship()) == [order.id]
    assert shop.shipping.report_handover(order.id, wechat, shop.keys.appid) == outcome
    assert shop.orders.get_order(order.id).shipping == kept
    assert list(shop.shipping.orders_to_ship()) == []
    for info in wechat.sent:
        assert info["payer"] == {"openid": "alice"}
        assert info["order_key"]["transaction_id"] == order.tenders[0].transaction_id


def test_an_order_whose_payment_wechat_does_not_know_yet_stays_due(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    shop = PayingShop(chain, clock, keys, tmp_path)
    order = shop.bought(shop.register())
    shop.fulfilment.take_step(order.id, "completed", "cook")
    with pytest.raises(Unavailable):
        shop.shipping.report_handover(order.id, FakeTradeManagement(10060001), shop.keys.appid)
    assert list(shop.shipping.orders_to_ship()) == [order.id]


class FakeCards:
    """Answers like WeChat's interface for cards, with the error codes of a test."""

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
def card_shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    rules = MessageRules.model_validate({"_id": "messages", "revision": 2, "pickup_card": CARD})
    chain.collection("rules").replace_one({"_id": "messages"}, rules.document())
    return PayingShop(chain, clock, keys, tmp_path)


def test_the_guests_card_follows_the_order(card_shop: PayingShop) -> None:
    order, wechat = card_shop.bought(card_shop.register()), FakeCards()
    show = partial(card_shop.shipping.show_card, order.id, wechat, card_shop.keys.appid)
    assert list(card_shop.shipping.due_cards()) == [order.id]
    assert [show(), show()] == ["shown", "shown before"]
    for step in ("accepted", "preparing", "ready", "picked_up"):
        card_shop.fulfilment.take_step(order.id, step, "cook")
        show()
    paid, preparing, ready = wechat.shown
    assert [card["cur_status"] for card in wechat.shown] == [1, 2, 3]
    assert paid["code"] == order.tenders[0].transaction_id
    assert (paid["openid"], paid["pay_amount"]) == ("alice", order.payable_fen)
    assert paid["wxa_path_query"] == f"pages/order/index?id={order.id}"
    assert "queue_number" not in paid
    assert (preparing["queue_number"], preparing["max_wait_time"]) == ("001", 480)
    assert (ready["queue_number"], "max_wait_time" in ready) == ("001", False)
    assert list(card_shop.shipping.due_cards()) == []


def test_a_late_card_update_shows_the_present_state_of_the_order(card_shop: PayingShop) -> None:
    order, wechat = card_shop.bought(card_shop.register()), FakeCards(85437, -1)
    show = partial(card_shop.shipping.show_card, order.id, wechat, card_shop.keys.appid)
    for _ in range(2):  # First WeChat doesn't know the payment yet, then it is busy.
        with pytest.raises(Unavailable):
            show()
    for step in ("accepted", "preparing"):
        card_shop.fulfilment.take_step(order.id, step, "cook")
    assert show() == "shown"
    assert wechat.shown[-1]["cur_status"] == 2


def test_an_order_that_changes_during_its_card_update_is_sent_again(card_shop: PayingShop) -> None:
    order = card_shop.bought(card_shop.register())

    class Slow(FakeCards):
        def show_card(self, *sent: Any) -> int:
            if not self.shown:
                card_shop.fulfilment.take_step(order.id, "accepted", "cook")
                card_shop.fulfilment.take_step(order.id, "preparing", "cook")
            return super().show_card(*sent)

    wechat = Slow()
    for _ in range(2):
        card_shop.shipping.show_card(order.id, wechat, card_shop.keys.appid)
    assert [card["cur_status"] for card in wechat.shown] == [1, 2]


def test_a_card_that_wechat_refused_is_not_sent_again(card_shop: PayingShop) -> None:
    order, wechat = card_shop.bought(card_shop.register()), FakeCards(40003)
    show = partial(card_shop.shipping.show_card, order.id, wechat, card_shop.keys.appid)
    assert show() == "refused"
    card_shop.fulfilment.take_step(order.id, "accepted", "cook")
    assert (show(), len(wechat.shown)) == ("shown before", 1)


def test_a_card_whose_payment_stays_unknown_to_wechat_is_given_up(card_shop: PayingShop) -> None:
    order, wechat = card_shop.bought(card_shop.register()), FakeCards(85437)
    card_shop.clock.advance(minutes=11)
    assert card_shop.shipping.show_card(order.id, wechat, card_shop.keys.appid) == "refused"


def test_without_a_card_rule_no_card_update_is_due(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    chain.collection("rules").delete_one({"_id": "messages"})
    shop = PayingShop(chain, clock, keys, tmp_path)
    shop.bought(shop.register())
    assert list(shop.shipping.due_cards()) == []


@pytest.mark.parametrize(
    "wrong", [{"states": {"ready": 3}}, {"wait_from_minutes": 9}, {"dish_image": "dish.png"}]
)
def test_a_card_rule_that_wechat_could_not_show_is_invalid(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PickupCard.model_validate(CARD | wrong)


def test_an_imported_order_takes_no_steps(kitchen: Kitchen) -> None:
    order = kitchen.paid(kitchen.register())
    imported = {"$set": {"origin": "import"}}
    kitchen.database.collection("orders").update_one({"_id": order.id}, imported)
    with pytest.raises(Refusal):
        kitchen.fulfilment.take_step(order.id, "accepted", "cook")
