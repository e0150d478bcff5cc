"""Read WeChat Pay's daily bills strictly: a fault is an error that names its line and column.

Source: WeChat Pay's 交易账单详细说明 and 资金账单详细说明. A bill is UTF-8 text: a header, one line
for each row, the sums' header, the sums. Commas separate the values, and each value begins with a
backtick. We find columns by name, because their order may change. Amounts are in yuan. Days run
from 00:00 to 24:00 in Shanghai. A refund is in the bill of the day on which it was accepted.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import Merchant
from huitou.payments.bill_check.errors import BillErrors
from huitou.payments.bill_check.models import (
    BilledPayment,
    BilledRefund,
    BillSums,
    FlowRow,
    TradeRow,
)
from huitou.payments.discrepancies.models import Difference, Value
from huitou.payments.profit_sharing.rules import fee_fen
from huitou.runtime.errors import Code, Refusal

ZONE = ZoneInfo("Asia/Shanghai")
MAX_LINE_BYTES = 32_768  # The longest value, a note, has 2,048 characters.
MAX_ROWS = 1_000_000
DAY_S = 86_400  # A row further than this from noon can't belong to the day of its bill.
_YUAN = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,5})?")
_COUNT = re.compile(r"[0-9]{1,9}(\.0+)?")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_NUMBER = re.compile(r"[\x21-\x7e]{1,64}")
_FEN = Decimal("0.01")

TRADE_COLUMNS = (
    "交易时间", "商户号", "特约商户号", "微信订单号", "商户订单号", "交易状态", "货币种类",
    "应结订单金额", "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款状态",
    "手续费", "订单金额", "申请退款金额",
)  # fmt: skip
# Each sum of a trade bill, and the column that it adds up.
_TRADE_COUNT = "总交易单数"
_TRADE_SUMS = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
FLOW_COLUMNS = ("记账时间", "业务类型", "收支类型", "收支金额(元)")
_FLOW_COUNT = "资金流水总笔数"
_FLOW_SUMS = {"收入": ("收入笔数", "收入金额"), "支出": ("支出笔数", "支出金额")}
# The 业务类型 of a fund flow bill that the trade bill covers as well.
TRADE, FEE, REFUND, FEE_BACK = "交易", "扣除交易手续费", "退款", "退还交易手续费"
FLOW_FIGURES = ("taken", "fees", "given back")


def trade_rows(lines: Iterable[bytes], day: str) -> Iterator[TradeRow]:
    """Read a trade bill of type ALL row by row, and compare its sums with the rows at the end.

    Raises Refusal BILL_DAMAGED naming line and column. As a fault may be in the last line, read
    the whole bill once before acting on its rows.
    """
    sums = dict.fromkeys(_TRADE_SUMS.values(), Decimal())
    noon, count = day_start(day) + timedelta(hours=12), 0
    table = _Table(lines, TRADE_COLUMNS, _TRADE_COUNT)
    for row in table:
        count += 1
        for column in sums:
            sums[column] += row.yuan(column)
        read = _trade_row(row)
        if abs((read.at - noon).total_seconds()) > DAY_S:
            raise row.damaged("交易时间", "is of another day")
        yield read
    total = table.sums((_TRADE_COUNT, *_TRADE_SUMS))
    total.must_be(_TRADE_COUNT, total.count(_TRADE_COUNT), count)
    for name, column in _TRADE_SUMS.items():
        total.must_be(name, total.yuan(name), sums[column])


def flow_rows(lines: Iterable[bytes]) -> Iterator[FlowRow]:
    """Read a fund flow bill row by row, checked like a trade bill."""
    sums = dict.fromkeys(_FLOW_SUMS, Decimal())
    counts = dict.fromkeys(_FLOW_SUMS, 0)
    table = _Table(lines, FLOW_COLUMNS, _FLOW_COUNT)
    for row in table:
        row.moment("记账时间")
        direction = row.text("收支类型")
        if direction not in _FLOW_SUMS:
            raise row.damaged("收支类型", "is neither 收入 nor 支出")
        counts[direction] += 1
        sums[direction] += row.yuan("收支金额(元)")
        yield FlowRow(row.text("业务类型"), direction == "收入", row.whole_fen("收支金额(元)"))
    total = table.sums((_FLOW_COUNT, *(name for names in _FLOW_SUMS.values() for name in names)))
    total.must_be(_FLOW_COUNT, total.count(_FLOW_COUNT), sum(counts.values()))
    for direction, (number, amount) in _FLOW_SUMS.items():
        total.must_be(number, total.count(number), counts[direction])
        total.must_be(amount, total.yuan(amount), sums[direction])


def sums_by_merchant(rows: Iterable[TradeRow]) -> dict[str | None, BillSums]:
    """Add up a trade bill by 特约商户号; reading it to its end also proves that it is complete."""
    sums: dict[str | None, Counter[str]] = {}
    for row in rows:
        counts = sums.setdefault(row.sub_mchid, Counter())
        counts["fees_fen" if row.fee_fen > 0 else "fees_back_fen"] += abs(row.fee_fen)
        if row.out_refund_no is None:
            counts.update(payments=1, taken_fen=row.settled_fen)
        else:
            counts.update(refunds=1, given_back_fen=row.refunded_fen)
    return {sub_mchid: BillSums(**counts) for sub_mchid, counts in sums.items()}


def total_of(sums: Iterable[BillSums]) -> BillSums:
    """Add up the sums of several merchants."""
    total: Counter[str] = Counter()
    for merchant_sums in sums:
        total.update(merchant_sums.model_dump())
    return BillSums(**total)


def flow_sums(rows: Iterable[FlowRow]) -> dict[str, int]:
    """Return the net movement by 业务类型, in fen: what came in minus what went out."""
    sums: dict[str, int] = {}
    for row in rows:
        moved = row.amount_fen if row.income else -row.amount_fen
        sums[row.kind] = sums.get(row.kind, 0) + moved
    return sums


def flow_differences(trade: BillSums, flow: dict[str, int]) -> list[tuple[str, int, int]]:
    """Compare the account's movements with the trade bill: (name, expected, found) if they differ.

    Refunds and the fees given back with them are one figure: WeChat Pay has booked the fee both
    as a flow of its own (退还交易手续费) and inside the refund (退款总金额…含手续费…).
    """
    back = trade.fees_back_fen - trade.given_back_fen
    expected = (trade.taken_fen, -trade.fees_fen, back)
    found = (flow.get(TRADE, 0), flow.get(FEE, 0), flow.get(REFUND, 0) + flow.get(FEE_BACK, 0))
    figures = zip(FLOW_FIGURES, expected, found, strict=True)
    return [(name, ours, theirs) for name, ours, theirs in figures if ours != theirs]


def calendar_day(at: datetime) -> str:
    """Return the calendar day in Shanghai; bills don't use business days."""
    return at.astimezone(ZONE).date().isoformat()


