"""Notices: sealed, signed, sent as often and as late as the mode says, and forged for tests."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import requests

from localcloud.wechat_pay.seals import MAX_SKEW_S, Seals
from localcloud.wechat_pay.vendor import Vendor

Deliver = Callable[[str, dict[str, str], bytes], None]

# The real one repeats after 15 s, 15 s, 30 s, 3 min … for 24 hours; here each wait is shorter.
NOTIFY_AGAIN_AFTER_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
# What a forged notice says falsely of a payment.
_LIES: dict[str, dict[str, Any]] = {
    "amount": {"amount": {"total": 1, "payer_total": 1, "currency": "CNY"}},
    "currency": {"currency": "USD"},
    "appid": {"appid": "wx0000000000000000"},
    "mchid": {"mchid": "1900000000"},
    "payer": {"openid": "somebody-else"},
    "order": {"out_trade_no": "nobody-ordered-this"},
}
_SUMMARIES = {
    "TRANSACTION.SUCCESS": "支付成功", "REFUND.SUCCESS": "退款成功", "REFUND.ABNORMAL": "退款异常",
    "REFUND.CLOSED": "退款关闭",
}  # fmt: skip
FORGERIES = ("signature", "signtest", "stale", "serial", "body", "tag", *_LIES)


class Notices:
    """What WeChat Pay sends to the merchant.

    `deliver` takes over the sending of each copy; without it a copy is posted, and repeated
    until it is answered with 200 or 204.
    """

    def __init__(self, vendor: Vendor, seals: Seals, deliver: Deliver | None) -> None:
        self._vendor, self._seals = vendor, seals
        self.deliver = deliver
        self._held: list[tuple[str, bytes]] = []

    def sealed(self, event_type: str, kind: str, resource: dict[str, Any]) -> bytes:
        """Build a notice's body: the resource sealed with the APIv3 key."""
        plain = json.dumps(resource, ensure_ascii=False).encode()
        return json.dumps(
            {
                "id": secrets.token_hex(16),
                "create_time": self._vendor.stamp(),
                "event_type": event_type,
                "resource_type": "encrypt-resource",
                "summary": _SUMMARIES[event_type],
                "resource": {"original_type": kind, **self._seals.sealed(plain, kind)},
            }
        ).encode()

    def signed_headers(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Sign a body as the platform; `at` (epoch seconds) makes it stale for tests."""
        return self._seals.signed(body, at, self._vendor.mode.signs_with)

    def send(self, event_type: str, kind: str, url: str, resource: dict[str, Any]) -> None:
        """Send a notice, in as many copies and with the delay that the mode says."""
        body = self.sealed(event_type, kind, resource)
        for _ in range(self._vendor.mode.copies):
            if self._vendor.mode.reorder:
                self._held.append((url, body))
            else:
                self._start(url, body)

    def release(self) -> int:
        """Send what was held, the last one first; returns how many those were."""
        held, self._held = self._held, []
        for url, body in reversed(held):
            self._start(url, body)
        return len(held)

    def drop_held(self) -> None:
        self._held = []

    def _start(self, url: str, body: bytes) -> None:
        self._vendor.later(self._vendor.mode.delay_s, lambda: self._hand_over(url, body))

    def _hand_over(self, url: str, body: bytes) -> None:
        if self.deliver is not None:
            self.deliver(url, self.signed_headers(body), body)
            return
        for wait_s in (*NOTIFY_AGAIN_AFTER_S, None):
            try:
                headers = self.signed_headers(body)
                answer = requests.post(url, data=body, headers=headers, timeout=5)
                if answer.status_code in (200, 204):
                    return
            except requests.RequestException:
                pass  # Nobody answered: it is sent again.
            if wait_s is None:
                return
            time.sleep(wait_s)

    def forge(self, kind: str, truth: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a payment's notice that is wrong in one way."""
        if kind not in FORGERIES:
            raise ValueError(f"kinds of forgeries: {', '.join(FORGERIES)}")
        resource = _twisted(truth, _LIES[kind]) if kind in _LIES else truth
        body = self.sealed("TRANSACTION.SUCCESS", "transaction", resource)
        if kind == "tag":
            body = _with_wrong_tag(body)
        stale = time.time() - MAX_SKEW_S - 100 if kind == "stale" else None
        headers = self.signed_headers(body, stale)
        if kind == "signature":
            headers["Wechatpay-Signature"] = base64.b64encode(secrets.token_bytes(256)).decode()
        elif kind == "signtest":  # WeChat Pay itself probes whether signatures are checked.
            probe = base64.b64encode(secrets.token_bytes(240)).decode()
            headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + probe
        elif kind == "serial":
            headers["Wechatpay-Serial"] = "PUB_KEY_ID_" + secrets.token_hex(16).upper()
        elif kind == "body":
            body = body.replace(b'"summary": "', b'"summary": "x')
        return headers, body


def _twisted(truth: dict[str, Any], lie: dict[str, Any]) -> dict[str, Any]:
    """Return a payment with one falsehood, under the name it has in this kind of order."""
    told = json.loads(json.dumps(truth))
    for name, value in lie.items():
        if name == "currency":
            told["amount"]["currency"] = value
        elif name == "openid":
            told["payer"] = dict.fromkeys(told["payer"], value)
        elif "sp_" + name in told:
            told["sp_" + name] = value
        else:
            told[name] = value
    return dict(told)


def _with_wrong_tag(body: bytes) -> bytes:
    notice = json.loads(body)
    raw = bytearray(base64.b64decode(notice["resource"]["ciphertext"]))
    raw[-1] ^= 1
    notice["resource"]["ciphertext"] = base64.b64encode(raw).decode()
    return json.dumps(notice).encode()
