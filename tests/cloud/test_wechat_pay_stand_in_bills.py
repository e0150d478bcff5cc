"""WeChat Pay's stand-in as a plain object: bills, differences planted in them, older books."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud.wechat_pay_merchant import FRANCHISE, REFUNDS, STORE, Merchant
from localcloud.wechat_pay import FLOW_COLUMNS, TRADE_COLUMNS

DAY = "2026-03-02"
TRADE = f"/v3/bill/tradebill?bill_date={DAY}&bill_type=ALL&tar_type=GZIP"
FLOWS = f"/v3/bill/fundflowbill?bill_date={DAY}&account_type=BASIC&tar_type=GZIP"


def next_morning(merchant: Merchant) -> None:
    """Ten o'clock in Beijing of the day after `DAY`."""
    merchant.pass_time()
    merchant.clock.moment = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)


def rows(lines: list[list[str]]) -> list[dict[str, str]]:
    columns, *found = lines[:-2]
    return [dict(zip(columns, row, strict=True)) for row in found]


def test_a_days_trade_is_written_as_the_real_bill_is(merchant: Merchant) -> None:
    transaction_id = merchant.paid("order-1", 9_990, attach="table 7", description="面,饭")
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 4_995))
    merchant.paid_for_store("order-2", 100)
    next_morning(merchant)
    answer, lines = merchant.bill(TRADE)
    assert answer["download_url"].startswith("https://api.mch.weixin.qq.com/v3/billdownload/file?")
    plain = answer["plain"]
    assert (answer["hash_type"], answer["hash_value"]) == (
        "SHA1", hashlib.sha1(plain).hexdigest(),  # noqa: S324
    )  # fmt: skip
    assert plain.startswith(
        ("\ufeff" + ",".join(TRADE_COLUMNS) + "\r\n`2026-03-02 12:00:00,`").encode()
    )
    paid, of_store, refunded = rows(lines)
    assert paid == {
        "交易时间": "2026-03-02 12:00:00", "公众账号ID": merchant.keys.appid,
        "商户号": merchant.keys.mchid, "特约商户号": "0", "设备号": "",
        "微信订单号": transaction_id, "商户订单号": "order-1", "用户标识": "alice",
        "交易类型": "JSAPI", "交易状态": "SUCCESS", "付款银行": "OTHERS", "货币种类": "CNY",
        "应结订单金额": "99.90", "代金券金额": "0.00", "微信退款单号": "0", "商户退款单号": "0",
        "退款金额": "0.00", "充值券退款金额": "0.00", "退款类型": "", "退款状态": "",
        "商品名称": "面，饭", "商户数据包": "table 7", "手续费": "0.60000", "费率": "0.60%",
        "订单金额": "99.90", "申请退款金额": "0.00", "费率备注": "",
    }  # fmt: skip
    assert (of_store["特约商户号"], of_store["手续费"]) == (STORE, "0.01000")
    assert {name: refunded[name] for name in refunded if refunded[name] != paid[name]} == {
        "交易状态": "REFUND", "应结订单金额": "0.00", "微信退款单号": refunded["微信退款单号"],
        "商户退款单号": "r1", "退款金额": "49.95", "退款类型": "ORIGINAL", "退款状态": "SUCCESS",
        "手续费": "-0.30000", "订单金额": "0.00", "申请退款金额": "49.95",
    }  # fmt: skip
    assert lines[-2:] == [
        ["总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额",
         "订单总金额", "申请退款总金额"],
        ["3", "100.90", "49.95", "0.00", "0.31000", "100.90", "49.95"],
    ]  # fmt: skip
    _answer, ours = merchant.bill(f"{TRADE}&sub_mchid={STORE}")
    assert [row["商户订单号"] for row in rows(ours)] == ["order-2"]
    plain_url = TRADE.replace("&tar_type=GZIP", "")
    assert merchant.bill(plain_url)[0]["plain"] == plain


