"""Our client of WeChat Pay API v3: it signs its calls and verifies their answers.

Paths and fields are those of WeChat Pay's own SDKs (wechatpay-java, wechatpay-go). Profit sharing
has a file of its own, `sharing_client.py`, which uses `call`.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from huitou.catalog.stores.models import Merchant
from huitou.payments.charges.rules import (
    certificate_span,
    client_message,
    open_sealed,
    request_message,
    sign,
    verify_signature,
)
from huitou.payments.wechat_pay.errors import WeChatPayErrors
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.logs import log
from huitou.runtime.settings import WeChatPaySettings

if TYPE_CHECKING:
    import requests

_NOT_THERE = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}
_TEMPORARY = {"SYSTEM_ERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"}
TIMEOUT_S = (2, 4)  # connect, read; a callback has to be answered within 5 s
BILL_TIMEOUT_S = (2, 20)
MOST_REASON_BYTES = 80  # Some 26 Chinese characters; we store the whole reason.
MAX_BILL_BYTES = 64 * 2**20  # Unzipped; a day of some 150,000 rows.
_BILLS = {
    "trade": "/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP",
    "fundflow": "/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP",
}


class AskedTooSoon(Unavailable):
    """WeChat Pay wants a pause first, as the minute between two refunds of one payment."""


class WeChatPayRefusal(Refusal):
    """WeChat Pay understood a call and refused it; `reason` is its error code."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(WeChatPayErrors.PAYMENT_FAILED, detail=reason)
        self.reason = reason
        # A 404 alone may come from a proxy or a wrong address; the code must say "no such order".
        self.not_there = status == 404 and reason in _NOT_THERE


