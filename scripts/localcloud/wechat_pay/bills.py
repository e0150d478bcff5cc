"""Bills: of a day's trade and of a day's money, as CSV, from ten o'clock of the next morning."""

from __future__ import annotations

import gzip
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from localcloud.wechat_pay.books import Doc
from localcloud.wechat_pay.errors import Refused, against_the_rules, wrong_field
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor
from localcloud.wechat_pay.vendor_time import BEIJING, bill_stamp

DOWNLOAD_PATH = "/v3/billdownload/file"
LINK_LIVES_S = 300
READY_HOUR = 10
KEPT_DAYS = 92  # "Three months".

TRADE_COLUMNS = (
    "交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号",
    "用户标识", "交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额",
    "微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态",
    "商品名称", "商户数据包",
    "手续费", "费率", "订单金额", "申请退款金额", "费率备注",
)  # fmt: skip
TRADE_SUMMARY = (
    "总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额",
    "申请退款总金额",
)  # fmt: skip
FLOW_COLUMNS = (
    "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型",
    "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号",
)  # fmt: skip
FLOW_SUMMARY = ("资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额")
_REFUND_STATES = {"CLOSED": "FAIL", "ABNORMAL": "CHANGE"}


class Bills:
    """What `/v3/bill/…` answers, and the files behind its links.

    A bill is made anew each time it is asked for; the real one is made once, so that a refund's
    state in it stays what it was that morning.
    """

    def __init__(self, vendor: Vendor, base_url: str) -> None:
        self._vendor, self._books, self._base_url = vendor, vendor.books, base_url
        self._files: dict[str, tuple[datetime, bytes]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v3/bill/tradebill", self._trade),
            Route("GET", "/v3/bill/fundflowbill", self._flow),
        ]

    def _trade(self, call: Call) -> Answer:
        call.check_query(("bill_date",), ("bill_type", "tar_type", "sub_mchid"))
        if call.query.get("bill_type", "ALL") != "ALL":
            raise wrong_field("bill_type", "only ALL is known here")
        sub_mchid = call.query.get("sub_mchid")
        if sub_mchid and not self._books.knows_merchant(sub_mchid):
            raise Refused(403, "NO_AUTH", "无该子商户账单的权限")
        lines = TradeLines(self._vendor, self._day(call), sub_mchid)
        return self._link(call, TRADE_COLUMNS, lines, TRADE_SUMMARY)

    def _flow(self, call: Call) -> Answer:
        call.check_query(("bill_date",), ("account_type", "tar_type"))
        if call.query.get("account_type", "BASIC") != "BASIC":
            raise wrong_field("account_type", "only BASIC is known here")
        lines = FlowLines(self._books.flows_on(self._vendor.keys.mchid, self._day(call)))
        return self._link(call, FLOW_COLUMNS, lines, FLOW_SUMMARY)

    def _day(self, call: Call) -> str:
        """Return the day asked for, if there can be a bill of it by now."""
        try:
            day = datetime.strptime(call.query["bill_date"], "%Y-%m-%d").date()
        except ValueError:
            raise wrong_field("bill_date", "YYYY-MM-DD") from None
        now = self._vendor.clock.now().astimezone(BEIJING)
        if day >= now.date():
            raise Refused(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
        if day < now.date() - timedelta(days=KEPT_DAYS):
            raise against_the_rules("bill_date: 仅支持三个月内的账单")
        if now < _ready_at(day):
            raise Refused(400, "STATEMENT_CREATING", "账单生成中")
        return day.isoformat()

    def _link(
        self,
        call: Call,
        columns: tuple[str, ...],
        lines: TradeLines | FlowLines,
        summary: tuple[str, ...],
    ) -> Answer:
        if call.query.get("tar_type", "GZIP") != "GZIP":
            raise wrong_field("tar_type", "GZIP or nothing")
        rows = [_line(row) for row in lines]
        if not rows:
            raise Refused(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
        written = [",".join(columns), *rows, ",".join(summary), _line(lines.sums()), ""]
        plain = ("\ufeff" + "\r\n".join(written)).encode()
        file = gzip.compress(plain, mtime=0) if "tar_type" in call.query else plain
        token, now = secrets.token_urlsafe(48), self._vendor.clock.now()
        self._files = {t: f for t, f in self._files.items() if f[0] > now}
        self._files[token] = (now + timedelta(seconds=LINK_LIVES_S), file)
        return {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(plain).hexdigest(),  # noqa: S324  As the real one.
            "download_url": f"{self._base_url}{DOWNLOAD_PATH}?token={token}",
        }

    def download(self, query: dict[str, str]) -> bytes:
        """Return the file behind a link, as long as the link lives."""
        ends, file = self._files.get(query.get("token", ""), (None, b""))
        if ends is None or ends <= self._vendor.clock.now():
            raise wrong_field("token", "unknown or over")
        return file


class TradeLines:
    """The rows of a day's trade, payments first; its sums are ready once they were gone through."""

    def __init__(self, vendor: Vendor, day: str, sub_mchid: str | None) -> None:
        self._vendor, self._books, self._day = vendor, vendor.books, day
        self._sub_mchid = sub_mchid
        self._count = self._taken = self._refunded = self._fees = 0

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        for payment in self._ours(self._books.payments_on(self._day)):
            yield self._payment(payment)
        for refund in self._ours(self._books.refunds_on(self._day)):
            if self._books.planted("lost_refund", refund["out_refund_no"]) is None:
                yield self._refund(refund)

    def _ours(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """A service provider's bill has all its merchants' rows, unless one was asked for."""
        wanted = self._sub_mchid
        return (doc for doc in docs if wanted is None or doc.get("sub_mchid") == wanted)

    def _payment(self, payment: Doc) -> tuple[str, ...]:
        number, request = payment["out_trade_no"], payment["request"]
        amount = self._books.planted("amount", number)
        fee = self._books.planted("fee", number)
        total_fen = amount["amount_fen"] if amount else payment["total"]
        charged_fen = fee["fee_fen"] if fee else payment["fee"]
        self._add(taken=total_fen, fees=charged_fen)
        return (
            bill_stamp(payment["success_time"]),
            *self._parties(payment),
            "JSAPI",
            "SUCCESS",
            "OTHERS",
            "CNY",
            _yuan(total_fen),
            "0.00",
            "0",
            "0",
            "0.00",
            "0.00",
            "",
            "",
            request["description"],
            request.get("attach", ""),
            _fee(charged_fen),
            self._rate(payment),
            _yuan(total_fen),
            "0.00",
            "",
        )

    def _refund(self, refund: Doc) -> tuple[str, ...]:
        """Return a refund's row: of the day it was accepted, whether or not it has ended."""
        payment = self._books.payment(refund["out_trade_no"])
        assert payment is not None  # noqa: S101  Nothing else can be refunded.
        request, amount = payment["request"], _yuan(refund["amount"])
        self._add(refunded=refund["amount"], fees=-refund["fee_back"])
        return (
            bill_stamp(refund["create_time"]),
            *self._parties(payment),
            "JSAPI",
            "REFUND",
            "OTHERS",
            "CNY",
            "0.00",
            "0.00",
            refund["refund_id"],
            refund["out_refund_no"],
            amount,
            "0.00",
            "ORIGINAL",
            _REFUND_STATES.get(refund["status"], refund["status"]),
            request["description"],
            request.get("attach", ""),
            _fee(-refund["fee_back"]),
            self._rate(payment),
            "0.00",
            amount,
            "",
        )

    def _parties(self, payment: Doc) -> tuple[str, ...]:
        return (
            payment["appid"],
            self._vendor.keys.mchid,
            payment.get("sub_mchid") or "0",
            "",
            payment["transaction_id"],
            payment["out_trade_no"],
            payment["openid"],
        )

    def _rate(self, payment: Doc) -> str:
        return f"{payment.get('fee_bp', self._vendor.mode.fee_bp) / 100:.2f}%"

    def _add(self, *, fees: int, taken: int = 0, refunded: int = 0) -> None:
        self._count += 1
        self._taken += taken
        self._refunded += refunded
        self._fees += fees

    def sums(self) -> tuple[str, ...]:
        taken, refunded = _yuan(self._taken), _yuan(self._refunded)
        return (str(self._count), taken, refunded, "0.00", _fee(self._fees), taken, refunded)


class FlowLines:
    """The movements of one account on one day, in their order; then their sums."""

    def __init__(self, flows: Iterable[Doc]) -> None:
        self._flows = flows
        self._in = self._out = self._in_fen = self._out_fen = 0

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        for flow in self._flows:
            amount_fen, comes_in = abs(flow["amount"]), flow["amount"] >= 0
            if comes_in:
                self._in, self._in_fen = self._in + 1, self._in_fen + amount_fen
            else:
                self._out, self._out_fen = self._out + 1, self._out_fen + amount_fen
            yield (
                bill_stamp(flow["at"]),
                flow["business_no"],
                _flow_number(flow),
                flow["name"],
                flow["kind"],
                "收入" if comes_in else "支出",
                _yuan(amount_fen),
                _yuan(flow["balance"]),
                flow["applicant"],
                flow["remark"],
                flow["voucher"],
            )

    def sums(self) -> tuple[str, ...]:
        return (
            str(self._in + self._out),
            str(self._in),
            _yuan(self._in_fen),
            str(self._out),
            _yuan(self._out_fen),
        )


def _flow_number(flow: Doc) -> str:
    """Return the number of a movement: the same in each bill, another for each movement."""
    told = f"{flow['business_no']}|{flow['kind']}|{flow['voucher']}|{flow['balance']}"
    return str(int(hashlib.sha256(told.encode()).hexdigest()[:24], 16)).zfill(29)


def _ready_at(day: date) -> datetime:
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, READY_HOUR, tzinfo=BEIJING)


def _yuan(amount_fen: int) -> str:
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"


def _fee(amount_fen: int) -> str:
    return _yuan(amount_fen) + "000"


def _line(values: Iterable[str]) -> str:
    """Write a row; what would break it (a comma, a line's end) is replaced."""
    clean = (v.replace(",", "，").replace("\r", " ").replace("\n", " ") for v in values)
    return ",".join("`" + value for value in clean)
