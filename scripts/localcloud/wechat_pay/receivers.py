"""Who may be given a share: receivers added and deleted, their names encrypted on the way."""

from __future__ import annotations

from typing import Any

from localcloud.wechat_pay.errors import Refused, wrong_field
from localcloud.wechat_pay.fields import MCHID, check_body
from localcloud.wechat_pay.seals import Seals
from localcloud.wechat_pay.sharing_schemes import BRAND, PLAIN, Dialect
from localcloud.wechat_pay.vendor import Answer, Call, Route, Vendor


class Receivers:
    """What `…/profitsharing/receivers/…` answers."""

    def __init__(self, vendor: Vendor, seals: Seals) -> None:
        self._vendor, self._books, self._seals = vendor, vendor.books, seals

    def routes(self) -> list[Route]:
        return [
            *self._routes_of("/v3/profitsharing", PLAIN),
            *self._routes_of("/v3/brand/profitsharing", BRAND),
        ]

    def _routes_of(self, path: str, dialect: Dialect) -> list[Route]:
        return [
            Route("POST", path + "/receivers/add", lambda call: self._add(dialect, call)),
            Route("POST", path + "/receivers/delete", lambda call: self._delete(dialect, call)),
        ]

    def _add(self, dialect: Dialect, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, dialect.add)
        self._check_apps(body)
        name = self._name(dialect, call)
        if body["type"] == "MERCHANT_ID" and not MCHID(body["account"]):
            raise wrong_field("account", "no merchant's number")
        if body["type"] == "MERCHANT_ID" and name is None:
            raise wrong_field("name", "missing")
        if body["relation_type"] == "CUSTOM" and "custom_relation" not in body:
            raise wrong_field("custom_relation", "missing")
        for merchant in ("sub_mchid", "brand_mchid"):
            if merchant in body:
                self._books.remember_merchant(body[merchant])
        kept = {field: body[field] for field in ("type", "account", "relation_type")}
        owner = dialect.owner(body, self._vendor.keys.mchid)
        self._books.put_receiver(owner, kept | {"name": name})
        fields = ("sub_mchid", "brand_mchid", "custom_relation")
        shown = {field: body[field] for field in fields if field in body} | kept
        if name is not None:
            shown["name"] = name if _is_sent_in_clear(dialect, call) else self._seals.closed(name)
        return shown

    def _name(self, dialect: Dialect, call: Call) -> str | None:
        """Return the receiver's name in clear."""
        name = call.body.get("name")
        if name is None or _is_sent_in_clear(dialect, call):
            return name
        return self._seals.opened(call.serial, name, "name")

    def _delete(self, dialect: Dialect, call: Call) -> Answer:
        body = call.body
        call.check_query(())
        check_body(body, dialect.delete)
        self._check_apps(body)
        owner = dialect.owner(body, self._vendor.keys.mchid)
        self._books.drop_receiver(owner, body["type"], body["account"])
        fields = ("sub_mchid", "brand_mchid", "type", "account")
        return {field: body[field] for field in fields if field in body}

    def _check_apps(self, body: dict[str, Any]) -> None:
        if body["appid"] != self._vendor.keys.appid:
            raise Refused(400, "APPID_MCHID_NOT_MATCH")
        if body["type"] == "PERSONAL_SUB_OPENID" and "sub_appid" not in body:
            raise wrong_field("sub_appid", "missing")

    def check(self, dialect: Dialect, call: Call) -> None:
        """Refuse a share with a receiver who wasn't added (a brand is its own receiver)."""
        body = call.body
        owner = dialect.owner(body, self._vendor.keys.mchid)
        for number, receiver in enumerate(body["receivers"]):
            kind, account = receiver["type"], receiver["account"]
            needed = {"PERSONAL_OPENID": "appid", "PERSONAL_SUB_OPENID": "sub_appid"}.get(kind)
            if needed and needed not in body:
                raise wrong_field(needed, "missing")
            if "name" in receiver:
                place = f"receivers[{number}].name"
                self._seals.opened(call.serial, receiver["name"], place)
            is_brand = dialect is BRAND and account == body["brand_mchid"]
            if not is_brand and self._books.receiver(owner, kind, account) is None:
                place = f"receivers[{number}].account"
                raise wrong_field(place, "分账接收方关系不存在，请检查参数中每个接收方的关系")


def _is_sent_in_clear(dialect: Dialect, call: Call) -> bool:
    """Whether names are sent as they are, both ways: a brand's are, unless a key is named.

    The official brand API has no encrypted field here, while some clients encrypt all the same
    and say so by Wechatpay-Serial.
    """
    return dialect is BRAND and not call.serial
