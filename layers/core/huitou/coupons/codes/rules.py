"""How a code is made and read: batch and number, a keyed tag nobody can guess, a check letter.

Sixteen letters of an alphabet without look-alikes (no 0 O Q D, 1 I L, 2 Z, 5 S, 8 B): three for the
batch, five for the number in it, seven for the tag, one to catch typing errors. A tag is one of
23⁷ = 3.4 thousand million, and follows from the chain's key: who knows a million codes can't tell
the next one, and tries are counted. The check letter is a weighted sum modulo 23, a prime: a wrong
letter and any two letters exchanged always change it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

ALPHABET = "34679ACEFGHJKMNPRTUVWXY"
BASE = len(ALPHABET)
BATCH, NUMBER, TAG = 3, 5, 7
MOST_BATCHES, MOST_NUMBERS, _TAGS = BASE**BATCH, BASE**NUMBER, BASE**TAG
LENGTH = BATCH + NUMBER + TAG + 1
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


class Read(NamedTuple):
    """What a code says, before anything of it is believed."""

    batch: int
    number: int
    tag: str


def batch_key(key: bytes, salt: bytes) -> bytes:
    """Return the key of one batch's tags."""
    return blake2b(salt, key=blake2b(key, digest_size=32, person=b"coupon codes").digest(),
                   digest_size=32).digest()  # fmt: skip


def codes(key: bytes, batch: int, first: int, count: int) -> Iterator[str]:
    """Yield the codes of a batch from a number on, as printed: XXXX-XXXX-XXXX-XXXX."""
    head = _letters(batch, BATCH)
    for number in range(first, first + count):
        body = head + _letters(number, NUMBER) + tag_of(key, number)
        code = body + _check(body)
        yield f"{code[:4]}-{code[4:8]}-{code[8:12]}-{code[12:]}"


def tag_of(key: bytes, number: int) -> str:
    """Return the letters that only the holder of the key can make."""
    digest = blake2b(number.to_bytes(4), key=key, digest_size=12).digest()
    return _letters(int.from_bytes(digest) % _TAGS, TAG)


def read(typed: str) -> Read | None:
    """Read what a member typed; None if it can't be a code."""
    code = "".join(letter for letter in typed.upper() if letter not in " -–—\t")
    if len(code) != LENGTH or any(letter not in _VALUE for letter in code):
        return None
    if _check(code[:-1]) != code[-1]:
        return None
    return Read(_number(code[:BATCH]), _number(code[BATCH : BATCH + NUMBER]), code[-1 - TAG : -1])


def is_genuine(key: bytes, code: Read) -> bool:
    """Tell whether a code's tag is the key's; how long that takes says nothing."""
    return hmac.compare_digest(tag_of(key, code.number), code.tag)


def _letters(value: int, length: int) -> str:
    found = ""
    for _ in range(length // 2):
        value, rest = divmod(value, BASE * BASE)
        found = _PAIRS[rest] + found
    return ALPHABET[value] + found if length % 2 else found


def _number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value * BASE + _VALUE[letter]
    return value


def _check(body: str) -> str:
    weighted = sum(place * _VALUE[letter] for place, letter in enumerate(body, 2))
    return ALPHABET[weighted % BASE]
