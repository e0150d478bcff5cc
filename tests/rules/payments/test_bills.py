"""Reading WeChat Pay's bills: their content is understood, and damaged ones are refused."""

from __future__ import annotations

import contextlib
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bill_texts import MCHID, TRADE_HEADER, Row, flow_bill, paid, refunded, trade_bill, yuan
from huitou.catalog.stores.models import Merchant
from huitou.payments.bill_check.errors import BillErrors
from huitou.payments.bill_check.models import (
    BilledPayment,
    BilledRefund,
    BillSums,
    FlowRow,
    TradeRow,
)
from huitou.payments.bill_check.rules import (
    flow_differences,
    flow_rows,
    flow_sums,
    payment_differences,
    refund_differences,
    sums_by_merchant,
    total_of,
    trade_rows,
)
from huitou.runtime.errors import Refusal

DAY = "2026-03-01"
OWN = Merchant(mchid=MCHID)
GOOD = [paid("p1", 3_600), paid("p2", 1_500), refunded("r1", "p1", 1_000)]


def read(content: bytes) -> list[TradeRow]:
    return list(trade_rows(io.BytesIO(content), DAY))


def flows(content: bytes) -> list[FlowRow]:
    return list(flow_rows(io.BytesIO(content)))


def fault(content: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        read(content)
    assert refused.value.code is BillErrors.BILL_DAMAGED
    return refused.value.detail


def test_a_good_bill_is_read_with_every_amount_in_fen() -> None:
    first, _, refund = read(trade_bill(GOOD))
    assert (first.out_trade_no, first.total_fen, first.fee_fen) == ("p1", 3_600, 22)
    assert (first.mchid, first.sub_mchid, first.out_refund_no) == (MCHID, None, None)
    assert first.at.isoformat() == "2026-03-01T12:00:00+08:00"
    assert (refund.out_refund_no, refund.out_trade_no) == ("r1", "p1")
    assert (refund.asked_fen, refund.refunded_fen, refund.fee_fen) == (1_000, 1_000, -6)


def test_sums_are_added_up_by_merchant() -> None:
    rows = [*GOOD, paid("p3", 200, 特约商户号="1900000200")]
    by_merchant = sums_by_merchant(trade_rows(io.BytesIO(trade_bill(rows)), DAY))
    assert by_merchant[None] == BillSums(
        payments=2, refunds=1, taken_fen=5_100, given_back_fen=1_000, fees_fen=31, fees_back_fen=6
    )
    assert by_merchant[None].kept_fen == 5_100 - 1_000 - 31 + 6
    assert by_merchant["1900000200"].taken_fen == 200
    assert total_of(by_merchant.values()).payments == 3


def test_a_real_bill_of_wechat_pay_is_read() -> None:
    """A row as developers have published it: fees to five decimals, empty cells, no BOM."""
    content = (
        TRADE_HEADER + "\n"
        "`2026-03-01 16:47:58,`wxe1696e7c7db8e7f4,`1579507281,`0,`,`4200002166202406250324636876,"
        "`5617363390111199232,`oVgf,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,"
        "`50302709992024070991956632208,`5622435300878286848,`50.00,`0.00,`ORIGINAL,`SUCCESS,"
        '`2024-06-28 18:30 客户付款,`{"statement_id":"5617363390111199232"},`-0.27000,`0.54%,'
        "`0.00,`50.00,`\n"
        "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n"
        "`1,`0.00,`50.00,`0.00,`-0.27000,`0.00,`50.00\n"
    ).encode()
    [row] = read(content)
    assert (row.asked_fen, row.fee_fen, row.refund_state) == (5_000, -27, "SUCCESS")


@pytest.mark.parametrize(
    "name",
    [
        "红茶,大杯",
        '"红茶, 大杯"',
        '12" 披萨',
        "`反引号`",
        "a`,b",
        'x,"`y',
        "总交易单数",
        "=1+1",
        "\\r\\n",
    ],
)
def test_a_row_is_read_whatever_its_dish_is_called(name: str) -> None:
    assert len(read(trade_bill([paid("p1", 100, 商品名称=name)]))) == 1


def test_cells_quoted_as_in_csv_are_read() -> None:
    row = paid("p1", 100, 商品名称="红茶,大杯")
    plain = trade_bill([row]).decode()
    quoted = plain.replace("`红茶,大杯", '"`红茶,大杯"')
    assert quoted != plain
    assert read(quoted.encode()) == read(plain.encode())


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    turned = [dict(reversed(row.items())) for row in GOOD]
    assert read(trade_bill(turned)) == read(trade_bill(GOOD))
    more = [{"新的一列": "x", **row} for row in GOOD]
    assert read(trade_bill(more)) == read(trade_bill(GOOD))


@pytest.mark.parametrize(
    ("shown", "fen"),
    [("0.004", 0), ("0.00499", 0), ("0.005", 1), ("0.01500", 2), ("-0.005", -1), ("1", 100)],
)
def test_a_rows_fee_is_rounded_half_up(shown: str, fen: int) -> None:
    assert read(trade_bill([paid("p1", 100, 手续费=shown)]))[0].fee_fen == fen


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("总交易单数", "4"), ("应结订单总金额", "51.01"), ("退款总金额", "0.00"),
        ("充值券退款总金额", "0.01"), ("手续费总金额", "0.25001"), ("订单总金额", "51.00001"),
        ("申请退款总金额", "-10.00"),
    ],
)  # fmt: skip
def test_a_bill_whose_sums_differ_from_its_rows_is_refused(name: str, stated: str) -> None:
    assert fault(trade_bill(GOOD, **{name: stated})).startswith(f"line 6 {name}: says {stated}")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("订单金额", "36.001"), ("订单金额", "-1.00"), ("订单金额", "1e3"), ("订单金额", ""),
        ("订单金额", "１２.00"), ("订单金额", "NaN"), ("订单金额", "1,000.00"),
        ("订单金额", "9" * 13), ("手续费", "0.123456"), ("手续费", "Infinity"),
        ("交易时间", "2026-02-30 12:00:00"), ("交易时间", "2026-03-01"),
        ("交易时间", "2026-03-03 00:00:00"), ("货币种类", "USD"), ("商户订单号", ""),
        ("商户订单号", "p" * 65), ("商户订单号", "p 1"), ("商户号", "\x00"),
        ("特约商户号", "門店"), ("商户退款单号", "r\u200b1"),
    ],
)  # fmt: skip
def test_a_hostile_cell_is_named_by_line_and_column_and_never_shown(column: str, cell: str) -> None:
    honest = trade_bill(GOOD).decode()
    row = GOOD[1]
    changed = [f"`{row[name] if name != column else cell}" for name in row]
    where = honest.splitlines()
    where[2] = ",".join(changed)
    reason = fault("\n".join(where).encode())
    assert reason.startswith(f"line 3 {column}: ")
    assert "o-guest" not in reason
    assert len(cell) < 4 or cell not in reason


