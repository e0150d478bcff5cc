"""One order's whole life through the doors of the local cloud, with real processes."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import urllib3

from cli.reconcile import reconciled
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow
_guests = itertools.count()
_HTTP = urllib3.PoolManager(maxsize=16)


class Guest:
    """A guest's phone with the mini-program on it."""

    def __init__(
        self, client: LocalCloudClient, openid: str | None = None, scene: str | None = None
    ) -> None:
        self.client = client
        self.openid = openid or f"guest-{next(_guests)}"
        self.login = self.ok(
            "member-profile", action="login", **({"scene": scene} if scene else {})
        )

    def call(self, function: str, **data: Any) -> dict[str, Any]:
        return self.client.member_call(function, self.openid, data)

    def ok(self, function: str, **data: Any) -> dict[str, Any]:
        answer = self.call(function, **data)
        assert answer["ok"], answer
        return dict(answer["data"])

    def order(self, quantity: int = 1, **cart: Any) -> str:
        line = {"dish_id": "milk-tea", "sku_id": "m", "quantity": quantity}
        cart = {"store_id": "jingan", "items": [line], **cart}
        quote = self.ok("pay", action="quote", **cart)
        created = self.ok(
            "pay", action="create", **cart,
            quote_id=quote["quote_id"], payable_fen=quote["payable_fen"],
        )  # fmt: skip
        return str(created["order_id"])

    def prepay(self, order_id: str) -> dict[str, str]:
        return dict(self.ok("pay", action="prepay", order_id=order_id)["payment"])

    def buy(self, quantity: int = 1, **cart: Any) -> str:
        order_id = self.order(quantity, **cart)
        assert self.client.pay(self.openid, self.prepay(order_id))["trade_state"] == "SUCCESS"
        return order_id

    def points(self) -> int:
        return int(self.ok("member-profile", action="profile")["points"]["available"])

    def status(self, order_id: str) -> str:
        return str(self.ok("pay", action="status", order_id=order_id)["status"])


