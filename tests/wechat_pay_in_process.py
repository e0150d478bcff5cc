"""WeChat Pay's stand-in without sockets or threads: a real client whose calls land in an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from huitou.integrations.wechat_pay import WeChatPay
from huitou.runtime.clock import Clock
from huitou.runtime.settings import WeChatPaySettings
from localcloud.keys import LocalSecrets
from localcloud.wechat_pay import WeChatPayStandIn

URL = "http://wechat.test"


class InProcess(BaseAdapter):
    """Hands each prepared request to the stand-in and its answer back to `requests`."""

    def __init__(self, at_wechat: AtWeChat) -> None:
        super().__init__()
        self._at_wechat = at_wechat

    def send(self, request: PreparedRequest, **_: Any) -> Response:  # type: ignore[override]
        parts = urlsplit(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        self._at_wechat.calls.append((request.method or "", parts.path))
        status, content, headers = self._at_wechat.standin.serve(
            request.method or "", parts.path, parts.query,
            request.headers.get("Authorization", ""), body,
            request.headers.get("Wechatpay-Serial", ""),
        )  # fmt: skip
        if self._at_wechat.lose is not None and self._at_wechat.lose(parts.path):
            status, content, headers = 502, b"", {}
        content = self._at_wechat.spoil(parts.path, content)
        answer = Response()
        answer.status_code, answer.url, answer.request = status, request.url or "", request
        answer.headers.update(headers)
        answer.raw = HTTPResponse(BytesIO(content), headers, status, preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing to close."""


class AtWeChat:
    """One merchant's WeChat Pay: what comes later comes when `happen` is called.

    `calls` lists what was asked; with `lose`, calls to such paths are done, but not answered;
    `spoil` changes what was sent on its way.
    """

    def __init__(self, keys: LocalSecrets, clock: Clock, folder: Path) -> None:
        self.keys = keys
        self.calls: list[tuple[str, str]] = []
        self.lose: Callable[[str], bool] | None = None
        self.spoil: Callable[[str, bytes], bytes] = lambda _, sent: sent
        self.later: list[Callable[[], None]] = []
        self.standin = WeChatPayStandIn(
            keys, clock, folder / "wechat_pay.sqlite", base_url=URL, deliver=lambda *_: None,
            later=lambda _, work: self.later.append(work),
        )  # fmt: skip
        self.settings = WeChatPaySettings(
            appid=keys.appid,
            sp_appid=keys.appid,
            mchid=keys.mchid,
            merchant_serial=keys.merchant_serial,
            merchant_private_key=keys.merchant_private_key,
            api_v3_key=keys.api_v3_key.encode(),
            platform_keys={keys.platform_serial: keys.platform_public_key},
            base_url=URL,
            notify_url=f"{URL}/pay/notify",
        )

    def gateway(self, platform_keys: Callable[[], Mapping[str, str]] | None = None) -> WeChatPay:
        """A client of this WeChat Pay."""
        gateway = WeChatPay(self.settings, platform_keys)
        gateway.session.mount(URL, InProcess(self))
        return gateway

    def happen(self) -> None:
        """Let what WeChat Pay has under way come to its end."""
        while self.later:
            self.later.pop(0)()
