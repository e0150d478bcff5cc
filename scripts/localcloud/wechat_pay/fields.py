"""What a request must look like: each field named, bounded, and nothing else let through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.wechat_pay.errors import wrong_field

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Each:
    """A list of objects of one shape, 1 to `most` of them."""

    shape: Shape
    most: int


@dataclass(frozen=True)
class Field:
    check: Check | Each | Mapping[str, Field]
    required: bool


Shape = Mapping[str, Field]


def must(check: Check | Each | Shape) -> Field:
    return Field(check, required=True)


def may(check: Check | Each | Shape) -> Field:
    return Field(check, required=False)


def text_of_bytes(longest: int) -> Check:
    """Text of so many bytes at most: a Chinese character has three."""

    def check(value: Any) -> bool:
        return isinstance(value, str) and 1 <= len(value.encode()) <= longest

    return check


def text(longest: int, pattern: str = "") -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, str)
            and 1 <= len(value) <= longest
            and (not pattern or re.fullmatch(pattern, value) is not None)
        )

    return check


def whole(least: int) -> Check:
    return lambda value: type(value) is int and value >= least


def one_of(*values: str) -> Check:
    return lambda value: isinstance(value, str) and value in values


def flag(value: Any) -> bool:
    return type(value) is bool


def anything(value: Any) -> bool:
    """An object that this stand-in doesn't look into."""
    return isinstance(value, dict)


def moment(value: Any) -> bool:
    """RFC 3339, with its zone."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def address(value: Any) -> bool:
    """Where notices go; the real one wants https, but on loopback no certificate is to be had."""
    return bool(
        isinstance(value, str)
        and len(value) <= 255
        and re.match(r"^https?://", value)
        and "?" not in value
    )


MCHID = text(10, r"\d{10}")
APPID = text(32)
OUT_NUMBER = text(64, r"[0-9A-Za-z_\-|*@]+")
TRANSACTION_ID = text(32)


def check_body(body: Any, shape: Shape, inside: str = "") -> None:
    """Refuse a body with a field too many, too few or malformed, naming it."""
    if not isinstance(body, dict):
        raise wrong_field(inside.rstrip(".") or "body", "not an object")
    for name in body:
        if name not in shape:
            raise wrong_field(inside + name, "unknown")
    for name, field in shape.items():
        if name in body:
            _check_value(body[name], field.check, inside + name)
        elif field.required:
            raise wrong_field(inside + name, "missing")


def _check_value(value: Any, check: Check | Each | Shape, place: str) -> None:
    if isinstance(check, Each):
        if not isinstance(value, list) or not 1 <= len(value) <= check.most:
            raise wrong_field(place, f"1 to {check.most} of them")
        for number, item in enumerate(value):
            check_body(item, check.shape, f"{place}[{number}].")
    elif isinstance(check, Mapping):
        check_body(value, check, place + ".")
    elif not check(value):
        raise wrong_field(place, "malformed")


def same_request(known: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether a repeated request asks for the same.

    Our port differs after each start, and an encrypted name differs each time by design.
    """
    return _compared(known) == _compared(body)


def _compared(body: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name != "notify_url"}
    if "receivers" in kept:
        kept["receivers"] = [
            {name: value for name, value in receiver.items() if name != "name"}
            for receiver in kept["receivers"]
        ]
    return kept
