"""Refunds: asked for, accepted, and ended a moment later, by notice and by query."""

from __future__ import annotations

from functools import partial

from localcloud.wechat_pay.books import Doc
from localcloud.wechat_pay.errors import Refused, against_the_rules, not_enough, wrong_field
from localcloud.wechat_pay.fields import (
    MCHID,
    OUT_NUMBER,
    TRANSACTION_ID,
    Each,
    Shape,
    address,
    check_body,
    may,
    must,
    one_of,
    same_request,
    text,
    text_of_bytes,
    whole,
)
from localcloud.wechat_pay.money import fee_back_fen
from localcloud.wechat_pay.notices import Notices
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor, digits

ENDS_AFTER_S = 0.02
MOST_REFUNDS = 50
REFUNDABLE_S = 365 * 86_400
_PATH = "/v3/refund/domestic/refunds"
_REQUEST: Shape = {
    "sub_mchid": may(MCHID),
    "transaction_id": may(TRANSACTION_ID),
    "out_trade_no": may(text(32)),
    "out_refund_no": must(OUT_NUMBER),
    "reason": may(text_of_bytes(80)),
    "notify_url": may(address),
    "funds_account": may(one_of("AVAILABLE")),
    "amount": must({
        "refund": must(whole(1)),
        "total": must(whole(1)),
        "currency": must(one_of("CNY")),
        "from": may(Each({"account": must(one_of("AVAILABLE", "UNAVAILABLE")),
                          "amount": must(whole(1))}, 2)),
    }),
    "goods_detail": may(Each({
        "merchant_goods_id": must(text(32)),
        "wechatpay_goods_id": may(text(32)),
        "goods_name": may(text(256)),
        "unit_price": must(whole(0)),
        "refund_amount": must(whole(0)),
        "refund_quantity": must(whole(1)),
    }, 1_000)),
}  # fmt: skip