def eventually(check: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def guest(client: LocalCloudClient) -> Guest:
    return Guest(client)


def clean(client: LocalCloudClient) -> None:
    client.control("drain")
    assert reconciled(client)["differences"] == []


def notify(client: LocalCloudClient, body: bytes, headers: dict[str, str]) -> int:
    url = f"{client.url}/pay/notify"
    return int(_HTTP.request("POST", url, body=body, headers=headers).status)


def resource(cloud: LocalCloud, guest: Guest, order_id: str, **change: Any) -> dict[str, Any]:
    """What WeChat Pay would say of a paid attempt, for forging."""
    paid = {
        "appid": cloud.keys.appid, "mchid": cloud.keys.mchid, "out_trade_no": f"{order_id}n1",
        "trade_state": "SUCCESS", "transaction_id": "42" + "0" * 26,
        "success_time": cloud.clock.now().isoformat(timespec="seconds"),
        "payer": {"openid": guest.openid}, "amount": {"total": 1_500, "currency": "CNY"},
    }  # fmt: skip
    return paid | change


def test_order_pay_points_tier_coupon_and_the_next_order(guest: Guest) -> None:
    client = guest.client
    guest.buy(34)  # ¥510
    eventually(lambda: guest.points() == 510)
    eventually(lambda: guest.ok("member-profile", action="profile")["tier"]["level"] == "silver")
    eventually(lambda: len(guest.ok("member-profile", action="coupons")["coupons"]) == 1)
    cart = {"store_id": "jingan", "items": [{"dish_id": "dandan", "sku_id": "l", "quantity": 2}]}
    quote = guest.ok("pay", action="quote", **cart)
    assert quote["payable_fen"] == 5_600 * 9 // 10  # 白银 9 折
    coupon = quote["coupons"][0]
    assert coupon["why_not"] is None
    best = guest.ok("pay", action="quote", **cart, coupon_id=coupon["coupon_id"], points=100)
    assert best["payable_fen"] == 5_040 - 800 - 100
    order_id = guest.order(items=cart["items"], coupon_id=coupon["coupon_id"], points=100)
    client.pay(guest.openid, guest.prepay(order_id))
    eventually(lambda: guest.points() == 510 - 100 + 41)
    statuses = [c["status"] for c in guest.ok("member-profile", action="coupons")["coupons"]]
    assert statuses == ["redeemed"]
    clean(client)


def test_the_welcome_coupon_comes_once_per_phone(client: LocalCloudClient) -> None:
    first, second = Guest(client), Guest(client)
    assert first.call("member-profile", action="welcome", scene="table-jingan")["error"][
        "code"
    ] == ("PHONE_REQUIRED")
    phone = f"139{next(_guests):08d}"
    first.ok("member-profile", action="bind_phone", code=client.phone_code(phone))
    with ThreadPoolExecutor(4) as pool:
        scenes = ["table-jingan", "till-jingan", "table-jingan", "table-xujiahui"]
        answers = list(
            pool.map(lambda s: first.call("member-profile", action="welcome", scene=s), scenes)
        )
    assert sum(answer["ok"] for answer in answers) == 1
    stolen = client.phone_code(phone)
    answer = second.call("member-profile", action="bind_phone", code=stolen)
    assert answer["error"]["code"] == "PHONE_BOUND_ELSEWHERE"
    used = second.call("member-profile", action="bind_phone", code=stolen)
    assert used["error"]["code"] == "PHONE_CODE_INVALID"
    unknown = first.call("member-profile", action="welcome", scene="table-mars")
    assert (unknown["error"]["code"], unknown["error"]["field"]) == ("SCENE_UNKNOWN", "scene")


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
def test_a_forged_or_wrong_callback_is_refused_and_nothing_written(
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


def test_an_unpaid_order_is_closed_in_time_and_gives_back_what_it_held(
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


def test_while_wechat_pay_can_not_be_asked_nothing_is_released(
    cloud: LocalCloud, guest: Guest
) -> None:
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


def test_cancelling_what_was_just_paid_says_paid(cloud: LocalCloud, guest: Guest) -> None:
    cloud.set_wechat_pay_mode({"copies": 0})
    order_id = guest.buy()
    assert guest.ok("pay", action="cancel", order_id=order_id)["status"] == "paid"


def test_money_for_a_cancelled_order_goes_back(cloud: LocalCloud, guest: Guest) -> None:
    """It can't happen unless WeChat Pay breaks its word; then the guest gets the money back."""
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


def test_two_payments_racing_for_one_order_keep_one(cloud: LocalCloud, guest: Guest) -> None:
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


def test_an_order_of_nothing_needs_no_wechat_pay(cloud: LocalCloud, guest: Guest) -> None:
    code = guest.client.phone_code(f"137{next(_guests):08d}")
    guest.ok("member-profile", action="bind_phone", code=code)
    coupon = guest.ok("member-profile", action="welcome", scene="table-jingan")
    coupons = cloud.database.collection("coupons")
    coupons.update_one(
        {"_id": coupon["coupon_id"]}, {"$set": {"terms.off_fen": 9_000, "terms.threshold_fen": 0}}
    )
    order_id = guest.order(coupon_id=coupon["coupon_id"])
    assert guest.ok("pay", action="prepay", order_id=order_id) == {"status": "paid"}
    assert guest.ok("pay", action="prepay", order_id=order_id) == {"status": "paid"}
    eventually(lambda: coupons.find_one({"_id": coupon["coupon_id"]})["status"] == "redeemed")  # type: ignore[index]
    clean(guest.client)


def test_a_refund_goes_through_wechat_pay_and_takes_the_points_back(
    cloud: LocalCloud, guest: Guest
) -> None:
    order_id = guest.buy(10)
    eventually(lambda: guest.points() == 150)
    request = {
        "action": "refund", "order_id": order_id, "refund_id": f"R{order_id}",
        "reason": "菜品不满意", "actor": "manager", "role": "finance",
    }  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: guest.client.internal_call("pay", dict(request)), range(4))
        )
    assert all(answer["ok"] for answer in answers), answers
    other = guest.client.internal_call("pay", {**request, "refund_id": "R-other"})
    assert other["error"]["code"] == "ORDER_NOT_REFUNDABLE"
    eventually(lambda: guest.status(order_id) == "refunded")
    eventually(lambda: guest.points() == 0)
    clean(guest.client)


@pytest.mark.parametrize("end", ["CLOSED", "ABNORMAL"])
def test_a_refund_that_comes_to_nothing_leaves_a_way_on(
    cloud: LocalCloud, guest: Guest, end: str
) -> None:
    order_id = guest.buy()
    eventually(lambda: guest.status(order_id) == "paid")
    cloud.set_wechat_pay_mode({"refunds_end": end})
    request = {"action": "refund", "order_id": order_id, "reason": "x", "actor": "manager",
               "role": "finance"}  # fmt: skip
    assert guest.client.internal_call("pay", {**request, "refund_id": f"R1{order_id}"})["ok"]
    refunds = cloud.database.collection("refunds")
    eventually(lambda: refunds.find_one({"_id": f"R1{order_id}"})["status"] == end.lower())  # type: ignore[index]
    # The clock stands, and WeChat Pay wants a minute between two refunds of one payment.
    cloud.set_wechat_pay_mode({"refunds_end": "SUCCESS", "refund_gap_s": 0})
    if end == "CLOSED":  # For good: the order is as it was, and another refund may be tried.
        assert guest.status(order_id) == "paid"
        again = {**request, "refund_id": f"R2{order_id}"}
        assert guest.client.internal_call("pay", again)["ok"]
    else:  # Mended by hand at the merchant's console; the notice of it is lost.
        cloud.wechat_pay.mend_refund(f"R1{order_id}")
        cloud.timers.fire_function("pay")
    eventually(lambda: guest.status(order_id) == "refunded")
    eventually(lambda: guest.points() == 0)
    clean(guest.client)


def test_a_phone_can_be_exchanged_and_the_old_number_is_free_again(
    client: LocalCloudClient,
) -> None:
    first, second = Guest(client), Guest(client)
    old, new = (f"136{next(_guests):08d}" for _ in range(2))
    first.ok("member-profile", action="bind_phone", code=client.phone_code(old))
    codes = [client.phone_code(new) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda c: first.call("member-profile", action="bind_phone", code=c), codes)
        )
    assert any(answer["ok"] for answer in answers)
    assert {a["error"]["code"] for a in answers if not a["ok"]} <= {"UNAVAILABLE"}
    assert first.ok("member-profile", action="profile")["phone_last4"] == new[-4:]
    second.ok("member-profile", action="bind_phone", code=client.phone_code(old))


