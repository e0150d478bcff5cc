"""Signed, short-lived tokens, small enough for a QR code: what they say can't be changed."""

from __future__ import annotations

import hmac
from typing import NamedTuple

_TAG_CHARS = 24  # 96 bits.


class Said(NamedTuple):
    """What a token says, once its tag is found right; `until` is real epoch seconds."""

    words: tuple[str, ...]
    until: int


def sign(key: bytes, mark: str, words: tuple[str, ...], until: float) -> str:
    """Return a token that says these words (without dots), for the use that `mark` names."""
    said = ".".join((mark, *words, f"{int(until):x}"))
    return f"{said}.{_tag(key, said)}"


def read(key: bytes, mark: str, token: str) -> Said | None:
    """Return what a token says; None for one that this key didn't sign for this use."""
    said, _, tag = token.rpartition(".")
    if not hmac.compare_digest(_tag(key, said).encode(), tag.encode()):
        return None
    found, *words, until = said.split(".")
    return Said(tuple(words), int(until, 16)) if found == mark else None


def _tag(key: bytes, said: str) -> str:
    return hmac.digest(key, said.encode(), "sha256").hex()[:_TAG_CHARS]
