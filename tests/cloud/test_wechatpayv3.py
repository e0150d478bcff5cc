"""The WeChat Pay stand-in, driven by a client that nobody here wrote: PyPI's `wechatpayv3`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.wechat_pay_merchant import BRAND, FRANCHISE, STORE, Merchant
from cloud.wechatpayv3_client import opened, served
from localcloud.wechat_pay.api import BASE_URL

NAME = "加盟商有限公司"
TRUST = ("public_key", "certificate")
# The client reads a certificate's dates in a way that `cryptography` warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Properties that return a na"),
]


@pytest.fixture
def address(merchant: Merchant) -> Iterator[str]:
    with served(merchant) as url:
        yield url


def done(answer: tuple[int, Any]) -> Any:
    """Return what a call answered; the client has verified its signature."""
    status, text = answer
    assert status in (200, 204), text
    return json.loads(text) if text else {}


def opened_notices(merchant: Merchant, client: Any) -> list[dict[str, Any]]:
    """Let what is under way happen; the notices since, as the client reads them."""
    merchant.delivered.clear()
    merchant.pass_time(seconds=61)
    return [client.callback(headers, body) for _url, headers, body in merchant.delivered]


@pytest.mark.parametrize("trust", TRUST)
def test_a_foreign_client_orders_is_paid_refunds_and_reads_both_notices(
    merchant: Merchant, address: str, tmp_path: Path, trust: str
) -> None:
    merchant.pay_service.mode.set({"signs_with": trust})
    client = opened(merchant, address, tmp_path, trust=trust)
    ask = {
        "description": "牛肉面",
        "amount": {"total": 3_000, "currency": "CNY"},
        "payer": {"openid": "alice"},
    }
    prepay_id = done(client.pay(out_trade_no="order-1", **ask))["prepay_id"]
    assert done(client.query(out_trade_no="order-1"))["trade_state"] == "NOTPAY"
    paid = merchant.tap(prepay_id)
    [notice] = opened_notices(merchant, client)
    assert (notice["summary"], notice["resource"]) == ("支付成功", paid)
    assert done(client.query(transaction_id=paid["transaction_id"])) == paid

    fen = {"refund": 1_000, "total": 3_000, "currency": "CNY"}
    done(client.refund("R1", fen, out_trade_no="order-1", reason="做错了"))
    [notice] = opened_notices(merchant, client)
    assert (notice["summary"], notice["resource"]["refund_status"]) == ("退款成功", "SUCCESS")
    assert done(client.query_refund("R1"))["status"] == "SUCCESS"

    done(client.pay(out_trade_no="order-2", **ask))
    assert done(client.close("order-2")) == {}
    assert done(client.query(out_trade_no="order-2"))["trade_state"] == "CLOSED"


@pytest.mark.parametrize("trust", TRUST)
def test_a_foreign_client_shares_takes_back_and_unfreezes(
    merchant: Merchant, address: str, tmp_path: Path, trust: str
) -> None:
    merchant.pay_service.mode.set({"signs_with": trust})
    client = opened(merchant, address, tmp_path, trust=trust)
    added = done(client.profitsharing_add_receiver("MERCHANT_ID", FRANCHISE, "HEADQUARTER", NAME))
    assert client.decrypt(added["name"]) == NAME
    transaction_id = merchant.paid("order-1")
    merchant.pass_time(minutes=1)
    part = {"type": "MERCHANT_ID", "account": FRANCHISE, "amount": 2_000, "description": "加盟费"}
    done(client.profitsharing_order(transaction_id, "s1", [part], unfreeze_unsplit=False))
    merchant.pass_time()
    assert done(client.profitsharing_order_query(transaction_id, "s1"))["state"] == "FINISHED"
    done(client.profitsharing_return("b1", FRANCHISE, 500, "退款", out_order_no="s1"))
    merchant.pass_time()
    assert done(client.profitsharing_return_query("s1", "b1"))["result"] == "SUCCESS"
    rest = done(client.profitsharing_amount_query(transaction_id))["unsplit_amount"]
    done(client.profitsharing_unfreeze(transaction_id, "u1", "完结"))
    merchant.pass_time()
    assert rest > 0
    assert done(client.profitsharing_amount_query(transaction_id))["unsplit_amount"] == 0
    done(client.profitsharing_delete_receiver("MERCHANT_ID", FRANCHISE))


def test_a_foreign_client_serves_a_store_of_a_brand_as_its_partner(
    merchant: Merchant, address: str, tmp_path: Path
) -> None:
    client = opened(merchant, address, tmp_path, trust="public_key", partner=True)
    prepay_id = done(
        client.pay(
            description="牛肉面",
            out_trade_no="order-1",
            sub_mchid=STORE,
            amount={"total": 3_000, "currency": "CNY"},
            payer={"sp_openid": "alice"},
            settle_info={"profit_sharing": True},
        )
    )["prepay_id"]
    paid = merchant.tap(prepay_id)
    found = done(client.query(out_trade_no="order-1", sub_mchid=STORE))
    assert found == paid
    added = done(
        client.brand_profitsharing_add_receiver(BRAND, "MERCHANT_ID", FRANCHISE, "SUPPLIER", NAME)
    )
    assert client.decrypt(added["name"]) == NAME
    merchant.pass_time(minutes=1)
    part = {"type": "MERCHANT_ID", "account": FRANCHISE, "amount": 300, "description": "加盟费"}
    asked = (paid["transaction_id"], "s1")
    done(client.brand_profitsharing_order(BRAND, STORE, *asked, [part], finish=False))
    merchant.pass_time()
    assert done(client.brand_profitsharing_order_query(*asked, STORE))["status"] == "FINISHED"


def test_a_foreign_client_fetches_certificates_and_bills(
    merchant: Merchant, address: str, tmp_path: Path
) -> None:
    client = opened(merchant, address, tmp_path, trust="certificate")
    newer = merchant.pay_service.rotate_certificate()
    merchant.pay_service.mode.set({"signs_with": "certificate"})
    merchant.paid("order-1")
    day = merchant.clock.now().date().isoformat()
    merchant.clock.advance(days=1, hours=12)
    for bill in (client.trade_bill(day), client.fundflow_bill(day)):
        url = done(bill)["download_url"].replace(BASE_URL, address)
        status, file = client.download_bill(url)
        assert (status, file[:2]) == (200, b"\x1f\x8b")
    serials = {f"{known.serial_number:X}" for known in client._core._certificates}
    assert newer.serial in serials


def test_every_answer_and_notice_says_how_it_is_signed_and_has_a_number(
    merchant: Merchant,
) -> None:
    merchant.paid("order-1")
    merchant.pass_time()
    answers = [merchant.raw("GET", url)[2] for url in (merchant.direct("order-1"), "/v3/nothing")]
    notices = [headers for _url, headers, _body in merchant.delivered]
    assert notices
    for headers in (*answers, *notices):
        assert headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
        assert headers["Request-ID"]
