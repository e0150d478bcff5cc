"""What people type has one form, whatever keyboard or scanner it came from."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cli.imports.people import member_number
from huitou.catalog.stores.models import Hours, OpeningHours
from huitou.catalog.stores.rules import in_hours
from huitou.coupons.codes.rules import batch_key, codes, read
from huitou.loyalty.adjustments.models import AdjustPointsRequest
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.console.lookup_models import FindOrdersRequest
from huitou.operations.staff.models import SignInRequest
from huitou.ordering.orders.models import InvoiceRequest
from huitou.ordering.orders.quote_models import Delivery
from huitou.ordering.till.models import VerifyTokenRequest
from huitou.runtime import typed

PHONES = {
    "13800000001": [
        "13800000001", "+8613800000001", "8613800000001", "008613800000001", "+86 138-0000-0001",
        "138 0000 0001", "１３８００００ ０００１", "＋８６ 138 0000 0001", "(+86)138–0000–0001",
        "+86 (0)138 0000 0001", "0086 (138) 0000-0001", "86-138-0000-0001", "+86.138.0000.0001",
        "（＋８６）１３８－００００－０００１", "00 86 138 0000 0001",
        "\u202d13800000001\u202c", "13800000001\r\n", " 138\u00a00000\u30000001\u200b",
    ],
    "+85261234567": [
        "+852 6123 4567", "00852-61234567", "＋８５２６１２３４５６７", "+852 (6123) 4567",
    ],
    "+85366123456": ["+853 6612 3456", "00853 6612-3456", "+853-6612-3456"],
    "+886912345678": [
        "+886 912 345 678", "+886 (0)912-345-678", "00886912345678",
        "＋８８６－９１２－３４５－６７８",
    ],
    "15400000001": ["+86 154 0000 0001"],  # The + says that it is a phone, whatever its prefix.
    "02112345678": ["021-1234 5678", "０２１－１２３４５６７８"],
}  # fmt: skip
NAMES = {
    "爱丽丝": [
        "爱丽丝", " 爱丽丝\u3000", "爱\u200b丽\ufeff丝", "\u202e爱丽丝\u202c", "爱丽丝\x00\r\n",
    ],
    "Alice Wang": ["Alice  Wang", "Alice\tWang", "\u2066Alice\u2069\u2003Wang"],
    "上海食品（集团）有限公司": ["上海食品（集团）有限公司\n"],
    "👨\u200d👩\u200d👧 家": ["👨\u200d👩\u200d👧  家\u200d"],
    "❤️\u200d🔥": ["❤️\u200d🔥"],
    "é": ["e\u0301"],
}  # fmt: skip
NOTHING = [
    "", " ", "\u3000", "\u200b\u200d", "\u202e", "\x00\x1f", "\u3164", "\u2800", "\u115f \u00ad",
    "\ufe0f", "\u0301",
]  # fmt: skip
[RIGHT] = codes(batch_key(b"key", b"salt"), 0, 0, 1)


def spellings(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(right, typed_as) for right, ways in table.items() for typed_as in ways]


def full_width(text: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


@pytest.mark.parametrize(("phone", "typed_as"), spellings(PHONES))
def test_one_phone_has_one_form(phone: str, typed_as: str) -> None:
    assert Delivery(name="王", phone=typed_as, address="南京路 1 号").phone == phone


@pytest.mark.parametrize(("phone", "typed_as"), spellings(PHONES))
def test_a_file_and_a_form_read_a_phone_alike(phone: str, typed_as: str) -> None:
    if phone[0] in "1+":  # In a file, a landline stays as it is: it may be a card's number.
        assert member_number(typed_as)[0] == phone


@pytest.mark.parametrize(
    "number", ["8615400000001", "8612345678901", "86138000000012", "8613800000", "12045678901"]
)
def test_a_number_that_is_no_phone_stays_as_it_is(number: str) -> None:
    assert typed.phone(number) == member_number(number)[0] == number


@pytest.mark.parametrize("wrong", ["", "abc", "12", "+12", "٠١٢abc", "1" * 30])
def test_what_is_no_phone_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Delivery(name="王", phone=wrong, address="南京路")
    assert refused.value.errors()[0]["loc"] == ("phone",)


@pytest.mark.parametrize(("name", "typed_as"), spellings(NAMES))
def test_a_name_keeps_what_is_seen_and_nothing_else(name: str, typed_as: str) -> None:
    assert UpdateProfileRequest(nickname=typed_as).nickname == name
    assert InvoiceRequest(order_id="o", title=typed_as).title == name


@pytest.mark.parametrize("nothing", NOTHING, ids=ascii)
def test_a_name_of_nothing_that_is_seen_is_refused(nothing: str) -> None:
    with pytest.raises(ValidationError):
        UpdateProfileRequest(nickname=nothing)


@pytest.mark.parametrize(
    "typed_as",
    [RIGHT, RIGHT.lower(), full_width(RIGHT), RIGHT.replace("-", "—"), RIGHT.replace("-", "－"),
     RIGHT + "\r\n", f"\ufeff{RIGHT} ", RIGHT.replace("-", "\u200b"), RIGHT.replace("-", "·"),
     RIGHT.replace("-", "　"), f"「{RIGHT}」"],
    ids=ascii,
)  # fmt: skip
def test_a_code_is_read_from_any_keyboard_and_scanner(typed_as: str) -> None:
    assert read(typed_as) == read(RIGHT) is not None


@pytest.mark.parametrize(
    "typed_as", ["123456", "１２３４５６", "123 456", "123-456\n", " 123\u3000456"]
)
def test_a_one_time_code_is_its_digits(typed_as: str) -> None:
    asked = SignInRequest(staff_id="ｌｉ ", password=" pass word ", code=typed_as)
    assert (asked.staff_id, asked.password, asked.code) == ("li", " pass word ", "123456")


@pytest.mark.parametrize(
    "typed_as",
    ["91310000ma1fl5xxx2", "9131 0000 MA1F L5XX X2", full_width("91310000MA1FL5XXX2"),
     "91310000-MA1FL5XXX2\r\n"],
    ids=ascii,
)  # fmt: skip
def test_a_tax_number_is_its_capitals_and_digits(typed_as: str) -> None:
    asked = InvoiceRequest(order_id="o", title="公司", tax_number=typed_as, email="a＠b.cn ")
    assert (asked.tax_number, asked.email) == ("91310000MA1FL5XXX2", "a@b.cn")


def test_a_scanned_token_loses_its_line_end_and_keeps_its_case() -> None:
    assert FindOrdersRequest(order_id=" O1\u200b\r\n", limit=1).order_id == "O1"
    assert VerifyTokenRequest(coupon_token="aB-9_x\r\n", store_id="s").coupon_token == "aB-9_x"


@pytest.mark.parametrize(
    ("typed_as", "kept"), [("24:00", "00:00"), ("２４：００", "00:00"), ("9:30", "09:30")]
)
def test_the_end_of_the_day_may_be_written_24(typed_as: str, kept: str) -> None:
    assert Hours(since="18:00", until=typed_as).until == kept
    assert OpeningHours(opens="10:00", closes=typed_as).closes == kept


def test_hours_until_24_last_until_midnight() -> None:
    hours = Hours(since="18:00", until="24:00")
    assert [in_hours(hours, clock) for clock in ("17:59", "18:00", "23:59", "00:00")] == (
        [False, True, True, False]
    )
    assert in_hours(Hours(since="00:00", until="24:00"), "12:00")


@pytest.mark.parametrize("wrong", ["24:01", "25:00", "24:00:00", "1000", ""])
def test_what_is_no_time_is_refused_and_a_day_does_not_begin_at_24(wrong: str) -> None:
    for fields in (
        {"since": wrong, "until": "10:00"},
        {"since": "10:00", "until": wrong},
        {"since": "24:00", "until": "10:00"},
    ):
        with pytest.raises(ValidationError):
            Hours.model_validate(fields)


@pytest.mark.parametrize("value", [1, None, ["x"], {"x": 1}, True])
def test_what_is_no_text_is_left_to_the_model(value: object) -> None:
    class Asked(BaseModel):
        """One field of a kind."""

        field: typed.Code

    assert typed.code(value) is typed.name(value) is typed.phone(value) is value
    with pytest.raises(ValidationError):
        Asked.model_validate({"field": value})


@given(st.text(max_size=40))
@example("t¨")  # Its second sign becomes a blank and a mark.
@example("e\u200b\u0301")
def test_each_form_is_final_and_shows_nothing_unseen(text: str) -> None:
    for form in (typed.code, typed.word, typed.phone, typed.name, typed.clock, typed.clock_end):
        assert form(form(text)) == form(text)
    assert all(unicodedata.category(sign) not in ("Cc", "Cs") for sign in typed.name(text))


@pytest.mark.parametrize("kind", [typed.code, typed.word, typed.phone, typed.name, typed.clock])
@pytest.mark.parametrize("signs", ["\u0301\u0316", "\u200d", "\ufdfa", "１"])
def test_a_longer_text_than_any_field_takes_is_left_to_the_model(
    kind: Callable[[str], str], signs: str
) -> None:
    text = signs * 50_000
    began_s = time.process_time()
    assert kind(text) == text
    assert time.process_time() - began_s < 1  # Bringing so many accents into order takes minutes.


def test_no_field_of_a_request_takes_a_longer_text_than_is_brought_into_form() -> None:
    longest = [
        int(text)
        for path in Path(typed.__file__).parents[1].rglob("models.py")
        if "huitou.runtime.typed" in (source := path.read_text(encoding="utf-8"))
        for text in re.findall(r"max_length=([0-9_]+)", source)
    ]
    assert longest
    assert max(longest) <= typed.LONGEST


@pytest.mark.parametrize("reason", [*NOTHING, "\u202e\n\t"], ids=ascii)
def test_a_reason_that_nobody_can_read_is_none(reason: str) -> None:
    fields = {"member_id": "m", "adjustment_id": "A-000001", "points": 1, "actor": "li"}
    given = {**fields, "role": "manager"}
    with pytest.raises(ValidationError) as refused:
        AdjustPointsRequest.model_validate({**given, "reason": reason})
    assert [one["loc"] for one in refused.value.errors()] == [("reason",)]
    asked = AdjustPointsRequest.model_validate({**given, "reason": "\u202e补\u200b偿 \n 一次"})
    assert asked.reason == "补偿 一次"
