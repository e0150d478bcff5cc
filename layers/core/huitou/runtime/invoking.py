"""Calls of the bundle's functions through the platform's own API: scf Invoke, signed with TC3.

Tencent's client can do the same, but importing it takes longer than everything else in a cold
start together. Functions that only tell others what is due would pay for that in each new
instance. Here it is one request of the standard library, on a connection that an instance keeps.
"""

from __future__ import annotations

import atexit
import hashlib
import hmac
import http.client
import json
import select
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import certifi

from huitou.runtime.identity import internal_token
from huitou.runtime.settings import CloudSettings

Invocation = Literal["Event", "RequestResponse"]
ACTION, VERSION, SERVICE = "Invoke", "2018-04-16", "scf"
PERMISSION = "scf:InvokeFunction"  # What the role of a function needs in Tencent's access control.
_CONTENT_TYPE = "application/json"
# The platform stops an instance between calls; an older connection may be dead without a sign.
_KEPT_S = 20.0

_Connection = http.client.HTTPConnection
# By protocol and endpoint: idle connections, and the moment of their last use.
_idle: dict[tuple[str, str], list[tuple[_Connection, float]]] = {}


class InvokeFailed(Exception):  # noqa: N818
    """A call was not accepted; `code` is the API's error code, or the kind of the fault.

    If `answered` is false, the API didn't answer properly: the function may have been called.
    """

    def __init__(self, code: str, *, answered: bool) -> None:
        super().__init__(code)
        self.code = code
        self.answered = answered


def invoke(
    cloud: CloudSettings,
    secret: bytes,
    function: str,
    event: Mapping[str, Any],
    invocation: Invocation,
    timeout_s: float,
) -> dict[str, Any]:
    """Call a function as an internal caller; returns the API's `Result`. Raises InvokeFailed.

    An "Event" call returns when the platform has accepted it; its event may have 128 KB. It may be
    sent twice, as the platform itself may run it twice.
    """
    told = {**event, "token": internal_token(secret, function)}
    body = json.dumps(
        {
            "FunctionName": function,
            "Namespace": cloud.namespace,
            "InvocationType": invocation,
            # The live version; without this the API calls the version uploaded last.
            "Qualifier": "$DEFAULT",
            "ClientContext": json.dumps(told, ensure_ascii=False),
        }
    ).encode()
    try:
        status, text = _send(
            cloud, body, signed_headers(cloud, body, time.time()), invocation, timeout_s
        )
    except (OSError, http.client.HTTPException) as error:
        raise InvokeFailed(type(error).__name__, answered=False) from error
    try:
        response = json.loads(text)["Response"]
        failure = response.get("Error")
        if failure is None:
            return dict(response["Result"])
        code = str(failure["Code"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvokeFailed(f"HTTP {status}", answered=False) from None
    raise InvokeFailed(code, answered=True)


def signed_headers(cloud: CloudSettings, body: bytes, now: float) -> dict[str, str]:
    """Return the headers of a POST of this body; `now` is real time in epoch seconds.

    TC3-HMAC-SHA256, as https://cloud.tencent.com/document/api/583/33846 describes it.
    """
    stamp, day = str(int(now)), datetime.fromtimestamp(int(now), UTC).date().isoformat()
    signed = f"content-type:{_CONTENT_TYPE}\nhost:{cloud.endpoint}\n\ncontent-type;host"
    canonical = f"POST\n/\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{SERVICE}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{cloud.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256"
    ).hex()
    headers = {
        "Host": cloud.endpoint,
        "Content-Type": _CONTENT_TYPE,
        "X-TC-Action": ACTION,
        "X-TC-Version": VERSION,
        "X-TC-Region": cloud.region,
        "X-TC-Timestamp": stamp,
        "Authorization": f"TC3-HMAC-SHA256 Credential={cloud.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}",
    }
    if cloud.session_token:
        headers["X-TC-Token"] = cloud.session_token
    return headers


def _send(
    cloud: CloudSettings,
    body: bytes,
    headers: Mapping[str, str],
    invocation: Invocation,
    timeout_s: float,
) -> tuple[int, bytes]:
    place = (cloud.protocol, cloud.endpoint)
    kept = _take_idle(place)
    if kept is not None:
        try:
            return _exchange(place, kept, body, headers, timeout_s)
        except (ConnectionError, http.client.HTTPException):
            if invocation != "Event":  # It may have run, and not every action may be repeated.
                raise
    new = http.client.HTTPSConnection if cloud.protocol == "https" else http.client.HTTPConnection
    options: dict[str, Any] = {"context": _tls()} if cloud.protocol == "https" else {}
    return _exchange(
        place, new(cloud.endpoint, timeout=timeout_s, **options), body, headers, timeout_s
    )


def _exchange(
    place: tuple[str, str],
    connection: _Connection,
    body: bytes,
    headers: Mapping[str, str],
    timeout_s: float,
) -> tuple[int, bytes]:
    try:
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        connection.request("POST", "/", body, dict(headers))
        response = connection.getresponse()
        text = response.read()
    except BaseException:
        connection.close()
        raise
    if connection.sock is not None:  # None if the server closes after this answer.
        _idle.setdefault(place, []).append((connection, time.monotonic()))
    return response.status, text


def _take_idle(place: tuple[str, str]) -> _Connection | None:
    """Return a connection that is probably alive; None if there is none."""
    kept = _idle.get(place, [])
    while kept:
        connection, used_at = kept.pop()
        # What an idle connection has to read is its end.
        ended = connection.sock is None or select.select([connection.sock], [], [], 0)[0]
        if not ended and time.monotonic() - used_at < _KEPT_S:
            return connection
        connection.close()
    return None


@atexit.register
def close_idle() -> None:
    """Close the connections that are kept for a next call."""
    while _idle:
        _, kept = _idle.popitem()
        for connection, _ in kept:
            connection.close()


@cache
def _tls() -> ssl.SSLContext:
    # The runtime's own list of authorities isn't documented, so ours travels with the code.
    return ssl.create_default_context(cafile=certifi.where())
