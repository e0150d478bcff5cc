"""Payments in the whole cloud with repeated, forged, lost and late notices, and refunds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from cloud_guest import HTTP, Guest, clean, eventually
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow


@pytest.fixture
def guest(client: LocalCloudClient) -> Guest:
    return Guest(client)


def notify(client: LocalCloudClient, body: bytes, headers: dict[str, str]) -> int:
    url = f"{client.url}/pay/notify"
    return int(HTTP.request("POST", url, body=body, headers=headers).status)


def resource(cloud: LocalCloud, guest: Guest, order_id: str, **change: Any) -> dict[str, Any]:
    """Return the resource of a paid attempt as WeChat Pay writes it, for a forged notice."""
    paid = {
        "appid": cloud.keys.appid,
        "mchid": cloud.keys.mchid,
        "out_trade_no": f"{order_id}n1",
        "trade_state": "SUCCESS",
        "transaction_id": "42" + "0" * 26,
        "success_time": cloud.clock.now().isoformat(timespec="seconds"),
        "payer": {"openid": guest.openid},
        "amount": {"total": 1_500, "currency": "CNY"},
    }
    return paid | change


def test_the_same_callback_ten_times_at_once_pays_and_awards_once(
    cloud: LocalCloud, guest: Guest
) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    order_id = guest.buy(2)
    payment = cloud.wechat_pay.shown(cloud.wechat_pay.payment(f"{order_id}n1"))
    body = cloud.wechat_pay.notice("TRANSACTION.SUCCESS", "transaction", payment)
    with ThreadPoolExecutor(10) as pool:
        headers = [cloud.wechat_pay.signed_headers(body) for _ in range(10)]
        codes = list(pool.map(lambda h: notify(guest.client, body, h), headers))
    assert codes == [200] * 10
    eventually(lambda: guest.points() == 30)
    assert notify(guest.client, body, cloud.wechat_pay.signed_headers(body)) == 200
    clean(guest.client)
    assert guest.points() == 30


@pytest.mark.parametrize(
    ("change", "signed", "expected"),
    [
        ({}, {"Wechatpay-Signature": "AAAA"}, 401),
        ({}, {"Wechatpay-Serial": "PUB_KEY_ID_FORGED"}, 401),
        ({}, {"at": time.time() - 400}, 401),
        ({"amount": {"total": 1, "currency": "CNY"}}, {}, 400),
        ({"amount": {"total": 1_500, "currency": "USD"}}, {}, 400),
        ({"mchid": "1900000000"}, {}, 400),
        ({"appid": "wx0000000000000000"}, {}, 400),
        ({"payer": {"openid": "somebody-else"}}, {}, 400),
        ({"out_trade_no": "o-unknown-n1"}, {}, 400),
        ({"transaction_id": None}, {}, 400),
    ],
    ids=["unsigned", "other serial", "stale", "wrong amount", "other currency", "other merchant",
         "other app", "other payer", "unknown order", "no transaction"],
)  # fmt: skip
def test_a_forged_or_wrong_callback_is_refused_and_writes_nothing(
    cloud: LocalCloud, guest: Guest, change: dict[str, Any], signed: dict[str, Any], expected: int
) -> None:
    order_id = guest.order()
    guest.prepay(order_id)
    before = cloud.database.collection("orders").find_one({"_id": order_id})
    sealed = resource(cloud, guest, order_id, **change)
    body = cloud.wechat_pay.notice("TRANSACTION.SUCCESS", "transaction", sealed)
    headers = cloud.wechat_pay.signed_headers(body, signed.pop("at", None)) | signed
    assert notify(guest.client, body, headers) == expected
    assert cloud.database.collection("orders").find_one({"_id": order_id}) == before
    assert cloud.database.collection("payments").find_one({"_id": f"{order_id}n1"})["status"] == (  # type: ignore[index]
        "open"
    )


def test_a_lost_callback_is_found_by_asking(cloud: LocalCloud, guest: Guest) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    asked, timed = guest.buy(), guest.buy(2)
    assert guest.status(asked) == "paid"
    cloud.advance(cloud.clock.now().replace(microsecond=0) + timedelta(minutes=17))
    assert guest.status(timed) == "paid"
    eventually(lambda: guest.points() == 45)
    clean(guest.client)


def test_an_unpaid_order_is_closed_in_time_and_releases_coupon_and_points(
    cloud: LocalCloud, guest: Guest
) -> None:
    guest.buy(20)
    eventually(lambda: guest.points() == 300)
    order_id = guest.order(points=100)
    parameters = guest.prepay(order_id)
    assert guest.points() == 200
    cloud.advance(cloud.clock.now() + timedelta(minutes=17))
    eventually(lambda: guest.status(order_id) == "cancelled")
    assert guest.points() == 300
    late = guest.client.pay(guest.openid, parameters)
    assert late["code"] == "ORDER_CLOSED"
    clean(guest.client)


def test_while_wechat_pay_is_down_nothing_is_released(cloud: LocalCloud, guest: Guest) -> None:
    guest.buy(20)
    eventually(lambda: guest.points() == 300)
    order_id = guest.order(points=100)
    guest.prepay(order_id)
    cloud.set_wechat_pay_mode({"down": True})
    assert guest.call("pay", action="cancel", order_id=order_id)["error"]["code"] == "UNAVAILABLE"
    assert (guest.status(order_id), guest.points()) == ("closing", 200)
    cloud.set_wechat_pay_mode({"down": False})
    assert guest.ok("pay", action="cancel", order_id=order_id)["status"] == "cancelled"
    assert guest.points() == 300


def test_cancelling_an_order_that_was_just_paid_answers_paid(
    cloud: LocalCloud, guest: Guest
) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    order_id = guest.buy()
    assert guest.ok("pay", action="cancel", order_id=order_id)["status"] == "paid"


def test_money_for_a_cancelled_order_is_refunded(cloud: LocalCloud, guest: Guest) -> None:
    """WeChat Pay promises that this can't happen; if it does, the guest gets the money back."""
    order_id = guest.order()
    guest.prepay(order_id)
    guest.ok("pay", action="cancel", order_id=order_id)
    before = cloud.wechat_pay.books()["refunded_fen"]
    cloud.wechat_pay.force_paid(f"{order_id}n1")
    cloud.wechat_pay.notify_paid(f"{order_id}n1")
    payments = cloud.database.collection("payments")
    eventually(lambda: payments.find_one({"_id": f"{order_id}n1"})["status"] == "surplus")  # type: ignore[index]
    cloud.timers.fire_function("pay")
    eventually(lambda: cloud.wechat_pay.books()["refunded_fen"] == before + 1_500)
    assert guest.status(order_id) == "cancelled"
    refunds = cloud.database.collection("refunds")
    eventually(lambda: refunds.find_one({"_id": f"surplus@{order_id}n1"})["status"] == "success")  # type: ignore[index]
    clean(guest.client)


