"""WeChat Pay's stand-in as a plain object: orders and refunds, of merchants and of partners."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.wechat_pay_merchant import (
    FRANCHISE,
    JSAPI,
    PARTNER,
    REFUNDS,
    STORE,
    Merchant,
)
from localcloud.wechat_pay import Refused

# --- orders -----------------------------------------------------------------------------------


def test_an_order_is_placed_paid_told_of_and_found_by_both_numbers(merchant: Merchant) -> None:
    transaction_id = merchant.paid("order-1", attach="table 7", support_fapiao=True)
    merchant.pass_time()
    [told] = merchant.told()
    found = merchant.ok("GET", merchant.direct("order-1"))
    by_id = f"/v3/pay/transactions/id/{transaction_id}?mchid={merchant.keys.mchid}"
    assert told == found == merchant.ok("GET", by_id)
    assert found["amount"] == {
        "total": 10_000,
        "payer_total": 10_000,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert (found["payer"], found["attach"]) == ({"openid": "alice"}, "table 7")
    assert found["success_time"].endswith("+08:00")


def test_a_service_providers_order_belongs_to_exactly_one_merchant(merchant: Merchant) -> None:
    transaction_id = merchant.paid_for_store("order-1")
    merchant.pass_time()
    found = merchant.ok("GET", merchant.partner("order-1"))
    assert merchant.told() == [found]
    assert (found["sp_mchid"], found["sub_mchid"]) == (merchant.keys.mchid, STORE)
    assert found["payer"] == {"sp_openid": "alice"}
    for url in (merchant.partner("order-1", FRANCHISE), merchant.direct("order-1")):
        assert merchant.refused("GET", url) == (404, "ORDER_NOT_EXIST")
    for stranger in ({"sub_mchid": FRANCHISE}, {}):
        asked = merchant.refund("order-1", "r1", 100, **stranger)
        assert merchant.refused("POST", REFUNDS, asked) == (404, "RESOURCE_NOT_EXISTS")
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 100, sub_mchid=STORE))
    merchant.pass_time()
    assert merchant.told()[-1]["sub_mchid"] == STORE
    assert merchant.ok("GET", f"{REFUNDS}/r1?sub_mchid={STORE}")["status"] == "SUCCESS"
    assert merchant.refused("GET", f"{REFUNDS}/r1") == (404, "RESOURCE_NOT_EXISTS")
    assert merchant.refused("POST", JSAPI, merchant.order("order-1")) == (403, "OUT_TRADE_NO_USED")
    assert transaction_id == found["transaction_id"]


def test_a_guest_of_the_merchants_own_app_pays_by_its_openid(merchant: Merchant) -> None:
    own = {"sub_appid": "wxown", "payer": {"sub_openid": "bob"}}
    prepay_id = merchant.ok("POST", PARTNER, merchant.partner_order("order-1", **own))["prepay_id"]
    with pytest.raises(Refused):
        merchant.tap(prepay_id, "bob")
    assert merchant.tap(prepay_id, "bob", appid="wxown")["sub_appid"] == "wxown"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"out_trade_no": "short"}, (400, "out_trade_no")),
        ({"description": None}, (400, "description")),
        ({"surprise": 1}, (400, "surprise")),
        ({"notify_url": "https://shop.example/?a=1"}, (400, "notify_url")),
        ({"amount": {"total": 0}}, (400, "amount.total")),
        ({"amount": {"total": 1, "currency": "USD"}}, (400, "amount.currency")),
        ({"amount": {"total": True}}, (400, "amount.total")),
        ({"payer": {}}, (400, "payer.openid")),
        ({"payer": {"openid": "alice", "name": "x"}}, (400, "payer.name")),
        ({"settle_info": {"profit_sharing": "Y"}}, (400, "settle_info.profit_sharing")),
        ({"time_expire": "2020-01-01T00:00:00+08:00"}, (400, "time_expire")),
        ({"time_expire": "tomorrow"}, (400, "time_expire")),
        ({"appid": "wx0000000000000000"}, (400, "APPID_MCHID_NOT_MATCH")),
        ({"sub_mchid": STORE}, (400, "sub_mchid")),
    ],
)
def test_an_order_that_is_not_right_is_refused_by_name(
    merchant: Merchant, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    order = merchant.order("order-1", **change)
    assert merchant.refused("POST", JSAPI, order) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sub_mchid": None}, "sub_mchid"),
        ({"sub_mchid": "19"}, "sub_mchid"),
        ({"payer": {}}, "payer.sp_openid"),
        ({"payer": {"sub_openid": "bob"}}, "sub_appid"),
        ({"appid": "wx1"}, "appid"),
    ],
)
def test_a_service_providers_order_that_is_not_right_is_refused(
    merchant: Merchant, change: dict[str, Any], expected: str
) -> None:
    order = merchant.partner_order("order-1", **change)
    assert merchant.refused("POST", PARTNER, order) == (400, expected)


def test_a_number_is_used_once_and_a_closed_order_stays_closed(merchant: Merchant) -> None:
    first = merchant.ok("POST", JSAPI, merchant.order("order-1"))
    assert merchant.ok("POST", JSAPI, merchant.order("order-1")) == first
    other = merchant.order("order-1", 1)
    assert merchant.refused("POST", JSAPI, other) == (403, "OUT_TRADE_NO_USED")
    close = "/v3/pay/transactions/out-trade-no/order-1/close"
    assert merchant.refused("POST", close, {}) == (400, "mchid")
    merchant.ok("POST", close, {"mchid": merchant.keys.mchid})
    assert merchant.refused("POST", JSAPI, merchant.order("order-1")) == (400, "ORDER_CLOSED")
    with pytest.raises(Refused, match="ORDER_CLOSED"):
        merchant.tap(first["prepay_id"])
    merchant.paid_for_store("order-2")
    assert merchant.refused("POST", JSAPI, merchant.order("order-3") | {"mchid": STORE}) == (
        400,
        "APPID_MCHID_NOT_MATCH",
    )
    close = "/v3/pay/partner/transactions/out-trade-no/order-2/close"
    who = {"sp_mchid": merchant.keys.mchid, "sub_mchid": STORE}
    assert merchant.refused("POST", close, who) == (400, "ORDERPAID")
    assert merchant.refused("POST", close, who | {"sub_mchid": FRANCHISE}) == (
        404,
        "ORDER_NOT_EXIST",
    )


def test_a_phone_balks_at_a_wrong_payer_a_wrong_signature_and_a_late_hour(
    merchant: Merchant,
) -> None:
    prepay_id = merchant.ok("POST", JSAPI, merchant.order("order-1"))["prepay_id"]
    for wrong in ({"openid": "bob"}, {"paySign": "AAAA"}, {"signType": "MD5"}):
        with pytest.raises(Refused):
            merchant.tap(prepay_id, **wrong)
    merchant.pass_time(hours=3)
    with pytest.raises(Refused, match="ORDER_CLOSED"):
        merchant.tap(prepay_id)


@pytest.mark.parametrize(
    "change",
    [{"mchid": STORE}, {"serial_no": "00"}, {"timestamp": "1"}, {"signature": "AAAA"}],
    ids=lambda change: next(iter(change)),
)
def test_a_call_not_signed_right_is_refused(merchant: Merchant, change: dict[str, str]) -> None:
    path = "/v3/certificates"
    signed = merchant.authorization("GET", path, "", **change)
    status, body, headers = merchant.pay_service.serve("GET", path, "", signed, b"")
    assert (status, json.loads(body)["message"]) == (401, next(iter(change)))
    assert "Wechatpay-Signature" in headers


def test_what_nobody_offers_and_what_is_no_json_is_refused(merchant: Merchant) -> None:
    assert merchant.refused("GET", "/v3/nothing") == (404, "RESOURCE_NOT_EXISTS")
    assert merchant.refused("GET", "/v3/certificates?a=1") == (400, "a")
    assert merchant.refused("GET", merchant.direct("nobody1")) == (404, "ORDER_NOT_EXIST")
    assert merchant.refused("GET", merchant.direct("nobody1").partition("?")[0]) == (400, "mchid")
    signed = merchant.authorization("POST", JSAPI, "{")
    assert merchant.pay_service.serve("POST", JSAPI, "", signed, b"{")[0] == 400


# --- refunds ----------------------------------------------------------------------------------


def test_parts_of_a_payment_are_refunded_a_minute_apart_with_their_fees(merchant: Merchant) -> None:
    transaction_id = merchant.paid("order-1", 10_000)
    goods = [{"merchant_goods_id": "1", "unit_price": 1, "refund_amount": 1, "refund_quantity": 1}]
    asked = merchant.refund("order-1", "r1", 2_500, goods_detail=goods)
    accepted = merchant.ok("POST", REFUNDS, asked)
    assert (accepted["status"], "success_time" in accepted) == ("PROCESSING", False)
    second = merchant.refund("order-1", "r2", 7_500)
    del second["out_trade_no"]
    second["transaction_id"] = transaction_id
    assert merchant.refused("POST", REFUNDS, second) == (429, "FREQUENCY_LIMITED")
    merchant.pass_time(seconds=60)
    assert merchant.told()[-1]["refund_status"] == "SUCCESS"
    assert merchant.ok("POST", REFUNDS, asked)["status"] == "SUCCESS"
    assert merchant.pay_service.book_of("order-1")["fees_fen"] == 45  # 0.6 % of what is kept.
    merchant.ok("POST", REFUNDS, second)
    merchant.pass_time(seconds=60)
    assert merchant.pay_service.books() == {
        "taken_fen": 10_000,
        "refunded_fen": 10_000,
        "fees_fen": 0,
        "shared_fen": 0,
        "returned_fen": 0,
    }
    third = merchant.refund("order-1", "r3", 1)
    assert merchant.refused("POST", REFUNDS, third) == (400, "INVALID_REQUEST")


def test_a_refund_that_breaks_a_rule_is_refused(merchant: Merchant) -> None:
    merchant.ok("POST", JSAPI, merchant.order("order-0"))
    merchant.paid("order-1")

    def refused(number: str, out_refund_no: str, fen: int, **change: Any) -> tuple[int, str]:
        return merchant.refused(
            "POST", REFUNDS, merchant.refund(number, out_refund_no, fen, **change)
        )

    amount = {"refund": 100, "total": 10_000, "currency": "CNY"}
    assert refused("order-0", "r1", 100) == (400, "INVALID_REQUEST")
    assert refused("order-1", "r1", 10_001) == (400, "INVALID_REQUEST")
    assert refused("order-1", "r1", 1, amount=amount | {"total": 1}) == (400, "INVALID_REQUEST")
    assert refused("order-1", "r1", 0) == (400, "amount.refund")
    assert refused("order-1", "r 1", 1) == (400, "out_refund_no")
    assert refused("order-1", "r1", 1, reason="x" * 81) == (400, "reason")
    assert refused("order-1", "r1", 1, goods_detail=[{}]) == (
        400,
        "goods_detail[0].merchant_goods_id",
    )
    assert refused("order-1", "r1", 1, out_trade_no="nobody1") == (404, "RESOURCE_NOT_EXISTS")
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 100))
    assert refused("order-1", "r1", 200) == (400, "INVALID_REQUEST")
    merchant.pass_time(days=366)
    assert refused("order-1", "r2", 100) == (400, "INVALID_REQUEST")


def test_a_payment_is_refunded_in_fifty_parts_at_most(merchant: Merchant) -> None:
    merchant.paid("order-1")
    merchant.pay_service.mode.set({"refund_gap_s": 0})
    for number in range(50):
        merchant.ok("POST", REFUNDS, merchant.refund("order-1", f"r{number}", 1))
    asked = merchant.refund("order-1", "r50", 1)
    assert merchant.refused("POST", REFUNDS, asked) == (400, "INVALID_REQUEST")


def test_a_closed_refund_counts_for_nothing_and_an_abnormal_one_can_be_mended(
    merchant: Merchant,
) -> None:
    merchant.paid("order-1")
    for end in ("CLOSED", "ABNORMAL"):
        merchant.pay_service.mode.set({"refunds_end": end})
        merchant.ok("POST", REFUNDS, merchant.refund("order-1", end, 10_000))
        merchant.pass_time(minutes=1)
        assert merchant.told()[-1]["refund_status"] == end
        assert "success_time" not in merchant.ok("GET", f"{REFUNDS}/{end}")
    assert merchant.pay_service.books()["refunded_fen"] == 0
    merchant.pay_service.mend_refund("ABNORMAL")
    assert merchant.pay_service.books()["refunded_fen"] == 10_000
    with pytest.raises(ValueError, match="ABNORMAL"):
        merchant.pay_service.mend_refund("CLOSED")


def test_what_was_under_way_goes_on_after_another_start(merchant: Merchant) -> None:
    merchant.paid("order-1")
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 100))
    merchant._due.clear()
    merchant.pay_service = merchant.opened()
    merchant.pay_service.resume()
    merchant.pass_time()
    assert merchant.ok("GET", f"{REFUNDS}/r1")["status"] == "SUCCESS"
