"""The mini-program platform's stand-in as a plain object: it checks shipping reports."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.wechat_pay_merchant import STORE, Merchant
from localcloud.mini_program import MiniProgramStandIn


class Shop:
    """A mini-program with two payments: one to the chain itself, one to a sub-merchant store."""

    def __init__(self, merchant: Merchant) -> None:
        self.keys = merchant.keys
        self.platform = MiniProgramStandIn(merchant.keys, merchant.pay_service.find)
        self.transaction_id = merchant.paid("order-1")
        merchant.paid_for_store("order-2")
        asked = {
            "grant_type": "client_credential",
            "appid": self.keys.appid,
            "secret": self.keys.app_secret,
        }
        self.token = self.platform.stable_token(asked)["access_token"]

    def shipping(self, **change: Any) -> dict[str, Any]:
        key = {"order_number_type": 2, "transaction_id": self.transaction_id}
        return {
            "order_key": key,
            "logistics_type": 4,
            "delivery_mode": 1,
            "shipping_list": [{"item_desc": "牛肉面*1"}],
            "upload_time": "2026-03-02T12:30:00.000+08:00",
            "payer": {"openid": "alice"},
        } | change

    def upload(self, **change: Any) -> int:
        return int(
            self.platform.upload_shipping_info(self.token, self.shipping(**change))["errcode"]
        )


@pytest.fixture
def shop(merchant: Merchant) -> Shop:
    return Shop(merchant)


def test_shipping_is_kept_and_can_be_reported_once(shop: Shop) -> None:
    assert shop.upload() == 0
    assert shop.platform.shipped() == {shop.transaction_id: shop.shipping()}
    assert shop.upload() == 10060002
    by_own_number = {
        "order_number_type": 1,
        "mchid": shop.keys.mchid,
        "out_trade_no": "order-1",
    }
    assert shop.upload(order_key=by_own_number) == 10060002
    of_store = by_own_number | {"out_trade_no": "order-2"}
    assert shop.upload(order_key=of_store) == 10060001
    assert shop.upload(order_key=of_store | {"mchid": STORE}, logistics_type=2) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"order_key": {"order_number_type": 2, "transaction_id": "4200"}}, 10060001),
        ({"payer": {"openid": "bob"}}, 10060031),
        ({"payer": {}}, 10060014),
        ({"order_key": {}}, 268485194),
        ({"order_key": {"order_number_type": 2}}, 268485195),
        ({"order_key": {"order_number_type": 1, "out_trade_no": "order-1"}}, 268485196),
        ({"order_key": {"order_number_type": 1, "mchid": "1"}}, 268485197),
        ({"logistics_type": 5}, 10060005),
        ({"logistics_type": 1}, 268485226),
        ({"delivery_mode": 2}, 10060006),
        ({"delivery_mode": 0}, 268485224),
        ({"shipping_list": []}, 268485228),
        ({"shipping_list": [{}]}, 10060008),
        ({"shipping_list": [{"item_desc": "x" * 121}]}, 10060009),
        ({"upload_time": "2026-03-02 12:30:00"}, 268485216),
    ],
)
def test_a_wrong_shipping_report_is_refused(
    shop: Shop, change: dict[str, Any], expected: int
) -> None:
    assert shop.upload(**change) == expected
    assert shop.platform.shipped() == {}


def test_the_stand_in_tells_whether_shipping_must_be_reported(shop: Shop) -> None:
    asked = {"appid": shop.keys.appid}
    assert shop.platform.is_trade_managed(shop.token, asked)["is_trade_managed"] is True
    shop.platform.manage_trade(managed=False)
    assert shop.platform.is_trade_managed(shop.token, asked)["is_trade_managed"] is False
    assert shop.upload() == 48001
    assert shop.platform.is_trade_managed(shop.token, {"appid": "wx0"})["errcode"] == 40013
    assert shop.platform.is_trade_managed(shop.token, {})["errcode"] == 40097
    assert shop.platform.is_trade_managed("", asked)["errcode"] == 40001
    assert shop.platform.upload_shipping_info("", shop.shipping())["errcode"] == 40001
