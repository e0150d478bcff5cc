"""A strict stand-in for the mini-program's server API: access tokens and phone numbers."""

from __future__ import annotations

import secrets
import time
from typing import Any

from localcloud.keys import LocalSecrets

TOKEN_LIVES_S = 7_200
CODE_LIVES_S = 300


class MiniProgramStandIn:
    """Answers as api.weixin.qq.com: HTTP 200 with an `errcode`."""

    def __init__(self, keys: LocalSecrets) -> None:
        self._keys = keys
        self._token, self._token_ends = "", 0.0
        self._codes: dict[str, tuple[str, float]] = {}

    def authorise_phone(self, phone: str) -> str:
        """Do what the guest's tap on "allow" does: return a single-use code for a number."""
        code = secrets.token_hex(16)
        self._codes[code] = (phone, time.time() + CODE_LIVES_S)
        return code

    def stable_token(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("grant_type") != "client_credential":
            return {"errcode": 40002, "errmsg": "invalid grant_type"}
        if (body.get("appid"), body.get("secret")) != (self._keys.appid, self._keys.app_secret):
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if time.time() > self._token_ends:
            self._token, self._token_ends = secrets.token_hex(32), time.time() + TOKEN_LIVES_S
        return {"access_token": self._token, "expires_in": int(self._token_ends - time.time())}

    def phone_number(self, access_token: str, body: dict[str, Any]) -> dict[str, Any]:
        if access_token != self._token or time.time() > self._token_ends:
            return {"errcode": 40001, "errmsg": "invalid credential"}
        phone, ends = self._codes.pop(str(body.get("code")), ("", 0.0))
        if time.time() > ends:
            return {"errcode": 40029, "errmsg": "invalid code"}
        info = {"phoneNumber": phone, "purePhoneNumber": phone, "countryCode": "86"}
        return {"errcode": 0, "errmsg": "ok", "phone_info": info}
