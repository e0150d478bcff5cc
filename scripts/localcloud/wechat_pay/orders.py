"""Orders: placed directly or by a service provider for a merchant, queried, closed, paid."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from localcloud.wechat_pay.books import Doc
from localcloud.wechat_pay.errors import Refused, wrong_field
from localcloud.wechat_pay.fields import (
    APPID,
    MCHID,
    Shape,
    address,
    anything,
    check_body,
    flag,
    may,
    moment,
    must,
    one_of,
    same_request,
    text,
    whole,
)
from localcloud.wechat_pay.money import fee_fen
from localcloud.wechat_pay.notices import Notices
from localcloud.wechat_pay.seals import Seals
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor, digits

PREPAY_LIVES = timedelta(hours=2)  # Unless the order says until when it can be paid.
_OPENID = text(128)
_ANY_ORDER: Shape = {
    "description": must(text(127)),
    "out_trade_no": must(text(32, r"[0-9A-Za-z_\-|*]{6,32}")),
    "time_expire": may(moment),
    "attach": may(text(128)),
    "notify_url": must(address),
    "goods_tag": may(text(32)),
    "support_fapiao": may(flag),
    "settle_info": may({"profit_sharing": may(flag)}),
    "amount": must({"total": must(whole(1)), "currency": may(one_of("CNY"))}),
    "detail": may(anything),
    "scene_info": may(anything),
}
_STATES = {
    "SUCCESS": "支付成功", "REFUND": "转入退款", "NOTPAY": "订单未支付", "CLOSED": "订单已关闭",
}  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """Direct: the merchant itself; partner: a service provider and a merchant under it."""

    path: str
    order: Shape
    query: tuple[str, ...]
    close: Shape


DIRECT = Scheme(
    "/v3/pay/transactions",
    {**_ANY_ORDER, "appid": must(APPID), "mchid": must(MCHID),
     "payer": must({"openid": must(_OPENID)})},
    ("mchid",),
    {"mchid": must(MCHID)},
)  # fmt: skip
PARTNER = Scheme(
    "/v3/pay/partner/transactions",
    {**_ANY_ORDER, "sp_appid": must(APPID), "sp_mchid": must(MCHID), "sub_appid": may(APPID),
     "sub_mchid": must(MCHID),
     "payer": must({"sp_openid": may(_OPENID), "sub_openid": may(_OPENID)})},
    ("sp_mchid", "sub_mchid"),
    {"sp_mchid": must(MCHID), "sub_mchid": must(MCHID)},
)  # fmt: skip


class Orders:
    """What `/v3/pay/…` answers, and the guest's phone."""

    def __init__(self, vendor: Vendor, seals: Seals, notices: Notices) -> None:
        self._vendor, self._books = vendor, vendor.books
        self._seals, self._notices = seals, notices

    def routes(self) -> list[Route]:
        return [route for scheme in (DIRECT, PARTNER) for route in self._routes_of(scheme)]

    def _routes_of(self, scheme: Scheme) -> list[Route]:
        def query(call: Call, found: Doc | None) -> Answer:
            call.check_query(scheme.query)
            return self.shown(self._own(found, self._merchant(scheme, call.query)))

        number = scheme.path + "/out-trade-no/([^/]+)"
        return [
            Route("POST", scheme.path + "/jsapi", lambda call: self._prepay(scheme, call)),
            Route("GET", number, lambda call: query(call, self._books.payment(call.numbers[0]))),
            Route(
                "GET",
                scheme.path + "/id/([^/]+)",
                lambda call: query(call, self._books.transaction(call.numbers[0])),
            ),
            Route("POST", number + "/close", lambda call: self._close(scheme, call)),
        ]

    def _merchant(self, scheme: Scheme, given: dict[str, Any]) -> str | None:
        """Return the merchant under the service provider that a call names; None if direct."""
        if given[scheme.query[0]] != self._vendor.keys.mchid:
            raise wrong_field(scheme.query[0], "not the one that signed")
        return given["sub_mchid"] if scheme is PARTNER else None

    def _own(self, payment: Doc | None, sub_mchid: str | None) -> Doc:
        return self._vendor.owned(payment, sub_mchid, "ORDER_NOT_EXIST")

    def _prepay(self, scheme: Scheme, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, scheme.order)
        sub_mchid, appid, openid = self._check_parties(scheme, body)
        expires = body.get("time_expire")
        if expires and datetime.fromisoformat(expires) <= self._vendor.clock.now():
            raise wrong_field("time_expire", "over")
        known = self._books.payment(body["out_trade_no"])
        if known is not None:
            return {"prepay_id": self._known(known, body, sub_mchid)}
        if sub_mchid:
            self._books.remember_merchant(sub_mchid)
        until = expires or (self._vendor.clock.now() + PREPAY_LIVES).isoformat()
        prepay_id = "wx" + secrets.token_hex(17)
        self._books.put_payment(
            {
                "request": body,
                "out_trade_no": body["out_trade_no"],
                "prepay_id": prepay_id,
                "trade_state": "NOTPAY",
                "appid": appid,
                "openid": openid,
                "sub_mchid": sub_mchid,
                "total": body["amount"]["total"],
                "fee": 0,
                "transaction_id": None,
                "success_time": None,
                "payable_until": until,
                "unfrozen": False,
                "brand": False,
            }
        )
        return {"prepay_id": prepay_id}

    def _check_parties(self, scheme: Scheme, body: Doc) -> tuple[str | None, str, str]:
        """Return merchant, and the app and openid by which the guest will pay."""
        keys, payer = self._vendor.keys, body["payer"]
        ours = ("appid", "mchid") if scheme is DIRECT else ("sp_appid", "sp_mchid")
        if (body[ours[0]], body[ours[1]]) != (keys.appid, keys.mchid):
            raise Refused(400, "APPID_MCHID_NOT_MATCH")
        if scheme is DIRECT:
            return None, keys.appid, payer["openid"]
        if not payer:
            raise wrong_field("payer.sp_openid", "missing, and so is payer.sub_openid")
        if "sub_openid" not in payer:
            return body["sub_mchid"], keys.appid, payer["sp_openid"]
        if "sub_appid" not in body:
            raise wrong_field("sub_appid", "needed with payer.sub_openid")
        return body["sub_mchid"], body["sub_appid"], payer["sub_openid"]

    def _known(self, known: Doc, body: Doc, sub_mchid: str | None) -> str:
        if known.get("sub_mchid") != sub_mchid:
            raise Refused(403, "OUT_TRADE_NO_USED")
        if known["transaction_id"]:
            raise Refused(400, "ORDERPAID")
        if known["trade_state"] == "CLOSED":
            raise Refused(400, "ORDER_CLOSED")
        if not same_request(known["request"], body):
            raise Refused(403, "OUT_TRADE_NO_USED")
        return str(known["prepay_id"])

    def _close(self, scheme: Scheme, call: Call) -> Answer:
        call.check_query(())
        check_body(call.body, scheme.close)
        found = self._books.payment(call.numbers[0])
        payment = self._own(found, self._merchant(scheme, call.body))
        if payment["transaction_id"]:
            raise Refused(400, "ORDERPAID")
        self._books.put_payment(payment | {"trade_state": "CLOSED"})
        return None

    # --- the guest's phone --------------------------------------------------------------------

    def pay(self, openid: str, parameters: dict[str, str]) -> Doc:
        """Do what `wx.requestPayment` and a password do; Refused where the phone would balk."""
        if parameters.get("signType") != "RSA":
            raise wrong_field("signType")
        package = parameters.get("package", "")
        payment = self._books.prepaid(package.removeprefix("prepay_id="))
        appid = payment["appid"] if payment else self._vendor.keys.appid
        parts = (appid, parameters.get("timeStamp", ""), parameters.get("nonceStr", ""), package)
        signed = "".join(part + "\n" for part in parts)
        self._seals.check_signature(parameters.get("paySign", ""), signed.encode())
        if payment is None or payment["openid"] != openid:
            raise wrong_field("prepay_id")
        if payment["trade_state"] != "NOTPAY":
            raise Refused(400, "ORDERPAID" if payment["transaction_id"] else "ORDER_CLOSED")
        until = payment.get("payable_until") or payment["request"]["time_expire"]
        if datetime.fromisoformat(until) <= self._vendor.clock.now():
            raise Refused(400, "ORDER_CLOSED", "time_expire")
        return self.mark_paid(payment)

    def mark_paid(self, payment: Doc) -> Doc:
        """Take the money of a payment, whatever its state; once only."""
        if payment["transaction_id"]:
            return payment
        paid = payment | {
            "trade_state": "SUCCESS",
            "transaction_id": "42" + digits(26),
            "success_time": self._vendor.stamp(),
            "fee": fee_fen(payment["total"], self._vendor.mode.fee_bp),
            "fee_bp": self._vendor.mode.fee_bp,
        }
        self._books.put_payment(paid)
        moved = {
            "at": paid["success_time"],
            "business_no": paid["transaction_id"],
            "name": "交易",
            "voucher": paid["out_trade_no"],
            "applicant": "system",
            "remark": "",
        }
        mchid = self._vendor.money_of(paid)
        self._books.move(mchid, paid["total"], moved | {"kind": "交易"})
        if paid["fee"]:
            self._books.move(mchid, -paid["fee"], moved | {"kind": "扣除交易手续费"})
        return paid

    def notify_paid(self, payment: Doc) -> None:
        """Send the notice of a payment."""
        url = payment["request"]["notify_url"]
        self._notices.send("TRANSACTION.SUCCESS", "transaction", url, self.shown(payment))

    def shown(self, payment: Doc) -> Doc:
        """Return a payment as queries and notices show it."""
        request, state = payment["request"], payment["trade_state"]
        names = ("appid", "mchid", "sp_appid", "sp_mchid", "sub_appid", "sub_mchid")
        shown: Doc = {name: request[name] for name in names if name in request}
        shown |= {
            "out_trade_no": payment["out_trade_no"],
            "trade_type": "JSAPI",
            "trade_state": state,
            "trade_state_desc": _STATES[state],
        }
        if payment["transaction_id"]:
            total = payment["total"]
            shown |= {
                "transaction_id": payment["transaction_id"],
                "success_time": payment["success_time"],
                "bank_type": "OTHERS",
                "attach": request.get("attach", ""),
                "payer": request["payer"],
                "amount": {
                    "total": total,
                    "payer_total": total,
                    "currency": "CNY",
                    "payer_currency": "CNY",
                },
            }
        return shown
