"""Our side of WeChat Pay API v3: signed calls out, their answers verified."""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from huitou.payments.rules import client_message, request_message, sign, verify_signature
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.logs import log
from huitou.runtime.settings import WeChatPaySettings

if TYPE_CHECKING:
    import requests

_NOT_THERE = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}
TIMEOUT_S = (2, 4)  # connect, read; a callback has to be answered within 5 s


class WeChatPayRefusal(Refusal):
    """WeChat Pay understood a call and refused it; `reason` is its error code."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(Code.PAYMENT_FAILED, detail=reason)
        self.reason = reason
        # A bare 404 may be anybody's (a proxy, a wrong address); only this says "no such order".
        self.not_there = status == 404 and reason in _NOT_THERE


class WeChatPay:
    """One merchant's calls. Every method may raise Unavailable or WeChatPayRefusal."""

    def __init__(self, settings: WeChatPaySettings) -> None:
        self.settings = settings

    @cached_property
    def _session(self) -> requests.Session:
        import requests  # Late: only calls out need it, and it costs a cold start 55 ms.

        return requests.Session()

    def prepay(
        self, *, out_trade_no: str, description: str, amount_fen: int, openid: str,
        expires_at: datetime,
    ) -> str:  # fmt: skip
        """Place a JSAPI order and return its prepay_id; safe to repeat."""
        answer = self._call("POST", "/v3/pay/transactions/jsapi", {
            "appid": self.settings.appid,
            "mchid": self.settings.mchid,
            "description": description,
            "out_trade_no": out_trade_no,
            "time_expire": expires_at.isoformat(timespec="seconds"),
            "notify_url": self.settings.notify_url,
            "amount": {"total": amount_fen, "currency": "CNY"},
            "payer": {"openid": openid},
        })  # fmt: skip
        return str(answer["prepay_id"])

    def client_parameters(self, prepay_id: str) -> dict[str, str]:
        """Return what the mini-program passes to `wx.requestPayment`, signed."""
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        message = client_message(self.settings.appid, timestamp, nonce, prepay_id)
        return {
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": f"prepay_id={prepay_id}",
            "signType": "RSA",
            "paySign": sign(self.settings.merchant_private_key, message),
        }

    def query(self, out_trade_no: str) -> dict[str, Any] | None:
        """Return a payment as WeChat Pay knows it, or None if it never heard of it."""
        path = f"/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={self.settings.mchid}"
        return self._found("GET", path)

    def close(self, out_trade_no: str) -> None:
        """Close a payment for good; refused with ORDERPAID if money came meanwhile."""
        path = f"/v3/pay/transactions/out-trade-no/{out_trade_no}/close"
        self._call("POST", path, {"mchid": self.settings.mchid})

    def refund(
        self, *, out_refund_no: str, out_trade_no: str, amount_fen: int, total_fen: int,
        reason: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Ask for a refund; the answer means accepted, never done. Safe to repeat."""
        return self._call("POST", "/v3/refund/domestic/refunds", {
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "reason": reason,
            "notify_url": self.settings.notify_url,
            "amount": {"refund": amount_fen, "total": total_fen, "currency": "CNY"},
        })  # fmt: skip

    def query_refund(self, out_refund_no: str) -> dict[str, Any] | None:
        """Return a refund as WeChat Pay knows it, or None if it never heard of it."""
        return self._found("GET", f"/v3/refund/domestic/refunds/{out_refund_no}")

    def _found(self, method: str, path: str) -> dict[str, Any] | None:
        try:
            return self._call(method, path)
        except WeChatPayRefusal as refused:
            if refused.not_there:
                return None
            raise

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        import requests

        text = json.dumps(body, ensure_ascii=False) if body is not None else ""
        try:
            response = self._session.request(
                method,
                self.settings.base_url + path,
                data=text.encode(),
                headers=self._headers(method, path, text),
                timeout=TIMEOUT_S,
            )
        except requests.RequestException as error:
            raise Unavailable(detail=type(error).__name__) from error
        if response.status_code >= 500 or response.status_code == 429:
            raise Unavailable(detail=str(response.status_code))
        signed = "Wechatpay-Signature" in response.headers
        if response.status_code < 400 or signed:
            self._believe(response)
        if response.status_code >= 400:
            raise WeChatPayRefusal(_error_code(response.content), response.status_code)
        return response.json() if response.content else {}

    def _believe(self, response: requests.Response) -> None:
        """Check an answer as a callback is checked: it moves money just the same.

        A wrong one is Unavailable, not final: during a change of keys the next may be right.
        """
        keys = self.settings.platform_keys
        try:
            verify_signature(response.headers, response.content, keys, time.time())
        except Refusal as refused:
            log("wechat_pay_answer_unverified", field=refused.field)
            raise Unavailable(detail="signature") from refused

    def _headers(self, method: str, path: str, body: str) -> dict[str, str]:
        timestamp, nonce = int(time.time()), secrets.token_hex(16)
        signature = sign(
            self.settings.merchant_private_key,
            request_message(method, path, timestamp, nonce, body),
        )
        fields = {
            "mchid": self.settings.mchid,
            "nonce_str": nonce,
            "signature": signature,
            "timestamp": str(timestamp),
            "serial_no": self.settings.merchant_serial,
        }
        parts = ",".join(f'{name}="{value}"' for name, value in fields.items())
        return {
            "Authorization": f"WECHATPAY2-SHA256-RSA2048 {parts}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "huitou",
        }


def _error_code(body: bytes) -> str:
    try:
        return str(json.loads(body).get("code", "UNKNOWN"))[:40]
    except (ValueError, AttributeError):
        return "UNKNOWN"