@pytest.mark.parametrize("column", ["订单金额", "手续费", "商户订单号", "特约商户号"])
def test_a_bill_without_a_column_or_with_it_twice_is_refused(column: str) -> None:
    without = [{name: cell for name, cell in row.items() if name != column} for row in GOOD]
    text = trade_bill(GOOD).decode()
    missing = "\r\n".join(
        [",".join(without[0]), *(",".join("`" + c for c in row.values()) for row in without)]
    )
    assert fault(missing.encode()) == f"line 1 {column}: is missing or there twice"
    twice = text.replace("设备号", column, 1)
    assert fault(twice.encode()) == f"line 1 {column}: is missing or there twice"


def test_a_bill_that_was_cut_off_anywhere_is_refused() -> None:
    whole = trade_bill(GOOD)
    lines = whole.splitlines(keepends=True)
    for kept in range(len(lines)):
        fault(b"".join(lines[:kept]))
    for cut in (10, 200, len(whole) // 2, len(whole) - 10):
        fault(whole[:cut])


def test_bytes_that_arent_a_bill_are_refused() -> None:
    assert fault(b"") == "line 1: is missing: the bill is empty"
    assert fault(b"\xff\xfe").endswith("is not UTF-8")
    assert fault(b'{"code":"SYSTEM_ERROR"}').startswith("line 1 ")
    assert "is too long" in fault(trade_bill([paid("p1", 100, 商品名称="x" * 40_000)]))
    assert fault(trade_bill(GOOD) + b"`1,`2\r\n") == "line 7: stands behind the sums"
    swapped = trade_bill(GOOD).replace("`招牌奶茶".encode(), "招牌奶茶".encode(), 1)
    assert fault(swapped) == "line 2: has a value without its backtick"
    shorter = trade_bill(GOOD).replace(",`招牌奶茶".encode(), b"", 1)
    assert fault(shorter) == "line 2: has 26 values for 27 columns"
    unmarked = trade_bill(GOOD).replace(b"\n`2026", b"\n2026", 1)
    assert fault(unmarked) == "line 2: has a value without its backtick"


amounts = st.integers(1, 10**9)
names = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=30)
numbers = st.text("abcdefXYZ0123456789_-|*@", min_size=2, max_size=32)


