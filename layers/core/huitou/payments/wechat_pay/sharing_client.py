"""分账 at WeChat Pay: receivers, shares, and what receivers give back.

There are three modes, which follow from the merchant and `brand_mchid`: direct, partner (服务商:
`sub_mchid` in every call) and brand (品牌分账: other paths, with `brand_mchid`, and with `finish`
instead of `unfreeze_unsplit`). Paths and fields are those of wechatpay-java's services
`profitsharing` and `brandprofitsharing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from huitou.catalog.stores.models import Merchant
from huitou.payments.charges.rules import certificate_span, encrypt_name
from huitou.payments.profit_sharing.models import Receiver, ReceiverType
from huitou.payments.profit_sharing.rules import PartResult, ShareState
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.runtime.errors import Unavailable

_DIRECT = "/v3/profitsharing"
_BRAND = "/v3/brand/profitsharing"
_RETURN_ENDS = {"SUCCESS": "success", "FAILED": "failed", "FAIL": "failed"}


@dataclass(frozen=True)
class Source:
    """Whose money is shared: the merchant that took it, and its brand if it has one."""

    merchant: Merchant
    brand_mchid: str | None = None


@dataclass(frozen=True)
class AskedPart:
    """What one receiver is to get, in fen; WeChat Pay's bill shows `description`."""

    type: ReceiverType
    account: str
    amount_fen: int
    description: str


@dataclass(frozen=True)
class ReturnState:
    """A return as WeChat Pay knows it: "processing", "success" or "failed"."""

    status: str
    fail_reason: str | None