class WeChatPay:
    """The chain's calls to WeChat Pay. Each call may raise Unavailable or WeChatPayRefusal.

    `platform_keys` returns the keys trusted now; without it they are those of the settings.
    """

    def __init__(
        self,
        settings: WeChatPaySettings,
        platform_keys: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self.settings = settings
        self._platform_keys = platform_keys or (lambda: settings.platform_keys)

    @property
    def platform_keys(self) -> Mapping[str, str]:
        """WeChat Pay's keys that are trusted now, PEM by serial."""
        return self._platform_keys()

    @cached_property
    def session(self) -> requests.Session:
        import requests  # Here, as only calls need it and it costs a cold start 55 ms.

        return requests.Session()

    def merchant_for(self, sub_mchid: str | None) -> Merchant:
        """Return the merchant that takes a store's money: its own sub-merchant, or the chain's."""
        return Merchant(mchid=self.settings.mchid, sub_mchid=sub_mchid)

    def prepay(
        self,
        *,
        merchant: Merchant,
        out_trade_no: str,
        description: str,
        amount_fen: int,
        openid: str,
        expires_at: datetime,
        profit_sharing: bool,
    ) -> str:
        """Place a JSAPI order and return its prepay_id; safe to repeat.

        `openid` is the guest's openid at our mini-program. With `profit_sharing` the money stays
        frozen until it is shared.
        """
        order = {
            **self._parties(merchant),
            "description": description,
            "out_trade_no": out_trade_no,
            "time_expire": expires_at.isoformat(timespec="seconds"),
            "notify_url": self.settings.notify_url,
            "amount": {"total": amount_fen, "currency": "CNY"},
            "payer": {self._payer_field(merchant): openid},
        }
        if profit_sharing:
            order["settle_info"] = {"profit_sharing": True}
        path = "/v3/pay/partner/transactions" if merchant.sub_mchid else "/v3/pay/transactions"
        answer = self.call("POST", f"{path}/jsapi", order)
        return str(answer["prepay_id"])

    def _parties(self, merchant: Merchant) -> dict[str, Any]:
        if merchant.sub_mchid is None:
            return {"appid": self.settings.appid, "mchid": merchant.mchid}
        parties = {
            "sp_appid": self.settings.sp_appid,
            "sp_mchid": merchant.mchid,
            "sub_mchid": merchant.sub_mchid,
        }
        if self.settings.sp_appid != self.settings.appid:
            parties["sub_appid"] = self.settings.appid
        return parties

    def _payer_field(self, merchant: Merchant) -> Literal["openid", "sp_openid", "sub_openid"]:
        if merchant.sub_mchid is None:
            return "openid"
        own = self.settings.sp_appid == self.settings.appid
        return "sp_openid" if own else "sub_openid"

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

    def query(self, merchant: Merchant, out_trade_no: str) -> dict[str, Any] | None:
        """Return a payment as WeChat Pay knows it, or None if it never heard of it."""
        if merchant.sub_mchid is None:
            path, who = "/v3/pay/transactions", f"mchid={merchant.mchid}"
        else:
            path = "/v3/pay/partner/transactions"
            who = f"sp_mchid={merchant.mchid}&sub_mchid={merchant.sub_mchid}"
        return self.found("GET", f"{path}/out-trade-no/{out_trade_no}?{who}")

    def close(self, merchant: Merchant, out_trade_no: str) -> None:
        """Close a payment for good; raises WeChatPayRefusal ORDERPAID if the guest has paid it."""
        if merchant.sub_mchid is None:
            path, who = "/v3/pay/transactions", {"mchid": merchant.mchid}
        else:
            path = "/v3/pay/partner/transactions"
            who = {"sp_mchid": merchant.mchid, "sub_mchid": merchant.sub_mchid}
        self.call("POST", f"{path}/out-trade-no/{out_trade_no}/close", who)

    def refund(
        self,
        *,
        merchant: Merchant,
        out_refund_no: str,
        out_trade_no: str,
        amount_fen: int,
        total_fen: int,
        reason: str,
    ) -> dict[str, Any]:
        """Ask for a refund. The answer means that it is accepted, never that it is done.

        Safe to repeat. `total_fen` is what the payment took, `amount_fen` what is refunded of it.
        """
        asked = {
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "reason": reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore"),
            "notify_url": self.settings.notify_url,
            "amount": {"refund": amount_fen, "total": total_fen, "currency": "CNY"},
        }
        if merchant.sub_mchid is not None:
            asked["sub_mchid"] = merchant.sub_mchid
        return self.call("POST", "/v3/refund/domestic/refunds", asked)

    def query_refund(self, merchant: Merchant, out_refund_no: str) -> dict[str, Any] | None:
        """Return a refund as WeChat Pay knows it, or None if it never heard of it."""
        who = f"?sub_mchid={merchant.sub_mchid}" if merchant.sub_mchid else ""
        number = quote(out_refund_no, safe="@")  # We must sign the path that is sent.
        return self.found("GET", f"/v3/refund/domestic/refunds/{number}{who}")

    def certificates(self) -> dict[str, str]:
        """Return WeChat Pay's platform certificates that are valid now, PEM by serial.

        The answer must be signed by a key we know, or by a certificate of this very answer: each
        is encrypted with our own APIv3 key, which proves who sent it. A merchant in public key mode
        has no certificates.
        """
        response = self._send("GET", "/v3/certificates", "", None, TIMEOUT_S)
        if response.status_code >= 400:
            refused = self._refusal(response)
            if refused.not_there:
                return {}
            raise refused
        carried = _decrypted(response.content, self.settings.api_v3_key)
        self._verify(response, {**carried, **self.platform_keys})
        now = datetime.now(UTC)
        return {
            serial: pem
            for serial, pem in carried.items()
            if certificate_span(pem)[0] <= now < certificate_span(pem)[1]
        }

    def bill(self, kind: Literal["trade", "fundflow"], day: str) -> bytes | None:
        """Return a day's bill (`day` as YYYY-MM-DD) as WeChat Pay wrote it; None if there is none.

        The file itself is not signed: we check its hash, which came in a signed answer. Raises
        Unavailable while WeChat Pay is still writing the bill, WeChatPayRefusal if it exceeds
        `MAX_BILL_BYTES`. A provider's trade bill has its stores' rows as well.
        """
        try:
            where = self.call("GET", _BILLS[kind].format(day=day))
        except WeChatPayRefusal as refused:
            if refused.reason == "NO_STATEMENT_EXIST":
                return None
            if refused.reason == "STATEMENT_CREATING":
                raise Unavailable(detail=refused.reason) from refused
            raise
        target = urlsplit(str(where["download_url"]))
        if target.netloc != urlsplit(self.settings.base_url).netloc:
            raise WeChatPayRefusal("BILL_ADDRESS", 200)  # We send our signature to no other host.
        response = self._send(
            "GET", f"{target.path}?{target.query}", "", None, BILL_TIMEOUT_S, stream=True
        )
        if response.status_code >= 400:
            raise self._refusal(response)
        content = _unzipped(response)
        if where.get("hash_type") != "SHA1" or sha1(content).hexdigest() != where["hash_value"]:  # noqa: S324
            raise Unavailable(detail="bill hash")
        return content

    def found(self, method: str, path: str) -> dict[str, Any] | None:
        """Make a call; returns None if WeChat Pay answers that it doesn't know the thing."""
        try:
            return self.call(method, path)
        except WeChatPayRefusal as refused:
            if refused.not_there:
                return None
            raise

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        serial: str | None = None,
    ) -> dict[str, Any]:
        """Make one signed call and return its verified answer.

        `serial` names the platform key under which something in the body is encrypted.
        """
        text = json.dumps(body, ensure_ascii=False) if body is not None else ""
        response = self._send(method, path, text, serial, TIMEOUT_S)
        if response.status_code >= 400:
            raise self._refusal(response)
        self._verify(response, self.platform_keys)
        return response.json() if response.content else {}

    def _send(
        self,
        method: str,
        path: str,
        text: str,
        serial: str | None,
        timeout_s: tuple[int, int],
        *,
        stream: bool = False,
    ) -> requests.Response:
        import requests

        headers = self._headers(method, path, text)
        if stream:
            headers["Accept"] = "*/*"
        if serial is not None:
            headers["Wechatpay-Serial"] = serial
        try:
            response = self.session.request(
                method,
                self.settings.base_url + path,
                data=text.encode(),
                headers=headers,
                timeout=timeout_s,
                stream=stream,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Unavailable(detail=type(error).__name__) from error
        if response.status_code == 429:
            raise AskedTooSoon(detail="429")
        if response.status_code >= 500:
            raise Unavailable(detail=str(response.status_code))
        return response

    def _refusal(self, response: requests.Response) -> WeChatPayRefusal:
        """Return what an error answer says; raises Unavailable if a retry may succeed."""
        if "Wechatpay-Signature" in response.headers:
            self._verify(response, self.platform_keys)
        reason = _error_code(response.content)
        if reason in _TEMPORARY:
            raise Unavailable(detail=reason)
        return WeChatPayRefusal(reason, response.status_code)

    def _verify(self, response: requests.Response, keys: Mapping[str, str]) -> None:
        """Verify an answer's signature like a callback's, because it moves money just the same.

        Raises Unavailable if it is wrong: while keys change, the next answer may be right.
        """
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


def _decrypted(answer: bytes, api_v3_key: bytes) -> dict[str, str]:
    """Decrypt every certificate of an answer; raises Unavailable if that fails."""
    try:
        return {
            str(entry["serial_no"]): open_sealed(entry["encrypt_certificate"], api_v3_key).decode()
            for entry in json.loads(answer)["data"]
        }
    except (Refusal, ValueError, KeyError, TypeError) as error:
        log("wechat_pay_certificates_unreadable")
        raise Unavailable(detail="certificates") from error


def _unzipped(response: requests.Response) -> bytes:
    import zlib

    import requests

    unzip = zlib.decompressobj(wbits=31)
    content = bytearray()
    try:
        for chunk in response.iter_content(64 * 1024):
            content += unzip.decompress(chunk, MAX_BILL_BYTES + 1 - len(content))
            if len(content) > MAX_BILL_BYTES:
                raise WeChatPayRefusal("BILL_TOO_LARGE", 200)
    except (requests.RequestException, zlib.error) as error:
        raise Unavailable(detail="bill") from error
    finally:
        response.close()
    return bytes(content)


def _error_code(body: bytes) -> str:
    try:
        return str(json.loads(body).get("code", "UNKNOWN"))[:40]
    except (ValueError, AttributeError):
        return "UNKNOWN"
