"""How a code is made and read: batch and number, a keyed tag nobody can guess, a check letter.

A code has sixteen letters of an alphabet without look-alikes (no 0 O Q D, 1 I L, 2 Z, 5 S, 8 B):
three for the batch, five for the number in the batch, seven for the tag, and one that finds typing
errors. There are 23⁷ = 3.4 thousand million tags, and the tag is computed with the chain's key.
So somebody who knows a million codes still can't guess the next one, and wrong tries are counted.
The check letter is a weighted sum modulo 23, a prime: it finds every single wrong letter and every
exchange of two letters.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

from huitou.runtime import typed

ALPHABET = "34679ACEFGHJKMNPRTUVWXY"
BASE = len(ALPHABET)
BATCH, NUMBER, TAG = 3, 5, 7
MOST_BATCHES, MOST_NUMBERS, _TAGS = BASE**BATCH, BASE**NUMBER, BASE**TAG
LENGTH = BATCH + NUMBER + TAG + 1
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]


class ParsedCode(NamedTuple):
    """The parts of a typed code; its tag is not verified yet."""

    batch: int
    number: int
    tag: str


def batch_key(key: bytes, salt: bytes) -> bytes:
    """Return the key of one batch's tags."""
    return blake2b(
        salt, key=blake2b(key, digest_size=32, person=b"coupon codes").digest(), digest_size=32
    ).digest()


def codes(key: bytes, batch: int, first: int, count: int) -> Iterator[str]:
    """Yield `count` codes of a batch from number `first` on, as printed: XXXX-XXXX-XXXX-XXXX."""
    head = _letters(batch, BATCH)
    for number in range(first, first + count):
        body = head + _letters(number, NUMBER) + tag_of(key, number)
        code = body + _check(body)
        yield f"{code[:4]}-{code[4:8]}-{code[8:12]}-{code[12:]}"


def tag_of(key: bytes, number: int) -> str:
    """Return the tag of a number: letters that nobody can compute without the key."""
    digest = blake2b(number.to_bytes(4), key=key, digest_size=12).digest()
    return _letters(int.from_bytes(digest) % _TAGS, TAG)


def read(written: str) -> ParsedCode | None:
    """Split what a member typed into its parts; None if it can't be a code."""
    code = typed.code(written)
    if len(code) != LENGTH or any(letter not in _VALUE for letter in code):
        return None
    if _check(code[:-1]) != code[-1]:
        return None
    number = _number(code[BATCH : BATCH + NUMBER])
    return ParsedCode(_number(code[:BATCH]), number, code[-1 - TAG : -1])


def is_genuine(key: bytes, code: ParsedCode) -> bool:
    """Tell whether a code's tag was made with this key; compared in constant time."""
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