def day_start(day: str) -> datetime:
    """Return the day's first moment in Shanghai; raises Refusal INVALID_REQUEST if it is no day."""
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=ZONE)
    except ValueError:
        raise Refusal(Code.INVALID_REQUEST, field="day", detail="day") from None


def payment_differences(
    row: TradeRow, payment: BilledPayment | None, own: Merchant, day: str
) -> list[Difference]:
    """Compare a payment's row with our payment; if the amounts agree, compare the fee too.

    `own` is the chain's merchant, which is meant by older payments that name none.
    """
    if payment is None:
        return [_unknown("payment unknown to us", row.out_trade_no, day, found=row.total_fen)]
    sides: list[tuple[str, Value, Value]] = [
        _merchants(row, payment.merchant or own),
        ("payment amount", payment.amount_fen, row.total_fen),
        ("transaction", payment.transaction_id or row.transaction_id, row.transaction_id),
    ]
    if row.state != "SUCCESS" or payment.status not in ("success", "surplus"):
        sides.append(("payment state", payment.status, row.state))
    if payment.sharing is not None and payment.amount_fen == row.total_fen:
        sides.append(("fee", fee_fen(row.settled_fen, payment.sharing.fee_bp), row.fee_fen))
    return _differing(sides, payment.id, day, payment.store_id)


