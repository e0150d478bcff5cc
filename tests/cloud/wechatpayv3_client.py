"""The PyPI client `wechatpayv3`, installed for the tests, and a way for it to our stand-in.

Nothing here is ours but the wiring: the client is fetched in a pinned version whose hash is known,
and its gateway is set to a server on loopback.
"""

from __future__ import annotations

import fcntl
import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

from bootstrap import ROOT
from cloud.wechat_pay_merchant import NOTIFY_URL, Merchant

CLIENT = "wechatpayv3==2.0.4"
SHA256 = "20e74fe05a33399ba9c0896a31c392e9ebb578ea538a713db1507954679a1870"
FOLDER = ROOT / ".build" / "wechatpayv3" / CLIENT.rpartition("=")[2]
INSTALL_TIMEOUT_S = 120


def installed() -> ModuleType:
    """Return the client's package; it is installed beside the environment, once."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with open(FOLDER.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "wechatpayv3").exists():
            pins = FOLDER.parent / "requirements.txt"
            pins.write_text(f"{CLIENT} --hash=sha256:{SHA256}\n")
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
            # What it needs, `requests` and `cryptography`, the environment has.
            pip += ["--no-deps", "--require-hashes", "--target", str(FOLDER), "-r", str(pins)]
            subprocess.run(pip, check=True, timeout=INSTALL_TIMEOUT_S)
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module("wechatpayv3")


@contextmanager
def served(merchant: Merchant) -> Iterator[str]:
    """Serve a merchant's WeChat Pay over HTTP; its address."""

    class Door(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            named = (self.headers.get(name, "") for name in ("Authorization", "Wechatpay-Serial"))
            authorization, serial = named
            status, answer, headers = merchant.pay_service.serve(
                self.command, path, query, authorization, body, serial
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = answer  # noqa: N815  # The names that http.server asks for.

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def opened(
    merchant: Merchant, address: str, folder: Path, *, trust: str, partner: bool = False
) -> Any:
    """Return the client at that address; it trusts the platform's public key or a certificate."""
    package, keys = installed(), merchant.keys
    trusted: dict[str, Any] = {
        "public_key": keys.platform_public_key,
        "public_key_id": keys.platform_serial,
    }
    if trust == "certificate":
        # It would fetch certificates before anybody could name another gateway.
        (folder / "platform.pem").write_text(keys.platform_certificate.certificate)
        trusted = {"cert_dir": str(folder)}
    client = package.WeChatPay(
        wechatpay_type=package.WeChatPayType.MINIPROG,
        mchid=keys.mchid,
        appid=keys.appid,
        private_key=keys.merchant_private_key,
        cert_serial_no=keys.merchant_serial,
        apiv3_key=keys.api_v3_key,
        notify_url=NOTIFY_URL,
        partner_mode=partner,
        timeout=(5, 30),
        **trusted,
    )
    client._core._gate_way = address
    return client
