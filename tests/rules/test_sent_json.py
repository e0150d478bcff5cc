"""JSON that no caller needs is refused by name: deep, long, doubled, without end, half signs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from huitou.runtime.parsing import (
    MOST_DEEP,
    Malformed,
    check_depth,
    check_values,
    has_more_values,
    parse_json,
)

DEEP = "[" * 1_000 + "]" * 1_000
MALFORMED = {
    "deep lists": (DEEP, "body"),
    "deep tables": ('{"a":' * 100_000 + "1" + "}" * 100_000, "body"),
    "deep and not closed": ("[" * 1_000_000, "body"),
    "one level too deep": ("[" * (MOST_DEEP + 2) + "]" * (MOST_DEEP + 2), "body"),
    "a long number": ('{"a": [1, {"b": ' + "1" * 5_000 + "}]}", "a.1.b"),
    "a very long number": ('{"a": ' + "1" * 1_000_000 + "}", "a"),
    "a number beyond the database": ('{"a": 9223372036854775808}', "a"),
    "a negative number beyond the database": ('{"a": -9223372036854775809}', "a"),
    "a decimal without end": ('{"a": 1e999}', "a"),
    "NaN": ('{"a": NaN}', "a"),
    "Infinity": ('{"a": [Infinity]}', "a.0"),
    "-Infinity": ('{"a": -Infinity}', "a"),
    "a key twice": ('{"a": {"pay": 1, "pay": 2}}', "pay"),
    "half of a pair": ('{"a": "\\ud83d"}', "a"),
    "the other half": ('{"a": ["x", "\\ude00"]}', "a.1"),
    "half of a pair as key": ('{"a": {"\\ud83d": 1}}', "a"),
    "half of a pair as the first key": ('{"\\ud83d": 1}', "body"),
    "a name with a NUL": ('{"a": {"b\\u0000c": 1}}', "a"),
    "no JSON": ("{", "body"),
    "nothing": ("", "body"),
    "no UTF-8": (b'{"a": "\xff\xfe"}', "body"),
    "one quote": ("'", "body"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json_is_refused_by_name(name: str) -> None:
    text, field = MALFORMED[name]
    with pytest.raises(Malformed) as refused:
        parse_json(text)
    assert refused.value.field == field
    told = refused.value.refusal()
    assert (told.code.name, told.field) == ("INVALID_REQUEST", field)
    assert told.message("zh") != told.message("en")
    assert told.message("zh").encode()


def test_what_callers_need_is_read_as_it_is() -> None:
    text = '{"a": [1, -2.5, 9223372036854775807, "😀", "\\ud83d\\ude00", null, true], "": {}}'
    assert parse_json(text) == {"a": [1, -2.5, 2**63 - 1, "😀", "😀", None, True], "": {}}
    assert parse_json("[" * MOST_DEEP + "]" * MOST_DEEP)


def test_an_event_of_many_values_is_checked_by_depth_and_not_by_number() -> None:
    event: object = [[number] for number in range(10_000)]
    check_values(event)
    for _ in range(MOST_DEEP):
        event = {"a": event}
    with pytest.raises(Malformed):
        check_depth(event)


def test_a_field_in_an_error_is_short_and_printable() -> None:
    with pytest.raises(Malformed) as refused:
        parse_json('{"' + "k" * 5_000 + '": NaN}')
    assert len(refused.value.field) == 200


LONG_WORK: dict[str, Callable[[], object]] = {
    "the last of many keys twice": lambda: parse_json(
        "{" + "".join(f'"{key}": 1, ' for key in range(100_000)) + '"x": 1, "x": 1}'
    ),
    "many values in a field with a long name": lambda: check_values({"k" * 200_000: [1] * 200_000}),
    "many lists": lambda: has_more_values([[]] * 3_000_000, 30_000),
    "lists in each other": lambda: has_more_values([[[]] * 1_000] * 3_000, 30_000),
}


@pytest.mark.parametrize("name", LONG_WORK)
def test_the_work_for_what_is_sent_grows_with_its_length_alone(name: str) -> None:
    began_s = time.process_time()
    with suppress(Malformed):
        LONG_WORK[name]()
    assert time.process_time() - began_s < 3  # Work that grows with the square takes minutes.


def test_values_are_counted_in_all_lists_and_tables() -> None:
    event = {"a": [1, 2, [3]], "b": {"c": {}, "d": "text"}}
    assert has_more_values(event, 7)
    assert not has_more_values(event, 8)
    assert not has_more_values("text", 0)