@st.composite
def bill_rows(draw: st.DrawFn) -> list[Row]:
    rows = []
    for number in draw(st.lists(numbers, max_size=12, unique=True)):
        fen = draw(amounts)
        cells = {"商品名称": draw(names).replace(",`", "").rstrip(","), "商户数据包": "x"}
        if draw(st.booleans()):
            rows.append(paid(number, fen, **cells))
        else:
            rows.append(refunded(number, "p" + number, fen, **cells))
    return rows


@given(bill_rows())
def test_any_bill_is_read_as_it_was_written(rows: list[Row]) -> None:
    read_rows = read(trade_bill(rows))
    assert [row.out_refund_no or row.out_trade_no for row in read_rows] == [
        row["商户退款单号"] if row["交易状态"] == "REFUND" else row["商户订单号"] for row in rows
    ]
    assert [yuan(row.total_fen) for row in read_rows] == [row["订单金额"] for row in rows]
    total = total_of(sums_by_merchant(iter(read_rows)).values())
    assert total.taken_fen == sum(int(Decimal(row["应结订单金额"]) * 100) for row in rows)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    for content in (noise, trade_bill(GOOD)[:150] + noise, trade_bill(GOOD) + noise):
        with contextlib.suppress(Refusal):
            read(content)


MOVES = [("交易", "收入", 5_100), ("扣除交易手续费", "支出", 31), ("退款", "支出", 994),
         ("提现", "支出", 9_000)]  # fmt: skip


def test_a_fund_flow_is_compared_with_the_trade_bill() -> None:
    trade = total_of(sums_by_merchant(iter(read(trade_bill(GOOD)))).values())
    moved = flow_sums(flows(flow_bill(MOVES)))
    assert moved == {"交易": 5_100, "扣除交易手续费": -31, "退款": -994, "提现": -9_000}
    assert flow_differences(trade, moved) == []
    apart = flow_sums(
        flows(flow_bill([*MOVES[:2], ("退款", "支出", 1_000), ("退还交易手续费", "收入", 6)]))
    )
    assert flow_differences(trade, apart) == []
    assert flow_differences(trade, moved | {"扣除交易手续费": -32}) == [("fees", -31, -32)]
    assert len(flow_differences(trade, {})) == 3