class ProfitSharing:
    """Every method may raise Unavailable or WeChatPayRefusal; every write is safe to repeat."""

    def __init__(self, wechat_pay: WeChatPay) -> None:
        self._wechat_pay = wechat_pay

    def add_receiver(self, source: Source, receiver: Receiver) -> None:
        """Register a receiver at WeChat Pay; adding it again changes nothing."""
        body: dict[str, Any] = {
            **self._parties(source),
            "appid": self._appid(source),
            "type": self._type(source, receiver.type),
            "account": receiver.account,
            "relation_type": receiver.relation_type,
        }
        if source.brand_mchid is not None:
            # The call of brand mode takes the name unencrypted.
            named = {"name": receiver.name} if receiver.name else {}
            body = {**body, "brand_mchid": source.brand_mchid, **named}
            body.pop("sub_mchid", None)
            self._wechat_pay.call("POST", f"{_BRAND}/receivers/add", body)
            return
        serial = None
        if receiver.name:
            serial, pem = self._newest_key()
            body["name"] = encrypt_name(pem, receiver.name)
        self._wechat_pay.call("POST", f"{_DIRECT}/receivers/add", body, serial=serial)

    def share(
        self,
        source: Source,
        *,
        transaction_id: str,
        out_order_no: str,
        parts: Sequence[AskedPart],
    ) -> ShareState:
        """Share a payment out and release the rest to the merchant, in one request.

        A second call with the same `out_order_no` returns the same share.
        """
        brand = source.brand_mchid is not None
        body: dict[str, Any] = {
            **self._parties(source),
            "appid": self._appid(source),
            "transaction_id": transaction_id,
            "out_order_no": out_order_no,
            "receivers": [
                {
                    "type": self._type(source, part.type),
                    "account": part.account,
                    "amount": part.amount_fen,
                    "description": part.description,
                }
                for part in parts
            ],
            "finish" if brand else "unfreeze_unsplit": True,
        }
        if brand:
            body["brand_mchid"] = source.brand_mchid
        base = _BRAND if brand else _DIRECT
        return self._share_state(self._wechat_pay.call("POST", f"{base}/orders", body))

    def query(self, source: Source, *, transaction_id: str, out_order_no: str) -> ShareState | None:
        """Return a share as WeChat Pay knows it, or None if it never heard of it."""
        asked = {**self._sub_mchid(source), "transaction_id": transaction_id}
        if source.brand_mchid is not None:
            path = f"{_BRAND}/orders?" + urlencode({**asked, "out_order_no": out_order_no})
        else:
            path = f"{_DIRECT}/orders/{out_order_no}?" + urlencode(asked)
        found = self._wechat_pay.found("GET", path)
        return self._share_state(found) if found is not None else None

    def unfreeze(self, source: Source, *, transaction_id: str, out_order_no: str) -> None:
        """Release all that is still frozen to the merchant; after that nothing can be shared.

        `out_order_no` must be a number of its own, never that of a share.
        """
        brand = source.brand_mchid is not None
        path = f"{_BRAND}/finish-order" if brand else f"{_DIRECT}/orders/unfreeze"
        self._wechat_pay.call(
            "POST",
            path,
            {
                **self._sub_mchid(source),
                "transaction_id": transaction_id,
                "out_order_no": out_order_no,
                "description": "解冻全部剩余资金",
            },
        )

    def give_back(
        self,
        source: Source,
        *,
        out_order_no: str,
        out_return_no: str,
        return_mchid: str,
        amount_fen: int,
    ) -> ReturnState:
        """Take money back from a receiver that is a merchant, before the guest is refunded."""
        brand = source.brand_mchid is not None
        path = f"{_BRAND}/returnorders" if brand else f"{_DIRECT}/return-orders"
        return _return_state(
            self._wechat_pay.call(
                "POST",
                path,
                {
                    **self._sub_mchid(source),
                    "out_order_no": out_order_no,
                    "out_return_no": out_return_no,
                    "return_mchid": return_mchid,
                    "amount": amount_fen,
                    "description": "用户退款",
                },
            )
        )

    def query_return(
        self, source: Source, *, out_order_no: str, out_return_no: str
    ) -> ReturnState | None:
        """Return a return as WeChat Pay knows it, or None if it never heard of it."""
        asked = {**self._sub_mchid(source), "out_order_no": out_order_no}
        if source.brand_mchid is not None:
            path = f"{_BRAND}/returnorders?" + urlencode({**asked, "out_return_no": out_return_no})
        else:
            path = f"{_DIRECT}/return-orders/{out_return_no}?" + urlencode(asked)
        found = self._wechat_pay.found("GET", path)
        return _return_state(found) if found is not None else None

    def _sub_mchid(self, source: Source) -> dict[str, str]:
        """Return the field that names the store's merchant.

        Brand mode always needs it, the other modes only for a sub-merchant.
        """
        merchant = source.merchant
        if source.brand_mchid is not None:
            return {"sub_mchid": merchant.sub_mchid or merchant.mchid}
        return {"sub_mchid": merchant.sub_mchid} if merchant.sub_mchid else {}

    def _parties(self, source: Source) -> dict[str, str]:
        settings = self._wechat_pay.settings
        who = self._sub_mchid(source)
        if self._appid(source) != settings.appid:
            who["sub_appid"] = settings.appid
        return who

    def _appid(self, source: Source) -> str:
        settings = self._wechat_pay.settings
        partner = source.merchant.sub_mchid is not None or source.brand_mchid is not None
        return settings.sp_appid if partner else settings.appid

    def _type(self, source: Source, kind: ReceiverType) -> str:
        # We know a person's openid at our mini-program, which is the sub-appid for a provider.
        if kind == "PERSONAL_OPENID" and self._appid(source) != self._wechat_pay.settings.appid:
            return "PERSONAL_SUB_OPENID"
        return kind

    def _newest_key(self) -> tuple[str, str]:
        """Return the key to encrypt with (serial, PEM): a public key, or the newest certificate."""
        keys = self._wechat_pay.platform_keys
        if not keys:
            raise Unavailable(detail="platform keys")
        return max(keys.items(), key=_rank)

    def _share_state(self, answer: dict[str, Any]) -> ShareState:
        # Brand mode calls the field `status`, the others `state`. The parts of an order that is
        # still under way are not read.
        if (answer.get("state") or answer.get("status")) != "FINISHED":
            return ShareState(finished=False, parts=[])
        parts = [
            PartResult(
                type="MERCHANT_ID" if part["type"] == "MERCHANT_ID" else "PERSONAL_OPENID",
                account=str(part["account"]),
                amount_fen=int(part["amount"]),
                result=str(part.get("result", "PENDING")),
                fail_reason=part.get("fail_reason"),
            )
            for part in answer.get("receivers") or []
        ]
        return ShareState(finished=True, parts=parts)


def _rank(key: tuple[str, str]) -> tuple[bool, str]:
    """Rank public keys above certificates, and certificates by the start of their validity."""
    _serial, pem = key
    bare = "BEGIN CERTIFICATE" not in pem
    return bare, "" if bare else certificate_span(pem)[0].isoformat()


def _return_state(answer: dict[str, Any]) -> ReturnState:
    status = _RETURN_ENDS.get(str(answer.get("result")), "processing")
    return ReturnState(status, answer.get("fail_reason"))
