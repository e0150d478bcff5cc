"""Signed, short-lived tokens, small enough for a QR code. Nobody without the key can alter them."""

from __future__ import annotations

import hmac
from typing import NamedTuple

_TAG_CHARS = 24  # 96 bits.


class TokenContent(NamedTuple):
    """The words of a token whose tag was verified; `until` is real time in epoch seconds."""

    words: tuple[str, ...]
    until: int


def sign(key: bytes, mark: str, words: tuple[str, ...], until: float) -> str:
    """Return a token with these words, which contain no dots; `mark` names what it is used for."""
    content = ".".join((mark, *words, f"{int(until):x}"))
    return f"{content}.{_tag(key, content)}"


def read(key: bytes, mark: str, token: str) -> TokenContent | None:
    """Return what a token says; None if this key didn't sign it for this use."""
    content, _, tag = token.rpartition(".")
    if not hmac.compare_digest(_tag(key, content).encode(), tag.encode()):
        return None
    found, *words, until = content.split(".")
    return TokenContent(tuple(words), int(until, 16)) if found == mark else None


def _tag(key: bytes, content: str) -> str:
    return hmac.digest(key, content.encode(), "sha256").hex()[:_TAG_CHARS]