def refund_differences(
    row: TradeRow,
    refund: BilledRefund | None,
    payment: BilledPayment | None,
    own: Merchant,
    day: str,
) -> list[Difference]:
    """Compare a refund's row with our refund; the row is of the day on which it was accepted.

    That state never changes later, so it differs only if we never asked for the refund. A refund of
    the whole payment gives the whole fee back; for a part the fee may be rounded either way.
    """
    reference = str(row.out_refund_no)
    if refund is None:
        return [_unknown("refund unknown to us", reference, day, found=row.asked_fen)]
    sides: list[tuple[str, Value, Value]] = [
        _merchants(row, refund.merchant or own),
        ("refund amount", refund.amount_fen, row.asked_fen),
        ("refund payment", refund.out_trade_no, row.out_trade_no),
    ]
    if refund.status in ("awaiting_approval", "rejected"):
        sides.append(("refund state", refund.status, row.refund_state))
    same = refund.amount_fen == row.asked_fen
    if same and payment is not None and payment.sharing is not None:
        back = -fee_fen(row.refunded_fen, payment.sharing.fee_bp)
        slack = 0 if row.asked_fen == payment.amount_fen else 1
        if abs(back - row.fee_fen) > slack:
            sides.append(("fee", back, row.fee_fen))
    return _differing(sides, refund.id, day, refund.store_id)


class _Cells:
    """The values of one line, found by column."""

    def __init__(self, line: int, columns: dict[str, int], values: Sequence[str]) -> None:
        self.line = line
        self._columns = columns
        self._values = values

    def damaged(self, column: str, fault: str) -> Refusal:
        return _damaged(self.line, fault, column)

    def text(self, column: str) -> str:
        return self._values[self._columns[column]].strip()

    def number(self, column: str) -> str:
        """Return an id: printable ASCII, which WeChat Pay allows in our ids and uses in its own."""
        value = self.text(column)
        if not _NUMBER.fullmatch(value):
            raise self.damaged(column, "is no number of an order, refund or merchant")
        return value

    def yuan(self, column: str) -> Decimal:
        value = self.text(column)
        if not _YUAN.fullmatch(value):
            raise self.damaged(column, "is no amount in yuan")
        return Decimal(value)

    def whole_fen(self, column: str) -> int:
        """Return an amount in fen; it must be whole and not negative."""
        yuan = self.yuan(column)
        if yuan < 0 or yuan != yuan.quantize(_FEN):
            raise self.damaged(column, "is negative or a part of a fen")
        return int(yuan * 100)

    def rounded_fen(self, column: str) -> int:
        """Return a fee, which has five decimals, in fen; a half is rounded away from 0."""
        return int(self.yuan(column).quantize(_FEN, ROUND_HALF_UP) * 100)

    def count(self, column: str) -> int:
        value = self.text(column)
        if not _COUNT.fullmatch(value):
            raise self.damaged(column, "is no count")
        return int(value.partition(".")[0])

    def moment(self, column: str) -> datetime:
        value = self.text(column)
        try:
            if not _MOMENT.fullmatch(value):
                raise ValueError(value)
            return datetime.fromisoformat(value).replace(tzinfo=ZONE)
        except ValueError:
            raise self.damaged(column, "is no moment (yyyy-MM-dd HH:mm:ss)") from None

    def must_be(self, column: str, stated: Decimal | int, added: Decimal | int) -> None:
        if stated != added:
            raise self.damaged(column, f"says {stated}, the rows add up to {added}")


