"""A small scf API on loopback: verifies the signature, keeps each call, answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from huitou.runtime.settings import CloudSettings
from localcloud.tencent.signature import verified_service

SECRET_ID, SECRET_KEY = "AKID-of-this-test", "key-of-this-test"
ACCEPTED = json.dumps({"Response": {"Result": {"FunctionRequestId": "f1"}, "RequestId": "r1"}})


def refusal(code: str) -> str:
    return json.dumps({"Response": {"Error": {"Code": code, "Message": "no"}, "RequestId": "r1"}})


class InvokeApi:
    """`calls` are the bodies of all Invoke calls; `answer` is the next ones' answer.

    With `hangs_up`, so many connections are closed before they get an answer.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.answer, self.hangs_up = ACCEPTED, 0
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0

    @property
    def settings(self) -> CloudSettings:
        return CloudSettings(
            "env-1", "ap-shanghai", f"127.0.0.1:{self.port}", "http", SECRET_ID, SECRET_KEY, None
        )

    @property
    def variables(self) -> dict[str, str]:
        """What the platform gives a function that reaches this API."""
        return {
            "TCB_ENV": "env-1",
            "TENCENTCLOUD_SECRETID": SECRET_ID,
            "TENCENTCLOUD_SECRETKEY": SECRET_KEY,
            "HUITOU_SCF_ENDPOINT": f"127.0.0.1:{self.port}",
            "HUITOU_SCF_PROTOCOL": "http",
        }

    def started(self) -> list[tuple[str, list[str]]]:
        """Return each call's function and the ids that its event names."""
        return [
            (call["FunctionName"], [e["data"]["docId"] for e in event_of(call)["events"]])
            for call in self.calls
        ]


def event_of(call: dict[str, Any]) -> dict[str, Any]:
    """Return the event that a call brings."""
    event: dict[str, Any] = json.loads(call["ClientContext"])
    return event


@contextmanager
def invoke_api() -> Iterator[InvokeApi]:
    """Run the API until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            api.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            assert verified_service(headers, body, {SECRET_ID: SECRET_KEY}) == "scf"
            api.headers.append(headers)
            api.calls.append(json.loads(body))
            if api.hangs_up:
                api.hangs_up -= 1
                self.close_connection = True
                return
            answer = api.answer.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = InvokeApi(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
