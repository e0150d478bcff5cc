"""Tokens of coupons: signed, short-lived, small enough for a QR code that a till reads at once."""

from __future__ import annotations

import hmac
from typing import NamedTuple

LIVES_S = 90  # Long enough to hold a phone to a reader, too short to send to a friend.
_TAG_CHARS = 24  # 96 bits.


class Token(NamedTuple):
    """What a token says, once its tag is found right; `until` is real epoch seconds."""

    coupon_id: str
    until: int


def sign(key: bytes, coupon_id: str, now: float) -> str:
    """Return a token for a coupon, good for LIVES_S."""
    said = f"{coupon_id}.{int(now) + LIVES_S:x}"
    return f"HT1.{said}.{_tag(key, said)}"


def read(key: bytes, token: str) -> Token | None:
    """Return what a token says; None for one that this key didn't sign, however it differs."""
    mark, _, rest = token.partition(".")
    said, _, tag = rest.rpartition(".")
    if mark != "HT1" or not hmac.compare_digest(_tag(key, said).encode(), tag.encode()):
        return None
    coupon_id, _, until = said.rpartition(".")
    return Token(coupon_id, int(until, 16))


def _tag(key: bytes, said: str) -> str:
    return hmac.digest(key, b"coupon token|" + said.encode(), "sha256").hex()[:_TAG_CHARS]
