"""Read amounts and points as tills write them."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from cli.imports.cells import BadRow, Cell, clean
from cli.imports.people import is_nothing

LONGEST_SHOWN = 64
# Of a yuan, or of a point. A smaller part is what binary numbers leave behind: 118.22999999999999.
NOISE = Decimal("0.000001")

_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?([eE]-\d{1,3})?")
_CURRENCY = r"(?:[¥$]|rmb|cny|人民币)"
_BEFORE = re.compile(rf"([-+]?)\s*{_CURRENCY}\s*([-+]?)", re.IGNORECASE)
_AFTER = re.compile(r"\s*(?:元|圆|圓|块|rmb|cny|yuan)(?:整|钱)?$", re.IGNORECASE)


def fen_of(cell: Cell, unit: str, most: int) -> int:
    """Return an amount in fen, at most `most` either way; raises BadRow for the field `amount`.

    `unit` is "yuan" or "fen". Accountants' forms are read as well: (12.00) and 12.00- are
    negative. A fraction of a fen is refused, binary noise is not one.
    """
    text = clean(cell)
    if not text:
        raise BadRow("amount", "there is none")
    number = _number("amount", _plain(text), text)
    fen = number * (100 if unit == "yuan" else 1)
    whole = fen.to_integral_value()
    if abs(fen - whole) >= NOISE * (100 if unit == "yuan" else 1):
        raise BadRow("amount", f"a fraction of a fen: {text[:LONGEST_SHOWN]}")
    if abs(whole) > most:
        raise BadRow("amount", f"too large: {text[:LONGEST_SHOWN]}")
    return int(whole)


def returned_of(cell: Cell, unit: str, most: int) -> int:
    """Return how much of an order went back, in fen; raises BadRow for `refund_amount`.

    Nothing is 0, and some tills write the amount with a minus.
    """
    text = clean(cell)
    if is_nothing(text):
        return 0
    try:
        return abs(fen_of(text, unit, most))
    except BadRow as bad:
        raise BadRow("refund_amount", bad.reason) from None


def points_of(cell: Cell, most: int) -> int:
    """Return whole points from 0 to `most`, 0 for an empty cell; raises BadRow for `points`."""
    text = clean(cell)
    if not text:
        return 0
    number = _number("points", text.removesuffix("分").strip(), text)
    whole = number.to_integral_value()
    if abs(number - whole) >= NOISE:
        raise BadRow("points", f"not a whole number: {text[:LONGEST_SHOWN]}")
    if not 0 <= whole <= most:
        raise BadRow("points", "negative: settle it first" if whole < 0 else "too many")
    return int(whole)


def quantity_of(cell: Cell) -> Decimal:
    """Return how many of a dish; 1 for an empty cell; raises BadRow for the field `quantity`."""
    text = clean(cell)
    return _number("quantity", text.lstrip("x×X* "), text) if text else Decimal(1)


def _number(name: str, plain: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(plain) or len(plain) > LONGEST_SHOWN:
        kind = "a whole number" if name == "points" else "a number"
        raise BadRow(name, f"not {kind}: {text[:LONGEST_SHOWN]}")
    try:
        return Decimal(plain.replace(",", ""))
    except InvalidOperation:
        raise BadRow(name, f"not a number: {text[:LONGEST_SHOWN]}") from None


def _plain(text: str) -> str:
    """Take currency, and the ways to write a minus, to a plain signed number."""
    text = re.sub("[\u2212\u2012\u2013]", "-", text)
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1].strip()
    text = _AFTER.sub("", _BEFORE.sub(r"\1\2", text, count=1)).strip()
    if text.endswith("-") and not text.startswith("-"):
        text = "-" + text[:-1].strip()
    return re.sub(r"^([-+])\s+", r"\1", text)