def test_a_member_can_not_refund(guest: Guest) -> None:
    order_id = guest.buy()
    answer = guest.call("pay", action="refund", order_id=order_id, refund_id="R12345",
                        reason="x", actor="me")  # fmt: skip
    assert answer["error"]["code"] == "UNKNOWN_ACTION"


def test_an_event_over_the_platforms_limit_is_refused(guest: Guest) -> None:
    answer = guest.call("pay", action="quote", x="y" * 100_000)
    assert answer["error"]["code"] == "TOO_LARGE"
    odd = json.dumps({"name": "pay", "openid": guest.openid,
                      "data": {"action": "quote", "x": "\ud800"}})  # fmt: skip
    answered = _HTTP.request(
        "POST", f"{guest.client.url}/callFunction", body=odd,
        headers={"Content-Type": "application/json"},
    ).json()  # fmt: skip
    assert answered["result"]["error"]["code"] == "INVALID_REQUEST"
    huge = json.dumps({"name": "pay", "openid": "x", "data": {"x": "y" * 7_000_000}})
    refused = _HTTP.request(
        "POST", f"{guest.client.url}/callFunction", body=huge,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert refused.status == 413


def test_an_unsigned_call_of_tencents_api_is_refused(cloud: LocalCloud) -> None:
    body = json.dumps({"FunctionName": "maintenance", "Namespace": "local-huitou",
                       "ClientContext": "{}"})  # fmt: skip
    for authorization in ("", "TC3-HMAC-SHA256 Credential=AKIDX/2026-11-22/scf/tc3_request, "
                          "SignedHeaders=content-type;host, Signature=" + "0" * 64):  # fmt: skip
        headers = {"X-TC-Action": "Invoke", "Authorization": authorization,
                   "Content-Type": "application/json"}  # fmt: skip
        answer = _HTTP.request("POST", cloud.url, body=body, headers=headers).json()
        assert answer["Response"]["Error"]["Code"].startswith("AuthFailure")