@pytest.mark.parametrize(
    "sums", [{"资金流水总笔数": "5.0"}, {"收入笔数": "2"}, {"支出金额": "0.01"}, {"收入金额": "x"}]
)
def test_a_fund_flow_with_wrong_sums_is_refused(sums: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        flows(flow_bill(MOVES, **sums))
    assert refused.value.code is BillErrors.BILL_DAMAGED
    [name] = sums
    assert f"line 7 {name}" in refused.value.detail


def test_a_flow_that_is_neither_income_nor_expense_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        flows(flow_bill([("交易", "不计收支", 1)]))
    assert refused.value.field == "line 2 收支类型"


def payment(**more: object) -> BilledPayment:
    document = {"_id": "p1", "status": "success", "amount_fen": 3_600, "sharing": {"fee_bp": 60}}
    return BilledPayment.model_validate(document | more)


def refund(**more: object) -> BilledRefund:
    document = {
        "_id": "r1",
        "status": "success",
        "amount_fen": 1_000,
        "out_trade_no": "p1",
        "created_at": "2026-03-01T00:00:00Z",
    }
    return BilledRefund.model_validate(document | more)


def row_of(row: Row) -> TradeRow:
    return read(trade_bill([row]))[0]


@pytest.mark.parametrize(
    ("ours", "cells", "kinds"),
    [
        (payment(), {}, []),
        (payment(status="surplus"), {}, []),
        (payment(sharing=None), {"手续费": "9.00"}, []),
        (None, {}, ["payment unknown to us"]),
        (payment(amount_fen=3_601), {}, ["payment amount"]),
        (payment(transaction_id="42p1"), {}, []),
        (payment(transaction_id="42p2"), {}, ["transaction"]),
        (payment(status="open"), {}, ["payment state"]),
        (payment(status="closed"), {}, ["payment state"]),
        (payment(), {"交易状态": "REVOKED"}, ["payment state"]),
        (payment(), {"手续费": "0.21000"}, ["fee"]),
        (payment(sharing={"fee_bp": 38}), {}, ["fee"]),
        (payment(merchant={"mchid": MCHID}), {}, []),
        (payment(merchant={"mchid": MCHID, "sub_mchid": "77"}), {}, ["merchant"]),
        (payment(), {"商户号": "1"}, ["merchant"]),
        (payment(), {"特约商户号": "77"}, ["merchant"]),
        (payment(merchant={"mchid": MCHID, "sub_mchid": "77"}), {"特约商户号": "77"}, []),
        (payment(amount_fen=1, status="open"), {"手续费": "9"},
         ["payment amount", "payment state"]),  # One cause is reported once.
    ],
)  # fmt: skip
def test_each_difference_of_a_payment_has_its_own_kind(
    ours: BilledPayment | None, cells: Row, kinds: list[str]
) -> None:
    found = payment_differences(row_of(paid("p1", 3_600, **cells)), ours, OWN, DAY)
    assert [difference.kind for difference in found] == kinds
    assert {difference.reference for difference in found} <= {"p1"}


@pytest.mark.parametrize(
    ("ours", "cells", "kinds"),
    [
        (refund(), {}, []),
        (refund(status="requested"), {}, []),
        (None, {}, ["refund unknown to us"]),
        (refund(amount_fen=999), {}, ["refund amount"]),
        (refund(out_trade_no="p2"), {}, ["refund payment"]),
        (refund(status="rejected"), {}, ["refund state"]),
        (refund(), {"手续费": "-0.05000"}, []),  # The fee of a part may be rounded either way.
        (refund(), {"手续费": "-0.04000"}, ["fee"]),
        (refund(), {"手续费": "0.06000"}, ["fee"]),
        (refund(), {"商户号": "1"}, ["merchant"]),
    ],
)
def test_each_difference_of_a_refund_has_its_own_kind(
    ours: BilledRefund | None, cells: Row, kinds: list[str]
) -> None:
    row = row_of(refunded("r1", "p1", 1_000, **cells))
    found = refund_differences(row, ours, payment(), OWN, DAY)
    assert [difference.kind for difference in found] == kinds
    assert {difference.reference for difference in found} <= {"r1"}


def test_a_whole_refund_gives_exactly_the_fee_back() -> None:
    for shown, kinds in (("-0.22", []), ("-0.21", ["fee"]), ("-0.23", ["fee"])):
        row = row_of(refunded("r1", "p1", 3_600, 手续费=shown))
        found = refund_differences(row, refund(amount_fen=3_600), payment(), OWN, DAY)
        assert [difference.kind for difference in found] == kinds