def test_if_two_payments_arrive_for_one_order_one_is_refunded(
    cloud: LocalCloud, guest: Guest
) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    order_id = guest.order()
    guest.prepay(order_id)
    # WeChat Pay closes the first attempt by itself; the member prepays again …
    cloud.wechat_pay.ledger.put_payment(
        cloud.wechat_pay.payment(f"{order_id}n1") | {"trade_state": "CLOSED"}
    )
    assert guest.status(order_id) == "paying"
    guest.prepay(order_id)
    # … and then both are paid, and both notices come at once.
    bodies = []
    for number in ("n1", "n2"):
        shown = cloud.wechat_pay.force_paid(order_id + number)
        bodies.append(cloud.wechat_pay.notice("TRANSACTION.SUCCESS", "transaction", shown))
    with ThreadPoolExecutor(4) as pool:
        codes = list(
            pool.map(
                lambda b: notify(guest.client, b, cloud.wechat_pay.signed_headers(b)), bodies * 2
            )
        )
    assert codes == [200] * 4
    payments = list(cloud.database.collection("payments").find({"order_id": order_id}))
    assert sorted(payment["status"] for payment in payments) == ["success", "surplus"]
    [surplus] = [p["_id"] for p in payments if p["status"] == "surplus"]
    cloud.set_wechat_pay_mode({"copies": 1})
    cloud.timers.fire_function("pay")
    refunds = cloud.database.collection("refunds")
    eventually(lambda: refunds.find_one({"_id": f"surplus@{surplus}"})["status"] == "success")  # type: ignore[index]
    eventually(lambda: guest.points() == 15)
    clean(guest.client)


def test_prepaying_twice_at_once_opens_one_attempt(cloud: LocalCloud, guest: Guest) -> None:
    order_id = guest.order()
    with ThreadPoolExecutor(6) as pool:
        call = {"action": "prepay", "order_id": order_id}
        answers = list(pool.map(lambda _: guest.call("pay", **call), range(6)))
    assert any(answer["ok"] for answer in answers)
    assert {a["error"]["code"] for a in answers if not a["ok"]} <= {"UNAVAILABLE"}
    packages = {a["data"]["payment"]["package"] for a in answers if a["ok"]}
    assert len(packages) == 1
    assert cloud.database.collection("payments").count_documents({"order_id": order_id}) == 1
