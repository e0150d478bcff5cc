"""Bills in WeChat Pay's format, for tests: all columns, a backtick before each value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from huitou.catalog.stores.models import Merchant
from huitou.runtime.errors import Unavailable

MCHID = "1900000109"
TRADE_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
    "交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,"
    "充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,"
    "费率备注"
)
TRADE_SUMS = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)

Row = dict[str, str]


def yuan(fen: int | Decimal, places: int = 2) -> str:
    return f"{Decimal(fen) / 100:.{places}f}"


def fee(amount_fen: int, rate_bp: int = 60) -> int:
    return (amount_fen * rate_bp + 5_000) // 10_000


def paid(number: str, fen: int, *, at: str = "2026-03-01 12:00:00", **cells: str) -> Row:
    """Return the row of one payment, with a fee of 0.60 %."""
    values = (
        at,
        "wxapp",
        MCHID,
        "0",
        "",
        f"42{number}",
        number,
        "o-guest",
        "JSAPI",
        "SUCCESS",
        "OTHERS",
        "CNY",
        yuan(fen),
        "0.00",
        "0",
        "0",
        "0.00",
        "0.00",
        "",
        "",
        "招牌奶茶",
        "",
        yuan(fee(fen), 5),
        "0.60%",
        yuan(fen),
        "0.00",
        "",
    )
    return dict(zip(TRADE_HEADER.split(","), values, strict=True)) | cells


def refunded(number: str, payment: str, fen: int, **cells: str) -> Row:
    """Return the row of one refund that is accepted and not finished."""
    return (
        paid(payment, 0)
        | {
            "交易状态": "REFUND",
            "微信退款单号": f"50{number}",
            "商户退款单号": number,
            "退款金额": yuan(fen),
            "申请退款金额": yuan(fen),
            "退款类型": "ORIGINAL",
            "退款状态": "PROCESSING",
            "手续费": yuan(-fee(fen), 5),
        }
        | cells
    )


def line(cells: Iterable[str]) -> str:
    return ",".join("`" + cell for cell in cells)


def trade_bill(rows: Sequence[Row], **sums: str) -> bytes:
    """Return a trade bill of type ALL; `sums` replace the totals of the rows."""
    columns = list(rows[0]) if rows else TRADE_HEADER.split(",")
    added = {
        name: f"{sum((Decimal(row[column]) for row in rows), Decimal()):.5f}"
        for name, column in TRADE_SUMS.items()
    }
    last = {"总交易单数": str(len(rows)), **added, **sums}
    lines = [",".join(columns), *(line(row[name] for name in columns) for row in rows)]
    return ("\ufeff" + "\r\n".join([*lines, ",".join(last), line(last.values()), ""])).encode()


def flow_bill(moves: Sequence[tuple[str, str, int]], **sums: str) -> bytes:
    """Return a fund flow bill; each move is (业务类型, 收支类型, fen)."""
    lines = [FLOW_HEADER]
    for kind, direction, fen in moves:
        lines.append(
            line(
                (
                    "2026-03-01 12:00:00",
                    "42",
                    "19",
                    kind,
                    kind,
                    direction,
                    yuan(fen),
                    "1.00",
                    "system",
                    "",
                    "",
                )
            )
        )
    last = {"资金流水总笔数": f"{len(moves)}.0"}
    for direction in ("收入", "支出"):
        of = [fen for _, way, fen in moves if way == direction]
        last |= {f"{direction}笔数": f"{len(of)}.0", f"{direction}金额": yuan(sum(of))}
    last |= sums
    return ("\r\n".join([*lines, ",".join(last), line(last.values())])).encode()


def flow_of(rows: Sequence[Row]) -> bytes:
    """Return the fund flow of the chain's own account that belongs to a trade bill.

    A refund's move contains the fee that WeChat Pay gives back.
    """
    moves = []
    for row in rows:
        if row["特约商户号"] != "0":
            continue
        fen = {name: int(Decimal(row[name]) * 100) for name in ("应结订单金额", "退款金额")}
        fee_fen = int(Decimal(row["手续费"]) * 100)
        if row["交易状态"] == "REFUND":
            moves.append(("退款", "支出", fen["退款金额"] + fee_fen))
        else:
            moves.append(("交易", "收入", fen["应结订单金额"]))
            moves.append(("扣除交易手续费", "支出", fee_fen))
    return flow_bill(moves)


class Bills:
    """A gateway that holds a trade bill and a fund flow bill for each day."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, str], bytes] = {}
        self.creating = False
        self.asked: list[tuple[str, str]] = []

    def merchant_for(self, sub_mchid: str | None) -> Merchant:
        return Merchant(mchid=MCHID, sub_mchid=sub_mchid)

    def put(self, day: str, rows: Sequence[Row], flow: bytes | None = None) -> None:
        self.days["trade", day] = trade_bill(rows)
        self.days["fundflow", day] = flow if flow is not None else flow_of(rows)

    def bill(self, kind: str, day: str) -> bytes | None:
        self.asked.append((kind, day))
        if self.creating:
            raise Unavailable(detail="STATEMENT_CREATING")
        return self.days.get((kind, day))
