"""The code by which a member shows staff that an account is theirs.

A member's phone shows the code; staff type it. It is made from the member's id, a span of ten
minutes and a key, so nothing is stored, and it can't be guessed: there are 10^12 codes.
"""

from __future__ import annotations

import hmac
import unicodedata

SPAN_S = 600  # A code is shown for so long, and taken for as long again.
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # Without those that are taken for each other.
_LENGTH = 8


def proof_code(key: bytes, member_id: str, now: float) -> str:
    """Return the member's code at a moment (epoch seconds), as `XXXX-XXXX`."""
    code = _code(key, member_id, int(now // SPAN_S))
    return f"{code[:4]}-{code[4:]}"


def is_proof(key: bytes, member_id: str, typed: str | None, now: float) -> bool:
    """Tell whether what was typed is the member's code of this span or the one before."""
    if not key or not typed:
        return False
    letters = "".join(
        one for one in unicodedata.normalize("NFKC", typed).upper() if one.isalnum()
    ).encode()
    spans = (int(now // SPAN_S) - ago for ago in (0, 1))
    return any(hmac.compare_digest(_code(key, member_id, s).encode(), letters) for s in spans)


def _code(key: bytes, member_id: str, span: int) -> str:
    digest = hmac.digest(key, f"merge {member_id} {span}".encode(), "sha256")
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])
