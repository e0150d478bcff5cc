"""WeChat Pay's stand-in as a plain object: profit sharing in its dialects, and what it forbids."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.wechat_pay_merchant import BRAND, FRANCHISE, REFUNDS, STORE, Merchant

PLAIN = "/v3/profitsharing"
BRANDS = "/v3/brand/profitsharing"


def add(merchant: Merchant, account: str = FRANCHISE, **change: Any) -> None:
    """Add a receiver, its name encrypted."""
    status, answer = merchant.call(
        "POST",
        f"{PLAIN}/receivers/add",
        receiver(merchant, account, **change),
        merchant.keys.platform_serial,
    )
    assert status == 200, answer


def receiver(merchant: Merchant, account: str = FRANCHISE, **change: Any) -> dict[str, Any]:
    body = {
        "appid": merchant.keys.appid,
        "type": "MERCHANT_ID",
        "account": account,
        "name": merchant.encrypted("加盟商"),
        "relation_type": "HEADQUARTER",
    }
    return {name: value for name, value in (body | change).items() if value is not None}


def share(
    merchant: Merchant, transaction_id: str, number: str, *fen: int, **change: Any
) -> dict[str, Any]:
    body = {
        "appid": merchant.keys.appid,
        "transaction_id": transaction_id,
        "out_order_no": number,
        "receivers": [
            {"type": "MERCHANT_ID", "account": FRANCHISE, "amount": amount, "description": "加盟费"}
            for amount in fen
        ],
        "unfreeze_unsplit": False,
    }
    return {name: value for name, value in (body | change).items() if value is not None}


def unsplit(merchant: Merchant, transaction_id: str) -> int:
    path = f"{PLAIN}/transactions/{transaction_id}/amounts"
    return int(merchant.ok("GET", path)["unsplit_amount"])


def test_a_share_is_accepted_first_done_later_and_the_rest_unfrozen(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1", 10_000)
    merchant.pass_time(minutes=1)
    assert unsplit(merchant, transaction_id) == 9_940
    asked = share(merchant, transaction_id, "s1", 2_000)
    accepted = merchant.ok("POST", f"{PLAIN}/orders", asked)
    assert (accepted["state"], accepted["receivers"][0]["result"]) == ("PROCESSING", "PENDING")
    assert merchant.ok("POST", f"{PLAIN}/orders", asked)["order_id"] == accepted["order_id"]
    merchant.pass_time()
    found = merchant.ok("GET", f"{PLAIN}/orders/s1?transaction_id={transaction_id}")
    assert (found["state"], found["receivers"][0]["result"]) == ("FINISHED", "SUCCESS")
    assert merchant.pay_service.book_of("order-1") == {
        "taken_fen": 10_000,
        "refunded_fen": 0,
        "fees_fen": 60,
        "shared_fen": 2_000,
        "returned_fen": 0,
        "receivers": {FRANCHISE: 2_000},
        "frozen": True,
    }
    rest = {"transaction_id": transaction_id, "out_order_no": "u1", "description": "完结"}
    unfrozen = merchant.ok("POST", f"{PLAIN}/orders/unfreeze", rest)
    assert unfrozen["receivers"][0]["amount"] == 7_940
    assert merchant.pay_service.book_of("order-1")["frozen"] is False
    assert unsplit(merchant, transaction_id) == 0
    again = share(merchant, transaction_id, "s2", 1)
    assert merchant.refused("POST", f"{PLAIN}/orders", again) == (403, "NOT_ENOUGH")
    last = rest | {"out_order_no": "u2"}
    assert merchant.refused("POST", f"{PLAIN}/orders/unfreeze", last) == (403, "NOT_ENOUGH")


def test_a_share_that_breaks_a_rule_is_refused(merchant: Merchant) -> None:
    add(merchant)
    unmarked = merchant.paid("order-0", settle_info=None)
    transaction_id = merchant.paid("order-1", 10_000)

    def refused(transaction_id: str, number: str, *fen: int, **change: Any) -> tuple[int, str]:
        asked = share(merchant, transaction_id, number, *fen, **change)
        return merchant.refused("POST", f"{PLAIN}/orders", asked)

    assert refused(transaction_id, "s1", 1_000) == (400, "INVALID_REQUEST")  # Too early.
    merchant.pass_time(minutes=1)
    assert refused(unmarked, "s1", 1_000) == (400, "INVALID_REQUEST")
    assert refused(transaction_id, "s1", 3_001) == (400, "INVALID_REQUEST")
    assert refused(transaction_id, "s1", 9_941) == (403, "NOT_ENOUGH")
    assert refused("4200", "s1", 1) == (404, "RESOURCE_NOT_EXISTS")
    assert refused(transaction_id, "s1", 1, sub_mchid=STORE) == (404, "RESOURCE_NOT_EXISTS")
    assert refused(transaction_id, "s1", 0) == (400, "receivers[0].amount")
    assert refused(transaction_id, "s1") == (400, "receivers")
    assert refused(transaction_id, "s1", *[1] * 51) == (400, "receivers")
    assert refused(transaction_id, "s1", 1, unfreeze_unsplit=None) == (400, "unfreeze_unsplit")
    assert refused(transaction_id, "s1", 1, finish=True) == (400, "finish")
    stranger = [{"type": "MERCHANT_ID", "account": STORE, "amount": 1, "description": "x"}]
    assert refused(transaction_id, "s1", receivers=stranger) == (400, "receivers[0].account")
    personal = [stranger[0] | {"type": "PERSONAL_OPENID"}]
    assert refused(transaction_id, "s1", receivers=personal, appid=None) == (400, "appid")
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 2_000))
    assert refused(transaction_id, "s1", 1_999) == (400, "INVALID_REQUEST")
    assert refused(transaction_id, "s2", 1_001) == (400, "INVALID_REQUEST")  # Over 30 % in all.
    merchant.pass_time(days=30)
    assert refused(transaction_id, "s2", 1) == (403, "NOT_ENOUGH")  # Unfrozen by itself.


def test_a_payment_is_shared_fifty_times_at_most(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1")
    merchant.pass_time(minutes=1)
    for number in range(50):
        merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, f"s{number}", 1))
    asked = share(merchant, transaction_id, "s50", 1)
    assert merchant.refused("POST", f"{PLAIN}/orders", asked) == (403, "RULE_LIMIT")


def test_a_refund_lowers_what_may_be_shared(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1", 10_000)
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 5_000))
    merchant.pass_time(minutes=1)
    assert unsplit(merchant, transaction_id) == 4_970
    asked = share(merchant, transaction_id, "s1", 1_501)
    assert merchant.refused("POST", f"{PLAIN}/orders", asked) == (400, "INVALID_REQUEST")
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 1_500))


def test_nothing_of_a_wholly_refunded_payment_is_shared(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1")
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 10_000))
    merchant.pass_time(minutes=1)
    asked = share(merchant, transaction_id, "s1", 1)
    assert merchant.refused("POST", f"{PLAIN}/orders", asked) == (403, "NOT_ENOUGH")


def test_a_closed_share_says_why_and_leaves_the_money(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1")
    merchant.pass_time(minutes=1)
    merchant.pay_service.mode.set({"shares_end": "CLOSED"})
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 3_000))
    merchant.pass_time()
    [closed] = merchant.ok("GET", f"{PLAIN}/orders/s1?transaction_id={transaction_id}")["receivers"]
    assert (closed["result"], closed["fail_reason"]) == ("CLOSED", "ACCOUNT_ABNORMAL")
    assert unsplit(merchant, transaction_id) == 9_940
    assert merchant.pay_service.books()["shared_fen"] == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": None}, (400, "name")),
        ({"name": "in clear"}, (400, "name")),
        ({"account": "19"}, (400, "account")),
        ({"relation_type": "FRIEND"}, (400, "relation_type")),
        ({"relation_type": "CUSTOM"}, (400, "custom_relation")),
        ({"type": "PERSONAL_SUB_OPENID"}, (400, "sub_appid")),
        ({"appid": "wx0"}, (400, "APPID_MCHID_NOT_MATCH")),
        ({"brand_mchid": BRAND}, (400, "brand_mchid")),
    ],
)
def test_a_receiver_that_is_not_right_is_refused(
    merchant: Merchant, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    body = receiver(merchant, **change)
    path, serial = f"{PLAIN}/receivers/add", merchant.keys.platform_serial
    assert merchant.refused("POST", path, body, serial) == expected


def test_a_name_is_opened_with_the_key_that_the_request_names(merchant: Merchant) -> None:
    path, body = f"{PLAIN}/receivers/add", receiver(merchant)
    assert merchant.refused("POST", path, body) == (400, "Wechatpay-Serial")
    certificate = merchant.keys.platform_certificate.serial
    assert merchant.refused("POST", path, body, certificate) == (400, "name")
    assert merchant.call("POST", path, body, merchant.keys.platform_serial)[0] == 200


def test_a_deleted_receiver_gets_nothing_more(merchant: Merchant) -> None:
    add(merchant)
    gone = {"appid": merchant.keys.appid, "type": "MERCHANT_ID", "account": FRANCHISE}
    merchant.ok("POST", f"{PLAIN}/receivers/delete", gone)
    transaction_id = merchant.paid("order-1")
    merchant.pass_time(minutes=1)
    asked = share(merchant, transaction_id, "s1", 1)
    assert merchant.refused("POST", f"{PLAIN}/orders", asked) == (400, "receivers[0].account")


def test_shares_come_back_before_a_refund(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1", 10_000)
    merchant.pass_time(minutes=1)
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 3_000))
    merchant.pass_time()
    whole = merchant.refund("order-1", "r1", 10_000)
    assert merchant.refused("POST", REFUNDS, whole) == (403, "NOT_ENOUGH")
    back = {
        "out_order_no": "s1",
        "out_return_no": "b1",
        "return_mchid": FRANCHISE,
        "amount": 3_000,
        "description": "退款",
    }
    path = f"{PLAIN}/return-orders"
    for change, expected in (
        ({"amount": 3_001}, (400, "INVALID_REQUEST")),
        ({"return_mchid": STORE}, (400, "INVALID_REQUEST")),
        ({"out_order_no": "s9"}, (404, "RESOURCE_NOT_EXISTS")),
        ({"order_id": "3008"}, (400, "out_order_no")),
    ):
        assert merchant.refused("POST", path, back | change) == expected
    merchant.pay_service.mode.set({"returns_end": "PROCESSING"})
    assert merchant.ok("POST", path, back)["result"] == "PROCESSING"
    assert merchant.refused("POST", path, back | {"amount": 1}) == (400, "INVALID_REQUEST")
    assert merchant.refused("POST", REFUNDS, whole) == (403, "NOT_ENOUGH")
    merchant.pay_service.mode.set({"returns_end": "SUCCESS"})
    found = merchant.ok("GET", f"{path}/b1?out_order_no=s1")
    assert (found["result"], found["amount"]) == ("SUCCESS", 3_000)
    more = back | {"out_return_no": "b2", "amount": 1}
    assert merchant.refused("POST", path, more) == (400, "INVALID_REQUEST")
    merchant.ok("POST", REFUNDS, whole)
    merchant.pass_time()
    assert merchant.pay_service.books() == {
        "taken_fen": 10_000,
        "refunded_fen": 10_000,
        "fees_fen": 0,
        "shared_fen": 0,
        "returned_fen": 3_000,
    }


def test_a_failed_return_brings_nothing_back(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1", 10_000)
    merchant.pass_time(minutes=1)
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 100))
    merchant.pass_time()
    merchant.pay_service.mode.set({"returns_end": "FAILED"})
    failed = merchant.ok(
        "POST",
        f"{PLAIN}/return-orders",
        {
            "out_order_no": "s1",
            "out_return_no": "b1",
            "return_mchid": FRANCHISE,
            "amount": 100,
            "description": "退款",
        },
    )
    assert (failed["result"], failed["fail_reason"]) == ("FAILED", "ACCOUNT_ABNORMAL")
    assert merchant.pay_service.book_of("order-1")["receivers"] == {FRANCHISE: 100}


def test_a_service_provider_shares_a_merchants_money(merchant: Merchant) -> None:
    add(merchant, sub_mchid=STORE)
    transaction_id = merchant.paid_for_store("order-1")
    merchant.pass_time(minutes=1)
    asked = share(merchant, transaction_id, "s1", 100, sub_mchid=STORE, unfreeze_unsplit=True)
    merchant.ok("POST", f"{PLAIN}/orders", asked)
    merchant.pass_time()
    found = f"{PLAIN}/orders/s1?transaction_id={transaction_id}"
    assert merchant.refused("GET", found) == (404, "RESOURCE_NOT_EXISTS")
    assert merchant.ok("GET", f"{found}&sub_mchid={STORE}")["state"] == "FINISHED"
    assert merchant.pay_service.book_of("order-1")["frozen"] is False
    ratio = f"{PLAIN}/merchant-configs/"
    assert merchant.ok("GET", ratio + STORE) == {"sub_mchid": STORE, "max_ratio": 3_000}
    assert merchant.refused("GET", ratio + "1999999999") == (403, "NO_AUTH")


def test_a_brand_shares_after_half_a_minute_and_within_half_a_year(merchant: Merchant) -> None:
    add_path = f"{BRANDS}/receivers/add"
    named = receiver(merchant, name="加盟商", relation_type="SUPPLIER", brand_mchid=BRAND)
    merchant.ok("POST", add_path, named)
    transaction_id = merchant.paid_for_store("order-1")

    def asked(number: str, *fen: int, **change: Any) -> dict[str, Any]:
        brand = {"brand_mchid": BRAND, "sub_mchid": STORE, "finish": False}
        body = share(merchant, transaction_id, number, *fen, **brand, unfreeze_unsplit=None)
        return body | change

    orders = f"{BRANDS}/orders"
    merchant.pass_time(seconds=29)
    assert merchant.refused("POST", orders, asked("s1", 100)) == (400, "INVALID_REQUEST")
    merchant.pass_time(seconds=1)
    assert merchant.ok("POST", orders, asked("s1", 100))["status"] == "PROCESSING"
    merchant.pass_time(days=100)
    own = [{"type": "MERCHANT_ID", "account": BRAND, "amount": 50, "description": "品牌费"}]
    merchant.ok("POST", orders, asked("s2", receivers=own))
    merchant.pass_time()
    query = f"{orders}?sub_mchid={STORE}&transaction_id={transaction_id}&out_order_no=s2"
    assert merchant.ok("GET", query)["status"] == "FINISHED"
    amounts = f"{orders}/{transaction_id}/amounts"
    assert merchant.ok("GET", amounts)["unsplit_amount"] == 9_940 - 150
    back = {
        "sub_mchid": STORE,
        "out_order_no": "s2",
        "out_return_no": "b1",
        "return_mchid": BRAND,
        "amount": 50,
        "description": "退款",
    }
    merchant.pay_service.mode.set({"returns_end": "FAILED"})
    assert merchant.ok("POST", f"{BRANDS}/returnorders", back)["result"] == "FAIL"
    query = f"{BRANDS}/returnorders?sub_mchid={STORE}&out_return_no=b1&out_order_no=s2"
    assert "return_no" in merchant.ok("GET", query)
    end = {
        "sub_mchid": STORE,
        "transaction_id": transaction_id,
        "out_order_no": "u1",
        "description": "完结",
    }
    merchant.ok("POST", f"{BRANDS}/finish-order", end)
    assert merchant.ok("GET", amounts)["unsplit_amount"] == 0
    config = merchant.ok("GET", f"{BRANDS}/brand-configs/{BRAND}")
    assert config == {"brand_mchid": BRAND, "max_ratio": 3_000}
    merchant.pass_time(days=81)
    assert merchant.refused("POST", orders, asked("s3", 1)) == (403, "NOT_ENOUGH")


def test_shares_under_way_go_on_after_another_start(merchant: Merchant) -> None:
    add(merchant)
    transaction_id = merchant.paid("order-1")
    merchant.pass_time(minutes=1)
    merchant.ok("POST", f"{PLAIN}/orders", share(merchant, transaction_id, "s1", 100))
    merchant._due.clear()
    merchant.pay_service = merchant.opened()
    merchant.pay_service.resume()
    merchant.pass_time()
    assert merchant.pay_service.books()["shared_fen"] == 100
