"""A strict stand-in for the mini-program's server API: tokens, phone numbers, shipping."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import segno
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from huitou.runtime.parsing import parse_json
from localcloud.keys import LocalSecrets

TOKEN_LIVES_S = 7_200
CODE_LIVES_S = 300
ITEM_DESC_MOST = 120
LOGISTICS = {1: "express", 2: "city delivery", 3: "virtual", 4: "self-pickup"}

# What each kind of a subscription message's fields may hold.
FIELDS = {
    "thing": r".{1,20}", "character_string": r"[\x20-\x7e]{1,32}", "letter": r"[A-Za-z]{1,32}",
    "number": r"[0-9.]{1,32}", "symbol": r"[^\w\s]{1,5}", "phrase": r"[\u4e00-\u9fff]{1,5}",
    "name": r"[\u4e00-\u9fff]{1,10}|[A-Za-z ]{1,20}", "amount": r"[¥$]?[0-9.]{1,10}元?",
    "phone_number": r"[0-9+\-]{1,17}", "car_number": r".{1,8}", "time": r".{1,24}",
    "date": r".{1,24}",
}  # fmt: skip

SCENE = r"[A-Za-z0-9!#$&'()*+,/:;=?@\-._~]{1,32}"

FindPayment = Callable[..., dict[str, Any] | None]
Answer = dict[str, Any]


class MiniProgramStandIn:
    """Answers as api.weixin.qq.com: HTTP 200 with an `errcode`.

    `find_payment` asks WeChat Pay for a payment by `transaction_id` or `out_trade_no`.
    """

    def __init__(self, keys: LocalSecrets, find_payment: FindPayment) -> None:
        self._keys = keys
        self._find_payment = find_payment
        self._token, self._token_ends = "", 0.0
        self._codes: dict[str, tuple[str, float]] = {}
        self._shipped: dict[str, Answer] = {}
        self._trade_managed = True
        self._lock = threading.Lock()
        self._allowed: Counter[tuple[str, str]] = Counter()
        self._messages: list[Answer] = []
        self._cards: dict[str, list[Answer]] = {}
        self._risks: dict[str, int] = {}
        self._sessions: dict[str, tuple[str, str]] = {}

    def authorise_phone(self, phone: str) -> str:
        """Do what the guest's tap on "allow" does: return a single-use code for a number."""
        code = secrets.token_hex(16)
        self._codes[code] = (phone, time.time() + CODE_LIVES_S)
        return code

    def stable_token(self, body: dict[str, Any]) -> Answer:
        if body.get("grant_type") != "client_credential":
            return {"errcode": 40002, "errmsg": "invalid grant_type"}
        if (body.get("appid"), body.get("secret")) != (self._keys.appid, self._keys.app_secret):
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if time.time() > self._token_ends:
            self._token, self._token_ends = secrets.token_hex(32), time.time() + TOKEN_LIVES_S
        return {"access_token": self._token, "expires_in": int(self._token_ends - time.time())}

    def _token_is_good(self, access_token: str) -> bool:
        return (
            bool(access_token) and access_token == self._token and time.time() <= self._token_ends
        )

    def phone_number(self, access_token: str, body: dict[str, Any]) -> Answer:
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        phone, ends = self._codes.pop(str(body.get("code")), ("", 0.0))
        if time.time() > ends:
            return {"errcode": 40029, "errmsg": "invalid code"}
        info = {"phoneNumber": phone, "purePhoneNumber": phone, "countryCode": "86"}
        return {"errcode": 0, "errmsg": "ok", "phone_info": info}

    # --- subscription messages (订阅消息) -------------------------------------------------------

    def accept_messages(self, openid: str, template_ids: list[str]) -> dict[str, str]:
        """Do what the guest's tap on "allow" does: one message of each template may follow."""
        for template_id in template_ids:
            self._allowed[openid, template_id] += 1
        return dict.fromkeys(template_ids, "accept")

    def messages(self) -> list[Answer]:
        """Return the messages that went out, in their order."""
        return list(self._messages)

    def send_message(self, access_token: str, body: dict[str, Any]) -> Answer:
        """Send one message: 43101 without a tap for it, 47003 for a field that is not as it is
        to be."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        openid, template_id = body.get("touser"), body.get("template_id")
        if not openid or not isinstance(openid, str):
            return {"errcode": 40003, "errmsg": "touser 字段 openid 为空或者不正确"}
        if not template_id or not isinstance(template_id, str):
            return {"errcode": 40037, "errmsg": "订阅模板 id 为空或不正确"}
        problem = _malformed_data(body.get("data"))
        if problem:
            return {"errcode": 47003, "errmsg": f"模板参数不准确: {problem}"}
        with self._lock:
            if not self._allowed[openid, template_id]:
                return {"errcode": 43101, "errmsg": "用户拒绝接受消息"}
            self._allowed[openid, template_id] -= 1
            self._messages.append(body)
        return {"errcode": 0, "errmsg": "ok"}

    # --- cards (服务动态) -----------------------------------------------------------------------

    def cards(self) -> dict[str, list[Answer]]:
        """Return what each payment's card showed, one after the other, by transaction id."""
        return {code: list(shown) for code, shown in self._cards.items()}

    def show_card(self, access_token: str, body: dict[str, Any]) -> Answer:
        """Keep a card of template 2007: begun for a payment of that user's, then changed."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        code, openid = body.get("notify_code"), body.get("openid")
        payment = self._find_payment(transaction_id=code) if isinstance(code, str) else None
        if body.get("notify_type") != 2007 or payment is None:
            return {"errcode": 85437, "errmsg": "invalid notify_code"}
        if payment["openid"] != openid:
            return {"errcode": 40003, "errmsg": "invalid openid"}
        content, check = _from_json(body.get("content_json")), _from_json(body.get("check_json"))
        begun = self._cards.setdefault(str(code), [])
        problem = _malformed_card(content)
        if not begun and check.get("pay_amount") != payment["total"]:
            problem = "check_json"
        if problem:
            return {"errcode": 47003, "errmsg": f"参数不准确: {problem}"}
        begun.append(content)
        return {"errcode": 0, "errmsg": "ok"}

    # --- groups ---------------------------------------------------------------------------------

    def enter_group(self, openid: str, opengid: str) -> dict[str, str]:
        """Do what opening from a group gives the mini-program: a code, and the encrypted group."""
        code, key, iv = secrets.token_hex(16), secrets.token_bytes(16), secrets.token_bytes(16)
        self._sessions[code] = (openid, base64.b64encode(key).decode())
        mark = {"timestamp": int(time.time()), "appid": self._keys.appid}
        padder = PKCS7(128).padder()
        plain = json.dumps({"opengid": opengid, "watermark": mark}).encode()
        encryptor = Cipher(algorithms.AES128(key), modes.CBC(iv)).encryptor()
        data = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        return {
            "code": code,
            "encrypted_data": base64.b64encode(data).decode(),
            "iv": base64.b64encode(iv).decode(),
        }

    def session(self, parameters: Mapping[str, str]) -> Answer:
        """Tell whose session a code is, once."""
        asked = (parameters.get("appid"), parameters.get("secret"))
        if asked != (self._keys.appid, self._keys.app_secret):
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if parameters.get("grant_type") != "authorization_code":
            return {"errcode": 40002, "errmsg": "invalid grant_type"}
        found = self._sessions.pop(str(parameters.get("js_code")), None)
        if found is None:
            return {"errcode": 40163, "errmsg": "code been used"}
        return {"openid": found[0], "session_key": found[1]}

    # --- risk and codes -------------------------------------------------------------------------

    def set_risk(self, openid: str, rank: int) -> dict[str, int]:
        """Say how risky WeChat thinks a user is; everybody else is not at all."""
        self._risks[openid] = rank
        return {"rank": rank}

    def risk_rank(self, access_token: str, body: dict[str, Any]) -> Answer:
        """Rank a user from 0 to 4 for marketing (scene 1)."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        if body.get("appid") != self._keys.appid or not body.get("openid"):
            return {"errcode": 40003, "errmsg": "invalid openid"}
        if body.get("scene") not in (0, 1) or not body.get("client_ip"):
            return {"errcode": 40097, "errmsg": "invalid args"}
        rank = self._risks.get(body["openid"], 0)
        return {"errcode": 0, "errmsg": "ok", "risk_rank": rank, "unoin_id": len(self._risks)}

    def code_image(self, access_token: str, body: dict[str, Any]) -> Answer | bytes:
        """Draw a code for a scene of at most 32 letters; here a QR code of page and scene."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        scene = body.get("scene")
        if not isinstance(scene, str) or not re.fullmatch(SCENE, scene):
            return {"errcode": 40169, "errmsg": "invalid length for scene, or the data is not json"}
        drawn = io.BytesIO()
        segno.make(f"{body.get('page', '')}?{scene}").save(drawn, kind="png", scale=8)
        return drawn.getvalue()

    def url_link(self, access_token: str, body: dict[str, Any]) -> Answer:
        """Make a link of a page that ends within a year."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        days = body.get("expire_interval")
        if body.get("expire_type") != 1 or not isinstance(days, int) or not 1 <= days <= 365:
            return {"errcode": 85402, "errmsg": "invalid expire interval"}
        named = f"{body.get('path', '')}?{body.get('query', '')}"
        digest = hashlib.sha256(named.encode()).hexdigest()[:12]
        return {"errcode": 0, "errmsg": "ok", "url_link": f"https://wxaurl.cn/{digest}"}

    # --- shipping (发货信息管理) ----------------------------------------------------------------

    def manage_trade(self, *, managed: bool) -> dict[str, bool]:
        """Say whether this mini-program has to report shipping before it gets its money."""
        self._trade_managed = managed
        return {"trade_managed": managed}

    def shipped(self) -> dict[str, Answer]:
        """Return what was uploaded, by transaction id."""
        return dict(self._shipped)

    def forget_everything(self) -> None:
        """Forget what was shipped and sent, when the local cloud's sample data is made anew."""
        self._shipped.clear()
        self._allowed.clear()
        self._messages.clear()
        self._cards.clear()
        self._risks.clear()

    def is_trade_managed(self, access_token: str, body: dict[str, Any]) -> Answer:
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        if not body.get("appid"):
            return {"errcode": 40097, "errmsg": "invalid args"}
        if body["appid"] != self._keys.appid:
            return {"errcode": 40013, "errmsg": "invalid appid"}
        return {"errcode": 0, "errmsg": "ok", "is_trade_managed": self._trade_managed}

    def upload_shipping_info(self, access_token: str, body: dict[str, Any]) -> Answer:
        """Keep what was shipped, once for each payment; the errors are the documented ones."""
        if not self._token_is_good(access_token):
            return {"errcode": 40001, "errmsg": "invalid credential"}
        if not self._trade_managed:
            return {"errcode": 48001, "errmsg": "api unauthorized"}
        problem = _malformed(body)
        if problem:
            return {"errcode": problem[0], "errmsg": problem[1]}
        payment = self._payment(body["order_key"])
        if payment is None or not payment["transaction_id"]:
            return {"errcode": 10060001, "errmsg": "支付单不存在"}
        if payment["openid"] != body["payer"]["openid"]:
            return {"errcode": 10060031, "errmsg": "该笔支付单不属于 openid 所指定的用户"}
        if payment["transaction_id"] in self._shipped:
            return {"errcode": 10060002, "errmsg": "支付单已完成发货，无法继续发货"}
        self._shipped[payment["transaction_id"]] = body
        return {"errcode": 0, "errmsg": "ok"}

    def _payment(self, key: dict[str, Any]) -> dict[str, Any] | None:
        if key["order_number_type"] == 2:
            return self._find_payment(transaction_id=key["transaction_id"])
        found = self._find_payment(out_trade_no=key["out_trade_no"])
        # Where a merchant under a service provider took the money, its number is asked for.
        taken_by = (found.get("sub_mchid") or self._keys.mchid) if found else None
        return found if taken_by == key["mchid"] else None


