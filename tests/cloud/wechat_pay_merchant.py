"""A merchant who calls WeChat Pay's stand-in as a plain object, without threads or a network."""

from __future__ import annotations

import base64
import gzip
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from chain_data import FakeClock
from localcloud.keys import LocalSecrets
from localcloud.wechat_pay import WeChatPayStandIn

JSAPI = "/v3/pay/transactions/jsapi"
PARTNER = "/v3/pay/partner/transactions/jsapi"
REFUNDS = "/v3/refund/domestic/refunds"
NOTIFY_URL = "https://shop.example/pay/notify"
STORE = "1900000109"
FRANCHISE = "1900000110"
BRAND = "1900000108"


class Merchant:
    """Signs as the merchant; WeChat Pay's later actions wait for `pass_time`."""

    def __init__(self, keys: LocalSecrets, folder: Path) -> None:
        self.keys = keys
        self.clock = FakeClock()
        self.delivered: list[tuple[str, dict[str, str], bytes]] = []
        self._due: list[Callable[[], None]] = []
        self._key: Any = load_pem_private_key(keys.merchant_private_key.encode(), None)
        self._books = folder / "wechat_pay.sqlite"
        self.pay_service = self.opened()

    def opened(self) -> WeChatPayStandIn:
        """Open the stand-in on the same books, as a restart of the local cloud does."""
        return WeChatPayStandIn(
            self.keys,
            self.clock,
            self._books,
            deliver=lambda *notice: self.delivered.append(notice),
            later=lambda _delay_s, work: self._due.append(work),
        )

    def pass_time(self, **ahead: float) -> None:
        """Do the waiting actions, then advance the clock."""
        while self._due:
            self._due.pop(0)()
        self.clock.advance(**ahead)

    def sign(self, message: str) -> str:
        signature = self._key.sign(message.encode(), PKCS1v15(), SHA256())
        return base64.b64encode(signature).decode()

    def authorization(self, method: str, url: str, body: str, **change: str) -> str:
        stamp, nonce = str(int(time.time())), secrets.token_hex(16)
        fields = {
            "mchid": self.keys.mchid,
            "nonce_str": nonce,
            "timestamp": stamp,
            "serial_no": self.keys.merchant_serial,
        } | change
        stamp = fields["timestamp"]
        fields.setdefault("signature", self.sign(f"{method}\n{url}\n{stamp}\n{nonce}\n{body}\n"))
        return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{k}="{v}"' for k, v in fields.items())

    def raw(
        self, method: str, url: str, body: dict[str, Any] | None = None, serial: str = ""
    ) -> tuple[int, bytes, dict[str, str]]:
        text = json.dumps(body) if body is not None else ""
        path, _, query = url.partition("?")
        signed = self.authorization(method, url, text)
        return self.pay_service.serve(method, path, query, signed, text.encode(), serial)

    def call(
        self, method: str, url: str, body: dict[str, Any] | None = None, serial: str = ""
    ) -> tuple[int, dict[str, Any]]:
        status, answer, _headers = self.raw(method, url, body, serial)
        return status, json.loads(answer) if answer else {}

    def ok(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, answer = self.call(method, url, body)
        assert status in (200, 204), (status, answer)
        return answer

    def refused(
        self, method: str, url: str, body: dict[str, Any] | None = None, serial: str = ""
    ) -> tuple[int, str]:
        """Return a refusal's status and code; for a wrong parameter, its name as the code."""
        status, answer = self.call(method, url, body, serial)
        assert status >= 400, answer
        if answer["code"] == "PARAM_ERROR":
            return status, answer["detail"]["field"]
        return status, answer["code"]

    # --- orders -------------------------------------------------------------------------------

    def order(self, number: str, total: int = 10_000, **change: Any) -> dict[str, Any]:
        """Return the request of a direct order, without the fields that are None."""
        body = {
            "appid": self.keys.appid,
            "mchid": self.keys.mchid,
            "description": "牛肉面",
            "out_trade_no": number,
            "notify_url": NOTIFY_URL,
            "amount": {"total": total, "currency": "CNY"},
            "payer": {"openid": "alice"},
            "settle_info": {"profit_sharing": True},
        }
        return {k: v for k, v in (body | change).items() if v is not None}

    def partner_order(self, number: str, total: int = 10_000, **change: Any) -> dict[str, Any]:
        partner = {
            "appid": None,
            "mchid": None,
            "sp_appid": self.keys.appid,
            "sp_mchid": self.keys.mchid,
            "sub_mchid": STORE,
            "payer": {"sp_openid": "alice"},
        }
        return self.order(number, total, **(partner | change))

    def direct(self, number: str) -> str:
        return f"/v3/pay/transactions/out-trade-no/{number}?mchid={self.keys.mchid}"

    def partner(self, number: str, sub_mchid: str = STORE) -> str:
        who = f"sp_mchid={self.keys.mchid}&sub_mchid={sub_mchid}"
        return f"/v3/pay/partner/transactions/out-trade-no/{number}?{who}"

    def tap(
        self, prepay_id: str, openid: str = "alice", appid: str = "", **change: str
    ) -> dict[str, Any]:
        """Let the guest's phone confirm the answer of `prepay`."""
        stamp, package = str(int(time.time())), f"prepay_id={prepay_id}"
        parts = (appid or self.keys.appid, stamp, "nonce", package)
        parameters = {
            "timeStamp": stamp,
            "nonceStr": "nonce",
            "package": package,
            "signType": "RSA",
            "paySign": self.sign("".join(part + "\n" for part in parts)),
        }
        return self.pay_service.pay(openid, parameters | change)

    def paid(self, number: str, total: int = 10_000, **change: Any) -> str:
        """Place and pay a direct order; returns its transaction id."""
        prepay_id = self.ok("POST", JSAPI, self.order(number, total, **change))["prepay_id"]
        return str(self.tap(prepay_id)["transaction_id"])

    def paid_for_store(self, number: str, total: int = 10_000, **change: Any) -> str:
        prepay_id = self.ok("POST", PARTNER, self.partner_order(number, total, **change))[
            "prepay_id"
        ]
        return str(self.tap(prepay_id)["transaction_id"])

    def refund(self, number: str, out_refund_no: str, fen: int, **change: Any) -> dict[str, Any]:
        """Return the request of a refund."""
        total = self.pay_service.payment(number)["total"]
        body = {
            "out_trade_no": number,
            "out_refund_no": out_refund_no,
            "notify_url": NOTIFY_URL,
            "amount": {"refund": fen, "total": total, "currency": "CNY"},
        }
        return body | change

    # --- WeChat Pay's notices and bills -------------------------------------------------------

    def encrypted(self, name: str) -> str:
        public: Any = load_pem_public_key(self.keys.platform_public_key.encode())
        padding = OAEP(MGF1(SHA1()), SHA1(), None)  # noqa: S303
        return base64.b64encode(public.encrypt(name.encode(), padding)).decode()

    def unsealed(self, resource: dict[str, str]) -> bytes:
        key = AESGCM(self.keys.api_v3_key.encode())
        secret = base64.b64decode(resource["ciphertext"])
        return key.decrypt(resource["nonce"].encode(), secret, resource["associated_data"].encode())

    def told(self) -> list[dict[str, Any]]:
        """Return the resources of all notices so far."""
        notices = [json.loads(body) for _url, _headers, body in self.delivered]
        return [json.loads(self.unsealed(notice["resource"])) for notice in notices]

    def bill(self, url: str) -> tuple[dict[str, Any], list[list[str]]]:
        """Fetch a bill: the answer about it, and its lines split into values."""
        answer = self.ok("GET", url)
        link = urlsplit(answer["download_url"])
        status, file, headers = self.raw("GET", f"{link.path}?{link.query}")
        assert status == 200
        assert "Wechatpay-Signature" not in headers
        answer["plain"] = gzip.decompress(file) if "tar_type=GZIP" in url else file
        lines = answer["plain"].decode("utf-8-sig").split("\r\n")
        assert lines.pop() == ""
        return answer, [[value.removeprefix("`") for value in line.split(",")] for line in lines]
