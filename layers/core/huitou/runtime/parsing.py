"""Read JSON that somebody sent: the one parser of every door, and the checks of parsed events.

JSON allows what no caller needs and what breaks a program: lists that lie a thousand deep in each
other, numbers of thousands of digits, a key twice, half of a surrogate pair; and Python's own
parser lets NaN in. All of it is refused by name.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from huitou.runtime.errors import Code, Refusal, Words

MOST_DEEP = 32  # The deepest request of our own, a tree of audiences, lies some 15 deep.
MOST_BODY_BYTES = 100 * 1024  # The platform's limit for a text over HTTP access.
MOST_EVENT_BYTES = 6 * 1024 * 1024  # The platform's limit for a call.
_MOST_DIGITS = 400  # Longer numbers take the longer to read the longer they are.
_BEYOND = 2**63  # The database holds no whole number from here on.
_LONGEST_FIELD = 200

DEEP: Words = (f"最多嵌套 {MOST_DEEP} 层", f"lies more than {MOST_DEEP} deep")
_NUMBER: Words = ("数字过大", "is too large a number")
_TEXT: Words = ("含有无效字符", "has half of a surrogate pair")
_NAME: Words = ("字段名含有空字符", "has a name with a NUL")  # The database ends a name there.
_TWICE: Words = ("出现了两次", "stands there twice")
_NO_JSON: Words = ("不是 JSON", "is not JSON")


class Malformed(ValueError):  # noqa: N818
    """What was sent can't be read; `field` names the place, `words` say why in two languages."""

    def __init__(self, field: str, words: Words) -> None:
        super().__init__(f"{field}: {words[1]}")
        self.field, self.words = _printable(field), words

    def refusal(self) -> Refusal:
        """Return the same as what a caller of ours is told."""
        chinese, english = (f"{self.field} {words}" for words in self.words)
        return Refusal(Code.INVALID_REQUEST, field=self.field, detail=(chinese, english))


def parse_json(text: str | bytes, name: str = "body") -> Any:
    """Return what a JSON text says; `name` stands for the whole text in errors.

    Raises Malformed; its cause tells the line if the text is no JSON. Who calls limits the size of
    the text.
    """
    try:
        found = json.loads(
            text,
            object_pairs_hook=_each_key_once,
            parse_int=_whole_number,
            parse_constant=lambda _: math.nan,
        )
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        raise Malformed(name, DEEP if deep else _NO_JSON) from error
    check_values(found, name)
    return found


def check_depth(sent: object, name: str = "event") -> None:
    """Raise Malformed if lists and tables lie too deep in each other.

    What writes JSON calls itself for each level, so this comes before it.
    """
    level: list[object] = [sent]
    depth = 0
    while level := [part for outer in level for part in _parts(outer)]:
        depth += 1
        if depth > MOST_DEEP:
            raise Malformed(name, DEEP)


def has_more_values(sent: object, most: int) -> bool:
    """Tell whether lists and tables hold more than `most` values together; looks at no more.

    To look at each of three million values takes seconds.
    """
    level, values = list(_parts([sent])), 0
    while level and values <= most:
        values += sum(map(len, level))
        if values <= most:
            level = [part for outer in level for part in _parts(outer)]
    return values > most


def check_values(sent: object, name: str = "") -> None:
    """Raise Malformed for what no field may hold, naming its place, such as `items.0.quantity`."""
    check_depth(sent, name or "event")
    place: list[object] = []
    words = _fault(sent, place)
    if words is not None:
        raise Malformed(".".join(map(str, place)) or name or "event", words)


def _fault(value: object, place: list[object]) -> Words | None:
    """Return what is wrong within a value, None if nothing is; then `place` leads to it.

    One list holds the place for all values: a text for each of a million values of a field with a
    long name would take minutes.
    """
    if isinstance(value, str):
        return None if is_text(value) else _TEXT
    if isinstance(value, int | float):
        fits = -_BEYOND < value < _BEYOND or (isinstance(value, float) and math.isfinite(value))
        return None if fits else _NUMBER
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, part in inner:
        if isinstance(step, str) and ("\0" in step or not is_text(step)):
            return _NAME if "\0" in step else _TEXT
        place.append(step)
        words = _fault(part, place)
        if words is not None:
            return words
        place.pop()
    return None


def _parts(value: object) -> Iterator[Collection[object]]:
    found = value.values() if isinstance(value, Mapping) else value
    if isinstance(found, Iterable) and not isinstance(found, str):
        yield from (part for part in found if isinstance(part, Mapping | list))


def is_text(value: str) -> bool:
    """Tell whether a text has bytes: half of a surrogate pair has none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        times = Counter(name for name, _ in pairs)
        raise Malformed(next(name for name in times if times[name] > 1), _TWICE)
    return found


def _whole_number(digits: str) -> int | float:
    # A number that is too long counts as one without end, so that its field is named.
    return int(digits) if len(digits) <= _MOST_DIGITS else math.inf


def _printable(field: str) -> str:
    return field.encode(errors="replace").decode()[:_LONGEST_FIELD]
