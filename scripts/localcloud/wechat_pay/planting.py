"""Errors at the vendor: differences put into its books, for a reconciliation to find."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud.wechat_pay.books import Doc
from localcloud.wechat_pay.money import fee_fen
from localcloud.wechat_pay.vendor import Vendor, digits

PLANTS = ("unknown_payment", "amount", "fee", "lost_refund")


class Planting:
    """Each kind of difference touches one day's trade bill."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor, self._books = vendor, vendor.books

    def plant(self, kind: str, day: str, number: str = "", by_fen: int = 100) -> dict[str, Any]:
        """Put one difference into a day (YYYY-MM-DD, Beijing); returns its kind and number.

        "unknown_payment" is money (`by_fen`) of which nobody told us: in the books and in the
        bill. The others only make the trade bill wrong: "amount" and "fee" by `by_fen` too much,
        "lost_refund" by a row too few. `number` is the payment's or the refund's own number;
        without it the day's first one is taken. ValueError if there is none.
        """
        if kind not in PLANTS:
            raise ValueError(f"kinds of plants: {', '.join(PLANTS)}")
        if kind == "unknown_payment":
            return {"kind": kind, "number": self._unknown(day, by_fen), "amount_fen": by_fen}
        if kind == "lost_refund":
            lost = self._wanted(self._books.refunds_on(day), "out_refund_no", number)
            self._books.plant(kind, lost["out_refund_no"], {})
            return {"kind": kind, "number": lost["out_refund_no"], "amount_fen": lost["amount"]}
        payment = self._wanted(self._books.payments_on(day), "out_trade_no", number)
        name, right_fen = ("amount_fen", "total") if kind == "amount" else ("fee_fen", "fee")
        planted = {name: payment[right_fen] + by_fen}
        self._books.plant(kind, payment["out_trade_no"], planted)
        return {"kind": kind, "number": payment["out_trade_no"], **planted}

    def _wanted(self, found: Any, name: str, number: str) -> Doc:
        for doc in found:
            if not number or doc[name] == number:
                return dict(doc)
        raise ValueError(f"nothing of that day to change{': ' + number if number else ''}")

    def _unknown(self, day: str, total_fen: int) -> str:
        number, keys = "UNKNOWN" + secrets.token_hex(8), self._vendor.keys
        paid_at = f"{day}T12:00:00+08:00"
        self._books.put_payment(
            {
                "request": {
                    "appid": keys.appid,
                    "mchid": keys.mchid,
                    "out_trade_no": number,
                    "description": "未知",
                    "payer": {"openid": "somebody"},
                    "notify_url": "",
                    "amount": {"total": total_fen, "currency": "CNY"},
                },
                "out_trade_no": number,
                "prepay_id": "wx" + secrets.token_hex(17),
                "trade_state": "SUCCESS",
                "appid": keys.appid,
                "openid": "somebody",
                "sub_mchid": None,
                "total": total_fen,
                "fee": fee_fen(total_fen, self._vendor.mode.fee_bp),
                "transaction_id": "42" + digits(26),
                "success_time": paid_at,
            }
        )
        return number
