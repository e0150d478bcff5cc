"""Who is calling. Only the platform's context tells it; the event never does.

A client can put anything into an event, also `userInfo` and fields that look like HTTP, and in a
reused instance `os.environ` may still name the previous caller. Internal callers (timers,
other functions, the CLI) send a token; it is made from the internal secret and differs for each
function.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Caller:
    """A member's identity, confirmed by the platform, and the address they call from."""

    openid: str
    appid: str
    unionid: str | None = None
    address: str | None = None


def caller_of(context: Mapping[str, Any]) -> Caller | None:
    """Return the member who calls; None if no member does (timers, HTTP, Invoke)."""
    variables = _variables(context)
    openid = variables.get("WX_OPENID")
    if not openid:
        return None
    address = variables.get("WX_CLIENTIP") or variables.get("WX_CLIENTIPV6")
    return Caller(
        str(openid),
        str(variables.get("WX_APPID", "")),
        variables.get("WX_UNIONID"),
        str(address) if address else None,
    )


def _variables(context: Mapping[str, Any]) -> dict[str, Any]:
    environment = context.get("environment")
    if isinstance(environment, str) and environment:
        try:
            parsed = json.loads(environment)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
    pairs = str(context.get("environ") or "").split(";")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}


def internal_token(secret: bytes, function: str) -> str:
    """Return the token that an internal caller of this function must send."""
    return hmac.new(secret, f"internal:{function}".encode(), hashlib.sha256).hexdigest()


def is_internal(token: object, secret: bytes, function: str) -> bool:
    """Check a token in constant time, so that the time taken tells nothing about it."""
    if not isinstance(token, str):
        return False
    # Half of a surrogate pair has no bytes of its own; such a token is wrong in any case.
    sent = token.encode(errors="replace")
    return hmac.compare_digest(sent, internal_token(secret, function).encode())