def _from_json(text: Any) -> Answer:
    try:
        found = parse_json(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _malformed_card(content: Answer) -> str:
    """Return the first field of a card's content that WeChat would not take, or nothing."""
    if not isinstance(content.get("cur_status"), int):
        return "cur_status"
    if not isinstance(content.get("wxa_path_query"), str):
        return "wxa_path_query"
    if not isinstance(content.get("product_count"), int):
        return "product_count"
    dishes = (content.get("product_list") or {}).get("info_list")
    texts = ("product_img", "product_name", "product_path_query")
    if not dishes or not all(isinstance(dish.get(t), str) for dish in dishes for t in texts):
        return "product_list"
    if len(content.get("queue_number", "")) > 10:
        return "queue_number"
    return ""


def _malformed_data(data: Any) -> str:
    """Return the first field of a message that WeChat would not take, or nothing."""
    if not isinstance(data, dict) or not data:
        return "data"
    for key, field in data.items():
        value = field.get("value") if isinstance(field, dict) else None
        allowed = FIELDS.get(key.rstrip("0123456789"))
        if allowed is None or not isinstance(value, str) or not re.fullmatch(allowed, value):
            return f"data.{key}.value"
    return ""


def _malformed(body: dict[str, Any]) -> tuple[int, str] | None:
    """Return errcode and errmsg of the first thing that is wrong with a request, if any is."""
    return _malformed_key(body.get("order_key")) or _malformed_shipping(body)


def _malformed_key(key: Any) -> tuple[int, str] | None:
    if not isinstance(key, dict):
        return 10060014, "参数错误: order_key"
    if key.get("order_number_type") not in (1, 2):
        return 268485194, "订单单号类型非法"
    if key["order_number_type"] == 2:
        return None if key.get("transaction_id") else (268485195, "transaction_id 字段不能为空")
    if not key.get("mchid"):
        return 268485196, "mchid 字段不能为空"
    return None if key.get("out_trade_no") else (268485197, "out_trade_no 字段不能为空")


def _malformed_shipping(body: dict[str, Any]) -> tuple[int, str] | None:
    parcels, payer = body.get("shipping_list"), body.get("payer")
    if body.get("logistics_type") not in LOGISTICS:
        return 10060005, "物流类型有误"
    if body.get("delivery_mode") not in (1, 2):
        return 268485224, "发货模式非法"
    if body["delivery_mode"] == 2 and body["logistics_type"] != 1:
        return 10060006, "非快递发货时不允许分拆发货"
    if not isinstance(parcels, list) or not all(isinstance(parcel, dict) for parcel in parcels):
        return 10060014, "参数错误: shipping_list"
    if body["delivery_mode"] == 1 and len(parcels) != 1:
        return 268485228, "统一发货模式下，物流信息列表长度必须为 1"
    for parcel in parcels:
        if not parcel.get("item_desc"):
            return 10060008, "商品描述 item_desc 字段不能为空"
        if len(parcel["item_desc"]) > ITEM_DESC_MOST:
            return 10060009, "商品描述 item_desc 字段太长"
        if body["logistics_type"] == 1 and not parcel.get("tracking_no"):
            return 268485226, "物流单号不能为空"
    if not _rfc_3339(body.get("upload_time")):
        return 268485216, "上传时间非法，请按照 RFC 3339 格式填写"
    if not isinstance(payer, dict) or not payer.get("openid"):
        return 10060014, "参数错误: payer.openid"
    return None


def _rfc_3339(value: Any) -> bool:
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
