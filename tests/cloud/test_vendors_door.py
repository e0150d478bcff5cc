"""HTTP requests reach the stand-ins unchanged, and the control routes check their input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from cloud.wechat_pay_merchant import FRANCHISE, REFUNDS, Merchant
from localcloud.cloud import LocalCloud
from localcloud.doors import platform_app, vendors_app


class Doors:
    """The stand-ins and doors of a local cloud that isn't started; no network is used."""

    def __init__(self, folder: Path) -> None:
        self.cloud = LocalCloud(folder)
        self.vendors: FlaskClient = vendors_app(self.cloud).test_client()
        self.controls: FlaskClient = platform_app(self.cloud).test_client()
        self.merchant = Merchant(self.cloud.keys, folder)
        self.merchant.pay_service = self.cloud.wechat_pay

    def control(self, name: str, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.controls.post(f"/local/{name}", json=body)
        return answer.status_code, answer.get_json()


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    opened = Doors(tmp_path)
    opened.cloud.wechat_pay.mode.set({"copies": 0})
    yield opened
    opened.cloud.platform.stop()


def test_an_encrypted_name_needs_the_serial_of_its_key(doors: Doors) -> None:
    path, keys = "/v3/profitsharing/receivers/add", doors.cloud.keys
    body = json.dumps(
        {
            "appid": keys.appid,
            "type": "MERCHANT_ID",
            "account": FRANCHISE,
            "name": doors.merchant.encrypted("加盟商"),
            "relation_type": "HEADQUARTER",
        }
    )
    headers = {"Authorization": doors.merchant.authorization("POST", path, body)}
    assert doors.vendors.post(path, data=body, headers=headers).status_code == 400
    headers["Wechatpay-Serial"] = keys.platform_serial
    answer = doors.vendors.post(path, data=body, headers=headers)
    assert (answer.status_code, answer.get_json()["account"]) == (200, FRANCHISE)


def test_a_bill_is_fetched_from_the_address_in_the_answer(doors: Doors) -> None:
    paid_on = doors.cloud.clock.now()
    doors.merchant.paid("order-1")
    day = doors.cloud.wechat_pay.payment("order-1")["success_time"][:10]
    status, planted = doors.control("wechat-pay/plant", kind="fee", day=day, by_fen=1)
    assert (status, planted) == (200, {"kind": "fee", "number": "order-1", "fee_fen": 61})
    doors.cloud.clock.stand_at(paid_on + timedelta(days=2))
    url = f"/v3/bill/tradebill?bill_date={day}"
    headers = {"Authorization": doors.merchant.authorization("GET", url, "")}
    where = doors.vendors.get(url, headers=headers).get_json()["download_url"]
    assert where.startswith(doors.cloud.vendor_url + "/v3/billdownload/file?")
    link = f"{urlsplit(where).path}?{urlsplit(where).query}"
    headers = {"Authorization": doors.merchant.authorization("GET", link, "")}
    file = doors.vendors.get(link, headers=headers)
    assert "`0.61000" in file.get_data(as_text=True)
    assert "Wechatpay-Signature" not in file.headers


def test_a_signature_covers_the_encoded_address(doors: Doors) -> None:
    doors.merchant.paid("order-1")
    asked = doors.merchant.refund("order-1", "surplus|1", 100)
    doors.merchant.ok("POST", REFUNDS, asked)
    sent, read = f"{REFUNDS}/surplus%7C1", f"{REFUNDS}/surplus|1"
    for signed, expected in ((sent, 200), (read, 401)):
        headers = {"Authorization": doors.merchant.authorization("GET", signed, "")}
        assert doors.vendors.get(sent, headers=headers).status_code == expected


def test_shipping_is_reported_through_the_door(doors: Doors) -> None:
    keys, transaction_id = doors.cloud.keys, doors.merchant.paid("order-1")
    asked = {"grant_type": "client_credential", "appid": keys.appid, "secret": keys.app_secret}
    token = doors.vendors.post("/cgi-bin/stable_token", json=asked).get_json()["access_token"]
    managed = f"/wxa/sec/order/is_trade_managed?access_token={token}"
    upload = f"/wxa/sec/order/upload_shipping_info?access_token={token}"
    assert doors.vendors.post(managed, json={"appid": keys.appid}).get_json()["is_trade_managed"]
    key = {"order_number_type": 2, "transaction_id": transaction_id}
    shipping = {
        "order_key": key,
        "logistics_type": 4,
        "delivery_mode": 1,
        "shipping_list": [{"item_desc": "牛肉面*1"}],
        "payer": {"openid": "alice"},
        "upload_time": "2026-03-02T12:30:00+08:00",
    }
    assert doors.vendors.post(upload, json=shipping).get_json()["errcode"] == 0
    assert list(doors.cloud.mini_program.shipped()) == [transaction_id]
    assert doors.control("mini-program/mode", trade_managed=False)[0] == 200
    assert doors.vendors.post(upload, json=shipping).get_json()["errcode"] == 48001


def test_controls_refuse_unknown_values(doors: Doors) -> None:
    status, mode = doors.control("wechat-pay/mode", reorder=True, copies=1)
    assert (status, mode["reorder"], mode["refund_gap_s"]) == (200, True, 60.0)
    doors.merchant.paid("order-1")
    doors.cloud.wechat_pay.mode.set({"delay_s": 3_600})  # Nobody receives it.
    assert doors.control("wechat-pay/release") == (200, {"released": 1})
    for control, body in (
        ("wechat-pay/mode", {"colour": "red"}),
        ("wechat-pay/plant", {"kind": "nonsense", "day": "2026-03-02"}),
        ("wechat-pay/plant", {"kind": "fee"}),
        ("wechat-pay/plant", {"kind": "fee", "day": "2026-03-02", "colour": "red"}),
    ):
        status, answer = doors.control(control, **body)
        assert (status, answer["errCode"]) == (400, "InvalidParameter")