def test_a_refund_stands_in_the_bill_of_the_day_that_accepted_it(merchant: Merchant) -> None:
    merchant.paid("order-1")
    merchant.clock.moment = datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC)  # Almost midnight.
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 100))
    merchant.clock.moment = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
    assert rows(merchant.bill(TRADE)[1])[1]["退款状态"] == "PROCESSING"
    merchant.pass_time(days=1)
    assert rows(merchant.bill(TRADE)[1])[1]["交易时间"] == "2026-03-02 23:59:59"
    following = TRADE.replace(DAY, "2026-03-03")
    assert merchant.refused("GET", following) == (400, "NO_STATEMENT_EXIST")


def test_a_days_money_is_written_in_its_order_with_the_balance(merchant: Merchant) -> None:
    body = {
        "appid": merchant.keys.appid, "type": "MERCHANT_ID", "account": FRANCHISE,
        "name": merchant.encrypted("加盟商"), "relation_type": "HEADQUARTER",
    }  # fmt: skip
    merchant.call("POST", "/v3/profitsharing/receivers/add", body, merchant.keys.platform_serial)
    transaction_id = merchant.paid("order-1", 10_000)
    merchant.pass_time(minutes=1)
    part = {"type": "MERCHANT_ID", "account": FRANCHISE, "amount": 500, "description": "加盟费"}
    merchant.ok("POST", "/v3/profitsharing/orders", {
        "appid": merchant.keys.appid, "transaction_id": transaction_id, "out_order_no": "s1",
        "receivers": [part], "unfreeze_unsplit": True,
    })  # fmt: skip
    merchant.pass_time()
    merchant.ok("POST", "/v3/profitsharing/return-orders", {
        "out_order_no": "s1", "out_return_no": "b1", "return_mchid": FRANCHISE, "amount": 500,
        "description": "退款",
    })  # fmt: skip
    merchant.pay_service.mode.set({"refunds_end": "CLOSED"})
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 5_000))
    merchant.paid_for_store("order-2")  # The store's money, not the service provider's.
    next_morning(merchant)
    _answer, lines = merchant.bill(FLOWS)
    assert lines[0] == list(FLOW_COLUMNS)
    told = ("业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "业务凭证号")
    assert [tuple(row[name] for name in told) for row in rows(lines)] == [
        ("交易", "交易", "收入", "100.00", "100.00", "order-1"),
        ("交易", "扣除交易手续费", "支出", "0.60", "99.40", "order-1"),
        ("分账", "分账", "支出", "5.00", "94.40", "s1"),
        ("分账", "分账回退", "收入", "5.00", "99.40", "b1"),
        ("退款", "退款", "支出", "49.70", "49.70", "r1"),
        ("退款", "退款关闭", "收入", "49.70", "99.40", "r1"),
    ]
    assert rows(lines)[4]["备注"] == "退款总金额50.00元;含手续费0.30元"
    assert lines[-1] == ["6", "3", "154.70", "3", "55.30"]
    assert len({row["资金流水单号"] for row in rows(lines)}) == 6


def test_a_bill_is_there_from_ten_for_three_months_and_its_link_for_five_minutes(
    merchant: Merchant,
) -> None:
    merchant.paid("order-1")
    assert merchant.refused("GET", TRADE) == (400, "NO_STATEMENT_EXIST")
    for url in (TRADE, FLOWS):
        merchant.clock.moment = datetime(2026, 3, 3, 1, 59, 59, tzinfo=UTC)
        assert merchant.refused("GET", url) == (400, "STATEMENT_CREATING")
    next_morning(merchant)
    for change, expected in (
        ((DAY, "2026-3-2x"), (400, "bill_date")),
        ((DAY, "2026-03-01"), (400, "NO_STATEMENT_EXIST")),
        ((f"bill_date={DAY}&", ""), (400, "bill_date")),
        (("bill_type=ALL", "bill_type=NONE"), (400, "bill_type")),
        (("tar_type=GZIP", "tar_type=ZIP"), (400, "tar_type")),
        (("tar_type=GZIP", f"sub_mchid={STORE}"), (403, "NO_AUTH")),
        (("tar_type=GZIP", "colour=red"), (400, "colour")),
    ):
        assert merchant.refused("GET", TRADE.replace(*change)) == expected
    assert merchant.refused("GET", FLOWS.replace("BASIC", "FEES")) == (400, "account_type")
    link = urlsplit(merchant.ok("GET", TRADE)["download_url"])
    download = f"{link.path}?{link.query}"
    unsigned = merchant.pay_service.serve("GET", link.path, link.query, "", b"")
    assert unsigned[0] == 401
    assert merchant.raw("GET", download)[0] == 200
    merchant.pass_time(minutes=5)
    assert merchant.refused("GET", download) == (400, "token")
    merchant.pass_time(days=92)
    assert merchant.refused("GET", TRADE) == (400, "INVALID_REQUEST")


def test_planted_differences_are_in_the_bill_and_say_where(merchant: Merchant) -> None:
    for number in ("order-1", "order-2"):
        merchant.paid(number, 10_000)
    merchant.ok("POST", REFUNDS, merchant.refund("order-1", "r1", 100))
    next_morning(merchant)
    plant = merchant.pay_service.plant
    unknown = plant("unknown_payment", DAY, by_fen=700)
    assert plant("amount", DAY) == {"kind": "amount", "number": "order-1", "amount_fen": 10_100}
    assert plant("fee", DAY, "order-2", 5) == {"kind": "fee", "number": "order-2", "fee_fen": 65}
    assert plant("lost_refund", DAY)["number"] == "r1"
    found = {row["商户订单号"]: row for row in rows(merchant.bill(TRADE)[1])}
    assert found.keys() == {"order-1", "order-2", unknown["number"]}
    assert (found["order-1"]["订单金额"], found["order-2"]["手续费"]) == ("101.00", "0.65000")
    assert merchant.pay_service.books()["taken_fen"] == 20_700
    assert merchant.ok("GET", merchant.direct(unknown["number"]))["amount"]["total"] == 700
    for wrong in (("nonsense", DAY), ("fee", "2026-03-01"), ("fee", DAY, "order-9")):
        with pytest.raises(ValueError, match=r"kinds|nothing"):
            plant(*wrong)


def test_a_bill_asks_the_books_for_its_own_day_only(merchant: Merchant) -> None:
    file = sqlite3.connect(merchant._books)
    for table in ("payments", "refunds"):
        plan = f"explain query plan select doc from {table} where day = ? order by rowid"  # noqa: S608
        steps = " ".join(row[3] for row in file.execute(plan, (DAY,)))
        assert f"USING INDEX {table}_by_day" in steps
        assert "TEMP B-TREE" not in steps
    file.close()


def test_the_books_of_an_older_local_cloud_are_taken_over(merchant: Merchant) -> None:
    old = merchant._books.with_name("old.sqlite")
    payment: dict[str, Any] = {
        "request": merchant.order("order-1"), "out_trade_no": "order-1", "prepay_id": "wx1",
        "trade_state": "REFUND", "openid": "alice", "total": 500, "transaction_id": "42",
        "success_time": "2026-03-01T04:00:00+00:00",
    }  # fmt: skip
    refund = {
        "request": {}, "out_refund_no": "r1", "out_trade_no": "order-1", "amount": 200,
        "status": "SUCCESS", "refund_id": "50", "success_time": "2026-03-01T04:00:00+00:00",
    }  # fmt: skip
    file = sqlite3.connect(old)
    file.executescript(
        "create table payments (out_trade_no text primary key, prepay_id text unique, doc text);"
        "create table refunds (out_refund_no text primary key, out_trade_no text, doc text);"
    )
    file.execute("insert into payments values ('order-1', 'wx1', ?)", (json.dumps(payment),))
    file.execute("insert into refunds values ('r1', 'order-1', ?)", (json.dumps(refund),))
    file.commit()
    file.close()
    merchant._books = old
    merchant.pay_service = merchant.opened()
    books = merchant.pay_service.books()
    assert (books["taken_fen"], books["refunded_fen"]) == (500, 200)
    assert merchant.ok("GET", merchant.direct("order-1"))["trade_state"] == "REFUND"
    assert merchant.ok("GET", f"{REFUNDS}/r1")["status"] == "SUCCESS"
    assert merchant.pay_service.book_of("order-1")["refunded_fen"] == 200
    merchant.pay_service.forget_everything()
    assert merchant.pay_service.books()["taken_fen"] == 0