class _Table:
    """A bill's lines: header, rows, the sums' header, the sums; nothing may follow."""

    def __init__(self, lines: Iterable[bytes], columns: Sequence[str], closing: str) -> None:
        self._lines = enumerate(lines, 1)
        self._closing = closing
        header = self._next()
        if header is None:
            raise _damaged(1, "is missing: the bill is empty")
        self._columns = _column_numbers(*header, columns)
        self._sums_header: tuple[int, str] | None = None

    def _next(self) -> tuple[int, str] | None:
        number, raw = next(self._lines, (0, b""))
        if not number:
            return None
        if len(raw) > MAX_LINE_BYTES:
            raise _damaged(number, "is too long")
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _damaged(number, "is not UTF-8") from None
        return number, text.removeprefix("\ufeff") if number == 1 else text

    def __iter__(self) -> Iterator[_Cells]:
        for _ in range(MAX_ROWS + 1):
            line = self._next()
            if line is None:
                raise _damaged(0, "the sums are missing: the bill was cut off")
            number, text = line
            if text.lstrip("`").startswith(self._closing):
                self._sums_header = line
                return
            yield _Cells(number, self._columns, _values(number, text, len(self._columns)))
        raise _damaged(MAX_ROWS, "the bill has too many rows")

    def sums(self, wanted: Sequence[str]) -> _Cells:
        """Return the sums; call it once every row is read."""
        assert self._sums_header is not None  # noqa: S101 - it ended the rows
        columns = _column_numbers(*self._sums_header, wanted)
        line = self._next()
        if line is None:
            raise _damaged(0, "the sums are missing: the bill was cut off")
        sums = _Cells(line[0], columns, _values(*line, len(columns)))
        while (rest := self._next()) is not None:
            if rest[1].strip():
                raise _damaged(rest[0], "stands behind the sums")
        return sums


def _column_numbers(line: int, text: str, wanted: Sequence[str]) -> dict[str, int]:
    names = [name.strip().lstrip("`") for name in text.split(",")]
    for name in wanted:
        if names.count(name) != 1:
            raise _damaged(line, "is missing or there twice", name)
    if len(set(names)) != len(names):
        raise _damaged(line, "names a column twice")
    return {name: number for number, name in enumerate(names)}


def _values(line: int, text: str, columns: int) -> list[str]:
    """Split a row at commas that a backtick follows; other commas are part of a dish's name.

    If a row is quoted as in CSV, the backtick is inside the quotes.
    """
    cells = text.split(",`")
    if text.startswith("`") and len(cells) == columns:
        return [cells[0][1:], *cells[1:]]
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise _damaged(line, "is no CSV") from None
    if len(cells) != columns:
        raise _damaged(line, f"has {len(cells)} values for {columns} columns")
    if not all(cell.startswith("`") for cell in cells):
        raise _damaged(line, "has a value without its backtick")
    return [cell[1:] for cell in cells]


def _trade_row(row: _Cells) -> TradeRow:
    if row.text("货币种类") != "CNY":
        raise row.damaged("货币种类", "is not CNY")
    refund_no = row.text("商户退款单号")
    sub_mchid = row.text("特约商户号")
    return TradeRow(
        at=row.moment("交易时间"),
        mchid=row.number("商户号"),
        sub_mchid=None if sub_mchid in ("", "0") else row.number("特约商户号"),
        transaction_id=row.number("微信订单号"),
        out_trade_no=row.number("商户订单号"),
        state=row.text("交易状态"),
        out_refund_no=None if refund_no in ("", "0") else row.number("商户退款单号"),
        refund_state=row.text("退款状态"),
        total_fen=row.whole_fen("订单金额"),
        settled_fen=row.whole_fen("应结订单金额"),
        asked_fen=row.whole_fen("申请退款金额"),
        refunded_fen=row.whole_fen("退款金额"),
        fee_fen=row.rounded_fen("手续费"),
    )


def _merchants(row: TradeRow, ours: Merchant) -> tuple[str, Value, Value]:
    pairs = (ours.mchid, ours.sub_mchid), (row.mchid, row.sub_mchid)
    expected, found = ("/".join(filter(None, pair)) for pair in pairs)
    return "merchant", expected, found


def _unknown(kind: str, reference: str, day: str, found: Value) -> Difference:
    return Difference(kind=kind, reference=reference, found=found, day=day)


def _differing(
    sides: list[tuple[str, Value, Value]], reference: str, day: str, store_id: str | None
) -> list[Difference]:
    about = {"reference": reference, "day": day, "store_id": store_id}
    return [
        Difference.model_validate({"kind": kind, "expected": ours, "found": theirs, **about})
        for kind, ours, theirs in sides
        if ours != theirs
    ]


def _damaged(line: int, fault: str, column: str = "") -> Refusal:
    # Never show the value: a damaged row may have an OpenID in any column.
    where = f"line {line} {column}".strip() if line else "end"
    return Refusal(BillErrors.BILL_DAMAGED, field=where, detail=f"{where}: {fault}")
