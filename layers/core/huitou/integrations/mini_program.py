"""The mini-program's server API (api.weixin.qq.com): phone numbers, 发货, messages, codes."""

from __future__ import annotations

import json
import time
from typing import Any

from huitou.integrations.errors import MiniProgramErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.settings import Settings

TIMEOUT_S = (2, 4)
RENEW_BEFORE_S = 300  # WeChat accepts the old token for five minutes beside the new one.
PICKUP_CARD = 2007  # WeChat's 服务动态 for guests who wait for their order.
TRADE_ASKED_EVERY_S = 24 * 3600
_TOKEN_GONE = {40001, 40014, 42001}
_CODE_GONE = {40029, 40163, 41008}  # Wrong, used, missing; other errors aren't the member's fault.


class MiniProgram:
    """Calls in the name of the mini-program. Each raises Unavailable if WeChat doesn't answer."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._tokens = database.collection("api_tokens")
        self._settings = settings

    def phone_number(self, code: str) -> str:
        """Exchange a member's single-use code for their number, with its country code.

        Raises Refusal PHONE_CODE_INVALID naming `code` if the code is wrong, used or too old.
        """
        answer = self._with_token("/wxa/business/getuserphonenumber", {"code": code})
        error = answer.get("errcode")
        if error in _CODE_GONE:
            raise Refusal(MiniProgramErrors.PHONE_CODE_INVALID, field="code")
        if error != 0:
            raise Unavailable(detail=f"getuserphonenumber {error}")
        info = answer["phone_info"]
        return f"+{info['countryCode']}{info['purePhoneNumber']}"

    def is_trade_managed(self) -> bool:
        """Tell whether WeChat's 交易管理 demands a report of each hand-over; asked once a day."""
        kept = self._tokens.find_one({"_id": "trade_managed"})
        if kept and kept["expires_at"] > time.time():
            return bool(kept["managed"])
        answer = self._with_token(
            "/wxa/sec/order/is_trade_managed", {"appid": self._settings.wechat_appid}
        )
        if answer.get("errcode") != 0:
            raise Unavailable(detail=f"is_trade_managed {answer.get('errcode')}")
        managed = bool(answer["is_trade_managed"])
        fields = {"schema": 1, "managed": managed, "expires_at": time.time() + TRADE_ASKED_EVERY_S}
        self._tokens.replace_one({"_id": "trade_managed"}, fields, upsert=True)
        return managed

    def upload_shipping_info(self, info: dict[str, Any]) -> int:
        """Report to WeChat that an order was handed over; returns its error code, 0 for success."""
        return int(self._with_token("/wxa/sec/order/upload_shipping_info", info)["errcode"])

    def show_card(
        self, openid: str, code: str, content: dict[str, Any], check: dict[str, int]
    ) -> int:
        """Show or change the 取餐 card of a payment; returns WeChat's error code, 0 for success.

        `code` is WeChat Pay's number of the payment; `content` has the form of template 2007.
        """
        body = {
            "openid": openid,
            "notify_type": PICKUP_CARD,
            "notify_code": code,
            "content_json": _json(content),
            "check_json": _json(check),
        }
        return int(self._with_token("/wxa/set_user_notify", body)["errcode"])

    def session(self, code: str) -> tuple[str, str]:
        """Return (OpenID, session key) for a log-in code.

        Raises Refusal GROUP_NOT_PROVEN naming `code` if the code is wrong, used or too old.
        """
        answer = self._call(
            "GET",
            "/sns/jscode2session",
            params={
                "appid": self._settings.wechat_appid,
                "secret": self._settings.wechat_app_secret,
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )
        if answer.get("errcode") in _CODE_GONE:
            raise Refusal(MiniProgramErrors.GROUP_NOT_PROVEN, field="code")
        if "session_key" not in answer:
            raise Unavailable(detail=f"jscode2session {answer.get('errcode')}")
        return str(answer["openid"]), str(answer["session_key"])

    def risk_rank(self, openid: str, client_ip: str) -> int | None:
        """Return WeChat's risk rank of a user for marketing (0 to 4); None if it has none."""
        body = {
            "appid": self._settings.wechat_appid,
            "openid": openid,
            "scene": 1,
            "client_ip": client_ip,
        }
        answer = self._with_token("/wxa/getuserriskrank", body)
        rank = answer.get("risk_rank")
        return int(rank) if answer.get("errcode") == 0 and rank is not None else None

    def code_image(self, scene: str, page: str) -> bytes:
        """Return the image (PNG or JPEG) of a mini-program code for a page and a scene."""
        body = {"scene": scene, "page": page, "check_path": False}
        answer = self._with_token("/wxa/getwxacodeunlimit", body)
        if "image" not in answer:
            raise Unavailable(detail=f"getwxacodeunlimit {answer.get('errcode')}")
        return bytes(answer["image"])

    def url_link(self, path: str, query: str, days: int) -> str:
        """Return a link that opens a page from outside WeChat; it works for `days`, at most 365."""
        body = {"path": path, "query": query, "expire_type": 1, "expire_interval": days}
        answer = self._with_token("/wxa/generate_urllink", body)
        if answer.get("errcode") != 0:
            raise Unavailable(detail=f"generate_urllink {answer.get('errcode')}")
        return str(answer["url_link"])

    def send_message(
        self, openid: str, template_id: str, page: str, data: dict[str, dict[str, str]]
    ) -> int:
        """Send one subscription message; returns WeChat's error code, 0 for success.

        43101 means that the guest has agreed to no message, or to no further one. -1 means that
        the message was not sent at all. Unavailable means that it may or may not have arrived.
        """
        body = {"touser": openid, "template_id": template_id, "page": page, "data": data}
        try:
            self._token()
        except Unavailable:
            return -1
        return int(self._with_token("/cgi-bin/message/subscribe/send", body)["errcode"])

    def _with_token(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call with the shared token; if WeChat no longer accepts it, call again with a new one."""
        answer = self._post(f"{path}?access_token={self._token()}", body)
        if answer.get("errcode") in _TOKEN_GONE:
            self._tokens.delete_one({"_id": "stable_token"})
            answer = self._post(f"{path}?access_token={self._token()}", body)
        return answer

    def _token(self) -> str:
        """Return the access token that all instances share.

        It expires by WeChat's clock, so real time is used here.
        """
        kept = self._tokens.find_one({"_id": "stable_token"})
        if kept and kept["expires_at"] > time.time() + RENEW_BEFORE_S:
            return str(kept["token"])
        answer = self._post(
            "/cgi-bin/stable_token",
            {
                "grant_type": "client_credential",
                "appid": self._settings.wechat_appid,
                "secret": self._settings.wechat_app_secret,
            },
        )
        if "access_token" not in answer:
            raise Unavailable(detail=f"stable_token {answer.get('errcode')}")
        # If two instances ask at once, WeChat gives both the same token; either may write last.
        self._tokens.replace_one(
            {"_id": "stable_token"},
            {
                "schema": 1,
                "token": answer["access_token"],
                "expires_at": time.time() + int(answer["expires_in"]),
            },
            upsert=True,
        )
        return str(answer["access_token"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """Return WeChat's answer; if it is an image, its bytes are in `image`."""
        import requests  # Imported late: it would cost every cold start 55 ms.

        url = self._settings.wechat_api_url + path
        try:
            response = requests.request(method, url, timeout=TIMEOUT_S, **what)
            response.raise_for_status()
            if response.headers.get("Content-Type", "").startswith("image/"):
                return {"errcode": 0, "image": response.content}
            return dict(response.json())
        except (requests.RequestException, ValueError) as error:
            # Don't chain or quote the error: the URL in it has the token or the secret.
            raise Unavailable(detail=type(error).__name__) from None


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
