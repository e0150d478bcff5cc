"""What people type, brought into one form: each kind of value has its own, used at every door.

Phones and Chinese keyboards write full-width digits and letters, scanners end with a line end, and
what is copied carries spaces, hyphens and signs that nobody sees. Codes, numbers and addresses of
mail are brought into Unicode's compatibility form (NFKC). Names and words for people keep their
signs (NFC), since a company's registered name has full-width brackets.

The functions leave alone what is no text, or a longer text than any field takes: the model that
uses them refuses it. Unicode's forms take seconds for a long text of nothing but accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any, TypeGuard

from pydantic import BeforeValidator

LONGEST = 2_000
_JOINER = "\u200d"
# Letters and marks without a shape of their own; Unicode counts them as letters or symbols.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_BETWEEN_DIGITS = frozenset("()[].·-‐‑‒–—―−")
# The prefixes of mobile numbers that the ministry (工信部) has assigned to carriers. A number that
# begins with 86, without + or 00, is a phone only with one of them: it may be a card's number.
_ASSIGNED = "13[0-9]|14[5-9]|15[0-35-9]|16[2567]|17[0-8]|18[0-9]|19[0-35-9]"
_MAINLAND = re.compile(rf"(?:\+|00)86(1[3-9]\d{{9}})|86((?:{_ASSIGNED})\d{{8}})|(1[3-9]\d{{9}})")
# A 0 in brackets is dialled only inside the country: +886 (0)912 …
_DIALLED_INSIDE = re.compile(r"(?<=\d)\(0\)")
_ABROAD = re.compile(r"(?:\+|00)(\d{5,18})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def code(typed: Any) -> Any:
    """Return a code's letters and digits, in capitals: `ａｂ－１２ 34` is `AB1234`."""
    if not _is_short_text(typed):
        return typed
    return _compatible(typed.upper(), str.isalnum).upper()


def word(typed: Any) -> Any:
    """Return one word as it is written by a machine: no blanks, nothing invisible, case kept."""
    if not _is_short_text(typed):
        return typed
    return _compatible(typed, lambda sign: not sign.isspace() and not is_invisible(sign))


def phone(typed: Any) -> Any:
    """Return a phone number in one form: a mainland mobile as 11 digits, others from abroad with +.

    `+86 138-0000-0001`, `0086…`, `86…` and full-width digits are all `13800000001`; `00852 …` is
    `+852…`. Anything else loses its spaces, brackets and hyphens only.
    """
    if not _is_short_text(typed):
        return typed
    written = _DIALLED_INSIDE.sub("", word(typed))
    bare = _compatible(written, lambda sign: sign not in _BETWEEN_DIGITS)
    if mobile := mainland_mobile(bare):
        return mobile
    if abroad := _ABROAD.fullmatch(bare):
        return f"+{abroad[1]}"
    return bare


def mainland_mobile(digits: str) -> str | None:
    """Return the 11 digits of a mainland mobile, with or without 86, +86 or 0086; else None."""
    found = _MAINLAND.fullmatch(digits)
    return next(filter(None, found.groups())) if found else None


def name(typed: Any) -> Any:
    """Return words for people in one line: blanks as single spaces, none at the ends.

    Control signs, signs without width and those that turn the direction of writing are left out;
    so a name of nothing else is empty. Emoji keep the joiner that makes one sign of several.
    """
    if not _is_short_text(typed):
        return typed
    signs = unicodedata.normalize("NFC", typed)
    # A line end or a tab is a blank between words, though Unicode calls it a control sign.
    spaced = "".join(" " if sign.isspace() else sign for sign in signs)
    kept = "".join(
        sign
        for place, sign in enumerate(spaced)
        if not is_invisible(sign) or (sign == _JOINER and _joins_emoji(spaced, place))
    )
    shown = unicodedata.normalize("NFC", " ".join(kept.split()))
    return shown if any(unicodedata.category(sign)[0] in "LNPS" for sign in shown) else ""


def clock(typed: Any) -> Any:
    """Return a wall clock's time as HH:MM: `9：30` is `09:30`."""
    if not _is_short_text(typed):
        return typed
    found = _CLOCK.fullmatch(word(typed))
    return f"{found[1]:0>2}:{found[2]}" if found else typed


def clock_end(typed: Any) -> Any:
    """Return the time at which something ends; `24:00` is the same end as `00:00`."""
    found = clock(typed)
    return "00:00" if found == "24:00" else found


def _is_short_text(typed: Any) -> TypeGuard[str]:
    return isinstance(typed, str) and len(typed) <= LONGEST


def _compatible(typed: str, is_kept: Callable[[str], bool]) -> str:
    """Return the signs to keep in compatibility form: what stood apart may make one sign now."""
    kept = "".join(filter(is_kept, unicodedata.normalize("NFKC", typed)))
    return unicodedata.normalize("NFKC", kept)


def is_invisible(sign: str) -> bool:
    """Tell whether a sign has no shape and no width of its own; line ends and tabs have none."""
    return sign in _BLANKS or unicodedata.category(sign) in ("Cc", "Cf", "Cs")


def _joins_emoji(signs: str, place: int) -> bool:
    before = signs[:place].rstrip("\ufe0f")[-1:]
    after = signs[place + 1 : place + 2]
    return all(found and unicodedata.category(found) in ("So", "Sk") for found in (before, after))


Code = Annotated[str, BeforeValidator(code)]
Word = Annotated[str, BeforeValidator(word)]
Phone = Annotated[str, BeforeValidator(phone)]
Name = Annotated[str, BeforeValidator(name)]
Clock = Annotated[str, BeforeValidator(clock)]
ClockEnd = Annotated[str, BeforeValidator(clock_end)]