class Refunds:
    """What `/v3/refund/domestic/refunds` answers."""

    def __init__(self, vendor: Vendor, notices: Notices) -> None:
        self._vendor, self._books, self._notices = vendor, vendor.books, notices

    def routes(self) -> list[Route]:
        return [Route("POST", _PATH, self._create), Route("GET", _PATH + "/([^/]+)", self._query)]

    def _create(self, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, _REQUEST)
        payment = self._payment_of(body)
        if payment["trade_state"] not in ("SUCCESS", "REFUND"):
            raise against_the_rules("订单未支付，不能退款")
        number, known = body["out_refund_no"], self._books.refund(body["out_refund_no"])
        if known is not None:
            if not same_request(known["request"], body):
                raise against_the_rules("订单金额或退款金额与之前请求不一致，请核实后再试")
            return self._shown(known)
        self._check(body, payment)
        accepted = self._accept(body, payment)
        self._vendor.later(ENDS_AFTER_S, partial(self.finish, number))
        return self._shown(accepted)

    def _payment_of(self, body: Doc) -> Doc:
        if "transaction_id" in body:
            found = self._books.transaction(body["transaction_id"])
            if found and body.get("out_trade_no", found["out_trade_no"]) != found["out_trade_no"]:
                raise wrong_field("out_trade_no", "of another transaction_id")
        elif "out_trade_no" in body:
            found = self._books.payment(body["out_trade_no"])
        else:
            raise wrong_field("out_trade_no", "missing, and so is transaction_id")
        return self._vendor.owned(found, body.get("sub_mchid"), "RESOURCE_NOT_EXISTS")

    def _check(self, body: Doc, payment: Doc) -> None:
        """Refuse what breaks a rule: total, age, gap, number, sum, money; in this order."""
        amount, before = body["amount"], self._books.refunds_for(payment["out_trade_no"])
        if amount["total"] != payment["total"]:
            raise against_the_rules("订单金额或退款金额与之前请求不一致，请核实后再试")
        if self._vendor.age_s(payment["success_time"]) > REFUNDABLE_S:
            raise against_the_rules("订单已超过一年，不能退款")
        gap_s = self._vendor.mode.refund_gap_s
        if any(self._vendor.age_s(r["create_time"]) < gap_s for r in before if r["create_time"]):
            raise Refused(429, "FREQUENCY_LIMITED", "同一笔订单多次退款需间隔1分钟")
        if len(before) >= MOST_REFUNDS:
            raise against_the_rules("订单部分退款次数超过50次")
        position = self._books.position(payment)
        if position.kept_fen == 0:
            raise against_the_rules("订单已全额退款")
        if amount["refund"] > position.kept_fen:
            raise against_the_rules("退款金额大于可退金额")
        if amount["refund"] > position.refundable_fen:
            raise not_enough("基本账户余额不足，请充值后重新发起")

    def _accept(self, body: Doc, payment: Doc) -> Doc:
        position, refund_fen = self._books.position(payment), body["amount"]["refund"]
        fee_bp = payment.get("fee_bp", self._vendor.mode.fee_bp)
        refund = {
            "request": body,
            "out_refund_no": body["out_refund_no"],
            "out_trade_no": payment["out_trade_no"],
            "sub_mchid": payment.get("sub_mchid"),
            "transaction_id": payment["transaction_id"],
            "refund_id": "503" + digits(26),
            "amount": refund_fen,
            "total": payment["total"],
            "status": "PROCESSING",
            "fee_back": fee_back_fen(position.kept_fen, refund_fen, fee_bp),
            "create_time": self._vendor.stamp(),
            "success_time": None,
        }
        self._books.put_refund(refund)
        self._books.put_payment(payment | {"trade_state": "REFUND"})
        self._move(refund, -1, "退款")
        return refund

    def _move(self, refund: Doc, sign: int, kind: str) -> None:
        """Book what a refund costs: the amount, less the fee that comes back."""
        yuan = tuple(f"{refund[name] / 100:.2f}" for name in ("amount", "fee_back"))
        mchid = refund["sub_mchid"] or self._vendor.keys.mchid
        self._books.move(
            mchid,
            sign * (refund["amount"] - refund["fee_back"]),
            {
                "at": self._vendor.stamp(),
                "business_no": refund["refund_id"],
                "name": "退款",
                "kind": kind,
                "voucher": refund["out_refund_no"],
                "applicant": self._vendor.keys.mchid + "API",
                "remark": f"退款总金额{yuan[0]}元;含手续费{yuan[1]}元",
            },
        )

    def _query(self, call: Call) -> Answer:
        call.check_query((), ("sub_mchid",))
        found = self._books.refund(call.numbers[0])
        if found is None or found.get("sub_mchid") != call.query.get("sub_mchid"):
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        return self._shown(found)

    def finish(self, out_refund_no: str) -> None:
        """End a refund as the mode says, and tell the merchant."""
        with self._vendor.lock:
            refund = self._books.refund(out_refund_no)
            if refund is None or refund["status"] != "PROCESSING":
                return
            refund = self._ended(refund, self._vendor.mode.refunds_end)
        self._notify(refund)

    def mend(self, out_refund_no: str) -> None:
        """Do what an operator does at the merchant's console about an ABNORMAL refund: it ends."""
        refund = self._books.refund(out_refund_no)
        if refund is None or refund["status"] != "ABNORMAL":
            raise ValueError("only an ABNORMAL refund can be mended")
        self._ended(refund, "SUCCESS")

    def _ended(self, refund: Doc, end: str) -> Doc:
        done = refund | {"status": end}
        if end == "SUCCESS":
            done["success_time"] = self._vendor.stamp()
        self._books.put_refund(done)
        if end == "CLOSED":
            self._move(done, 1, "退款关闭")
        return done

    def _notify(self, refund: Doc) -> None:
        url = refund["request"].get("notify_url")
        if url is None:
            return
        keys, sub_mchid = self._vendor.keys, refund.get("sub_mchid")
        whose = (
            {"sp_mchid": keys.mchid, "sub_mchid": sub_mchid}
            if sub_mchid
            else ({"mchid": keys.mchid})
        )
        names = ("transaction_id", "out_trade_no", "refund_id", "out_refund_no", "success_time")
        told = (
            whose
            | {name: refund.get(name) for name in names}
            | {
                "refund_status": refund["status"],
                "user_received_account": "支付用户零钱",
                "amount": {
                    "total": refund.get("total"),
                    "refund": refund["amount"],
                    "payer_total": refund.get("total"),
                    "payer_refund": refund["amount"],
                },
            }
        )
        told = {name: value for name, value in told.items() if value is not None}
        self._notices.send("REFUND." + refund["status"], "refund", url, told)

    def _shown(self, refund: Doc) -> Doc:
        names = (
            "refund_id",
            "out_refund_no",
            "transaction_id",
            "out_trade_no",
            "success_time",
            "create_time",
            "status",
        )
        total, amount = refund.get("total"), refund["amount"]
        shown = {name: refund.get(name) for name in names} | {
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "funds_account": refund["request"].get("funds_account", "UNSETTLED"),
            "amount": {
                "total": total,
                "refund": amount,
                "payer_total": total,
                "payer_refund": amount,
                "settlement_total": total,
                "settlement_refund": amount,
                "discount_refund": 0,
                "currency": "CNY",
                "from": [],
            },
        }
        return {name: value for name, value in shown.items() if value is not None}
