"""A strict stand-in for WeChat Pay API v3: it refuses what the real one refuses.

It checks the merchant's signatures, signs and encrypts its own notices, repeats them until they
are answered with 200, and keeps books of its own that tests compare with ours.
Paying is what the guest's phone does: `pay` takes what the mini-program got from `prepay`.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)

from localcloud.clock import LocalClock
from localcloud.keys import LocalSecrets
from localcloud.wechat_books import WeChatBooks

# The real one repeats after 15 s, 15 s, 30 s, 3 min … for 24 hours; here each wait is shorter.
NOTIFY_AGAIN_AFTER_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
MAX_SKEW_S = 300
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
_TRADE_NO = re.compile(r"^[0-9A-Za-z_\-|*]{6,32}$")


class Refused(Exception):  # noqa: N818
    """An API error: HTTP status and WeChat Pay's error code."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


@dataclass
class Mode:
    """How WeChat Pay behaves: `copies` of each notice are sent (0 = lost) after `delay_s`;
    `down` answers nobody; refunds end as `refunds_end` (SUCCESS, CLOSED, ABNORMAL)."""

    copies: int = 1
    delay_s: float = 0.0
    down: bool = False
    refunds_end: str = "SUCCESS"


class WeChatPayStandIn:
    """One merchant's WeChat Pay."""

    def __init__(self, keys: LocalSecrets, clock: LocalClock, books: Path) -> None:
        self._keys = keys
        self._clock = clock
        self._merchant: Any = load_pem_public_key(keys.merchant_public_key.encode())
        self._platform: Any = load_pem_private_key(keys.platform_private_key.encode(), None)
        self._lock = threading.RLock()
        self.ledger = WeChatBooks(books)
        self.mode = Mode()

    # --- the merchant's API -------------------------------------------------------------------

    def serve(
        self, method: str, path: str, query: str, authorization: str, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        """Answer one API call; returns status, body and (signed) headers."""
        try:
            if self.mode.down:
                return 503, b"", {}
            self._check_signature(method, path, query, authorization, body)
            status, answer = self._route(method, path, query, json.loads(body) if body else {})
            payload = json.dumps(answer, ensure_ascii=False).encode() if answer is not None else b""
        except Refused as refused:
            problem = {"code": refused.code, "message": refused.message}
            status, payload = refused.status, json.dumps(problem).encode()
        return status, payload, self._signed(payload)

    def _check_signature(
        self, method: str, path: str, query: str, authorization: str, body: bytes
    ) -> None:
        scheme, _, rest = authorization.partition(" ")
        parts = dict(_AUTHORIZATION.findall(rest))
        if scheme != "WECHATPAY2-SHA256-RSA2048":
            raise Refused(401, "SIGN_ERROR", "scheme")
        if parts.get("mchid") != self._keys.mchid:
            raise Refused(401, "SIGN_ERROR", "mchid")
        if parts.get("serial_no") != self._keys.merchant_serial:
            raise Refused(401, "SIGN_ERROR", "serial_no")
        stamp = parts.get("timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > MAX_SKEW_S:
            raise Refused(401, "SIGN_ERROR", "timestamp")
        url = f"{path}?{query}" if query else path
        signed = f"{method}\n{url}\n{stamp}\n{parts.get('nonce_str', '')}\n".encode() + body + b"\n"
        self._verify(parts.get("signature", ""), signed)

    def _verify(self, signature: str, signed: bytes) -> None:
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.verify(raw, signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            raise Refused(401, "SIGN_ERROR", "signature") from None

    def _route(
        self, method: str, path: str, query: str, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any] | None]:
        trade = re.fullmatch(r"/v3/pay/transactions/out-trade-no/([^/]+)(/close)?", path)
        refund = re.fullmatch(r"/v3/refund/domestic/refunds/([^/]+)", path)
        with self._lock:
            if (method, path) == ("POST", "/v3/pay/transactions/jsapi"):
                return 200, self._prepay(body)
            if trade and method == "GET" and not trade[2]:
                if query != f"mchid={self._keys.mchid}":
                    raise Refused(400, "PARAM_ERROR", "mchid")
                return 200, self._shown(self._payment(trade[1]))
            if trade and method == "POST" and trade[2]:
                self._close(trade[1], body)
                return 204, None
            if (method, path) == ("POST", "/v3/refund/domestic/refunds"):
                return 200, self._refund(body)
            if refund and method == "GET":
                return 200, self._refund_of(refund[1])
        raise Refused(404, "RESOURCE_NOT_EXISTS", path)

    def _prepay(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check_order(body)
        number = body["out_trade_no"]
        known = self.ledger.payment(number)
        if known is not None:
            if known["transaction_id"]:
                raise Refused(400, "ORDERPAID")
            if known["trade_state"] == "CLOSED":
                raise Refused(400, "ORDER_CLOSED")
            if not _same(known["request"], body):
                raise Refused(400, "OUT_TRADE_NO_USED")
            return {"prepay_id": known["prepay_id"]}
        prepay_id = "wx" + secrets.token_hex(17)
        self.ledger.put_payment({
            "request": body, "out_trade_no": number, "prepay_id": prepay_id,
            "trade_state": "NOTPAY", "openid": body["payer"]["openid"],
            "total": body["amount"]["total"], "transaction_id": None, "success_time": None,
        })  # fmt: skip
        return {"prepay_id": prepay_id}

    def _check_order(self, body: dict[str, Any]) -> None:
        if body.get("appid") != self._keys.appid or body.get("mchid") != self._keys.mchid:
            raise Refused(400, "APPID_MCHID_NOT_MATCH")
        if not _TRADE_NO.match(str(body.get("out_trade_no", ""))):
            raise Refused(400, "PARAM_ERROR", "out_trade_no")
        if not 1 <= len(str(body.get("description", ""))) <= 127:
            raise Refused(400, "PARAM_ERROR", "description")
        notify_url = str(body.get("notify_url", ""))
        # The real one wants https; on loopback there is no certificate to be had.
        if not re.match(r"^https?://", notify_url) or "?" in notify_url:
            raise Refused(400, "PARAM_ERROR", "notify_url")
        amount: dict[str, Any] = body["amount"] if isinstance(body.get("amount"), dict) else {}
        total = amount.get("total")
        if type(total) is not int or total < 1 or amount.get("currency", "CNY") != "CNY":
            raise Refused(400, "PARAM_ERROR", "amount.total")
        if not isinstance(body.get("payer"), dict) or not body["payer"].get("openid"):
            raise Refused(400, "PARAM_ERROR", "payer.openid")
        if datetime.fromisoformat(body["time_expire"]) <= self._clock.now():
            raise Refused(400, "PARAM_ERROR", "time_expire")

    def _close(self, number: str, body: dict[str, Any]) -> None:
        if body != {"mchid": self._keys.mchid}:
            raise Refused(400, "PARAM_ERROR", "mchid")
        payment = self._payment(number)
        if payment["transaction_id"]:
            raise Refused(400, "ORDERPAID")
        self.ledger.put_payment(payment | {"trade_state": "CLOSED"})

    def _refund(self, body: dict[str, Any]) -> dict[str, Any]:
        number, amount = str(body.get("out_refund_no", "")), body.get("amount", {})
        if not re.match(r"^[0-9A-Za-z_\-|*@]{1,64}$", number):
            raise Refused(400, "PARAM_ERROR", "out_refund_no")
        payment = self._payment(str(body.get("out_trade_no", "")), "RESOURCE_NOT_EXISTS")
        if payment["trade_state"] not in ("SUCCESS", "REFUND"):
            raise Refused(403, "INVALID_REQUEST", "not paid")
        if amount.get("total") != payment["total"] or type(amount.get("refund")) is not int:
            raise Refused(400, "PARAM_ERROR", "amount")
        known = self.ledger.refund(number)
        if known is not None:
            if not _same(known["request"], body):
                raise Refused(400, "PARAM_ERROR", "out_refund_no")
            return self._refund_of(number)
        before = sum(
            refund["amount"] for refund in self.ledger.refunds_for(payment["out_trade_no"])
        )
        if amount["refund"] < 1 or before + amount["refund"] > payment["total"]:
            raise Refused(403, "NOT_ENOUGH")
        self.ledger.put_refund({
            "request": body, "out_refund_no": number, "out_trade_no": payment["out_trade_no"],
            "amount": amount["refund"], "status": "PROCESSING", "refund_id": secrets.token_hex(14),
            "success_time": None,
        })  # fmt: skip
        self.ledger.put_payment(payment | {"trade_state": "REFUND"})
        accepted = self._refund_of(number)
        self._later(0.02, lambda: self._finish_refund(number))
        return accepted

    def _refund_of(self, number: str) -> dict[str, Any]:
        refund = self.ledger.refund(number)
        if refund is None:
            raise Refused(404, "RESOURCE_NOT_EXISTS")
        shown = {k: refund[k] for k in ("out_refund_no", "out_trade_no", "refund_id", "status")}
        amount = {"refund": refund["amount"], "currency": "CNY"}
        return {k: v for k, v in (shown | {"success_time": refund["success_time"], "amount": amount}
                                  ).items() if v is not None}  # fmt: skip

    def _finish_refund(self, number: str) -> None:
        with self._lock:
            refund = self.ledger.refund(number)
            if refund is None or refund["status"] != "PROCESSING":
                return
            end = self.mode.refunds_end
            done = refund | {"status": end, "success_time": self._stamp()}
            self.ledger.put_refund(done)
        self._notify("REFUND." + end, "refund", refund["request"]["notify_url"], {
            "mchid": self._keys.mchid, "out_refund_no": number,
            "out_trade_no": refund["out_trade_no"], "refund_id": refund["refund_id"],
            "refund_status": end, "success_time": done["success_time"],
            "amount": {"refund": refund["amount"]},
        })  # fmt: skip

    # --- the guest's phone --------------------------------------------------------------------

    def pay(self, openid: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Do what `wx.requestPayment` and a password do; Refused where the phone would balk."""
        package = parameters.get("package", "")
        signed = "\n".join([self._keys.appid, parameters.get("timeStamp", ""),
                            parameters.get("nonceStr", ""), package, ""])  # fmt: skip
        if parameters.get("signType") != "RSA":
            raise Refused(400, "PARAM_ERROR", "signType")
        self._verify(parameters.get("paySign", ""), signed.encode())
        with self._lock:
            payment = self.ledger.prepaid(package.removeprefix("prepay_id="))
            if payment is None or payment["openid"] != openid:
                raise Refused(400, "PARAM_ERROR", "prepay_id")
            if payment["trade_state"] != "NOTPAY":
                raise Refused(400, "ORDERPAID" if payment["transaction_id"] else "ORDER_CLOSED")
            if datetime.fromisoformat(payment["request"]["time_expire"]) <= self._clock.now():
                raise Refused(400, "ORDER_CLOSED", "time_expire")
            paid = self._mark_paid(payment)
        self.notify_paid(paid["out_trade_no"])
        return self._shown(paid)

    def force_paid(self, out_trade_no: str) -> dict[str, Any]:
        """Make money arrive for any attempt, closed or not: what must never happen, for tests."""
        with self._lock:
            return self._shown(self._mark_paid(self._payment(out_trade_no)))

    def _mark_paid(self, payment: dict[str, Any]) -> dict[str, Any]:
        paid = payment | {
            "trade_state": "SUCCESS",
            "transaction_id": "42" + "".join(secrets.choice("0123456789") for _ in range(26)),
            "success_time": self._stamp(),
        }
        self.ledger.put_payment(paid)
        return paid

    def notify_paid(self, out_trade_no: str) -> None:
        """Send the notice of a payment, as many copies as the mode says."""
        payment = self._payment(out_trade_no)
        self._notify(
            "TRANSACTION.SUCCESS",
            "transaction",
            payment["request"]["notify_url"],
            self._shown(payment),
        )

    # --- notices ------------------------------------------------------------------------------

    def notice(self, event_type: str, kind: str, resource: dict[str, Any]) -> bytes:
        """Build a notice's body: the resource sealed with the APIv3 key."""
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self._keys.api_v3_key.encode()).encrypt(
            nonce.encode(), json.dumps(resource, ensure_ascii=False).encode(), kind.encode()
        )
        return json.dumps({
            "id": secrets.token_hex(16), "create_time": self._stamp(), "event_type": event_type,
            "resource_type": "encrypt-resource", "summary": "",
            "resource": {
                "original_type": kind, "algorithm": "AEAD_AES_256_GCM", "nonce": nonce,
                "associated_data": kind, "ciphertext": base64.b64encode(sealed).decode(),
            },
        }).encode()  # fmt: skip

    def signed_headers(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Sign a body as the platform; `at` (epoch seconds) makes it stale for tests."""
        return self._signed(body, at)

    def _signed(self, body: bytes, at: float | None = None) -> dict[str, str]:
        stamp, nonce = str(int(at if at is not None else time.time())), secrets.token_hex(16)
        signature = self._platform.sign(
            f"{stamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256()
        )
        return {
            "Wechatpay-Serial": self._keys.platform_serial,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Content-Type": "application/json",
        }

    def _notify(self, event_type: str, kind: str, url: str, resource: dict[str, Any]) -> None:
        body = self.notice(event_type, kind, resource)
        for _ in range(self.mode.copies):
            self._later(self.mode.delay_s, lambda: self._deliver(url, body))

    def _deliver(self, url: str, body: bytes) -> None:
        for wait_s in (*NOTIFY_AGAIN_AFTER_S, None):
            try:
                answer = requests.post(url, data=body, headers=self._signed(body), timeout=5)
                if answer.status_code in (200, 204):
                    return
            except requests.RequestException:
                pass  # Nobody answered: it is sent again.
            if wait_s is None:
                return
            time.sleep(wait_s)

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        timer = threading.Timer(delay_s, work)
        timer.daemon = True
        timer.start()

    def resume(self) -> None:
        """Finish the refunds that were under way when the local cloud last stopped."""
        with self._lock:
            unfinished = self.ledger.unfinished_refunds()
        for refund in unfinished:
            finish = partial(self._finish_refund, refund["out_refund_no"])
            self._later(0.5, finish)

    # --- books --------------------------------------------------------------------------------

    def books(self) -> dict[str, int]:
        """Return what WeChat Pay believes it took and gave back, in fen."""
        with self._lock:
            return self.ledger.totals()

    def forget_everything(self) -> None:
        """Empty the books, when the local cloud's sample data is made anew."""
        with self._lock:
            self.ledger.forget_everything()

    def _shown(self, payment: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "appid": self._keys.appid,
            "mchid": self._keys.mchid,
            "out_trade_no": payment["out_trade_no"],
            "trade_type": "JSAPI",
            "trade_state": payment["trade_state"],
        }
        if payment["transaction_id"]:
            shown |= {
                "transaction_id": payment["transaction_id"],
                "success_time": payment["success_time"],
                "payer": {"openid": payment["openid"]},
                "amount": {"total": payment["total"], "currency": "CNY"},
            }
        return shown

    def _payment(self, number: str, missing: str = "ORDER_NOT_EXIST") -> dict[str, Any]:
        with self._lock:
            found = self.ledger.payment(number)
        if found is None:
            raise Refused(404, missing)
        return found

    def _stamp(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")


def _same(known: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether a repeated request asks for the same; our port differs after each start."""
    return {**known, "notify_url": ""} == {**body, "notify_url": ""}
