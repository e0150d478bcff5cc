"""Birthdays that can't be, and phone numbers that got a new holder."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import NOON, FakeClock, Shop
from huitou.members.profiles.errors import ProfileErrors
from huitou.members.profiles.models import CorrectBirthdayRequest, UpdateProfileRequest
from huitou.members.profiles.rules import may_celebrate_twice
from huitou.runtime.database import Database
from huitou.runtime.errors import ErrorCode, Refusal
from merging import merged
from whole_life import KEY, Numbers

PHONE = "13900000001"


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def say(shop: Shop, member_id: str, birthday: str) -> ErrorCode | str:
    """Say a birthday; returns it, or the code of the refusal."""
    request = UpdateProfileRequest(birthday=date.fromisoformat(birthday))
    try:
        return str(shop.members.update_profile(member_id, request)["birthday"])
    except Refusal as refused:
        return refused.code if refused.field == "birthday" else str(refused.field)


@pytest.mark.parametrize(
    ("birthday", "answer"),
    [
        ("2026-03-03", ProfileErrors.BIRTHDAY_IMPOSSIBLE),  # Tomorrow.
        ("1899-12-31", ProfileErrors.BIRTHDAY_IMPOSSIBLE),
        ("1850-01-01", ProfileErrors.BIRTHDAY_IMPOSSIBLE),
        ("1906-03-01", "1906-03-01"),  # 120 years old.
        ("1905-03-01", ProfileErrors.BIRTHDAY_IMPOSSIBLE),
        ("2012-03-03", ProfileErrors.BIRTHDAY_OF_MINOR),  # 14 tomorrow.
        ("2012-03-02", "2012-03-02"),
    ],
)
def test_a_birthday_that_cant_be_or_makes_a_minor_is_refused(
    shop: Shop, birthday: str, answer: ErrorCode | str
) -> None:
    alice = shop.register()
    assert say(shop, alice, birthday) == answer
    if not isinstance(answer, str):
        assert say(shop, alice, "1990-05-01") == "1990-05-01"  # Nothing was fixed.


def test_an_impossible_birthday_from_before_can_be_corrected(shop: Shop) -> None:
    alice = shop.register()
    shop.database.collection("members").update_one(
        {"_id": alice}, {"$set": {"birthday": "1850-01-01"}}
    )
    assert say(shop, alice, "1990-01-01") == "1990-01-01"


def test_a_birthday_is_corrected_once(shop: Shop) -> None:
    alice = shop.register()
    assert say(shop, alice, "1990-06-01") == "1990-06-01"
    assert say(shop, alice, "1990-07-01") == "1990-07-01"
    account = shop.account(alice)
    assert (account["birthday_md"], account["birthday_on"]) == ("07-01", "2026-07-01")
    assert say(shop, alice, "1990-08-01") is ProfileErrors.BIRTHDAY_FIXED
    assert say(shop, alice, "1990-07-01") == "1990-07-01"


def test_of_two_corrections_at_once_one_is_refused(shop: Shop) -> None:
    for number in range(4):
        alice = shop.register(f"alice-{number}")
        say(shop, alice, "1990-06-01")
        answers: list[Any] = at_once(
            [lambda day=day, a=alice: say(shop, a, day) for day in ("1990-07-01", "1990-08-01")]  # type: ignore[misc]
        )
        assert answers.count(ProfileErrors.BIRTHDAY_FIXED) == 1


def test_a_correction_brings_no_gifts_twice_in_a_year(shop: Shop) -> None:
    alice = shop.register()
    shop.clock.moment = NOON.replace(month=1)
    say(shop, alice, "1990-02-10")
    shop.clock.moment = NOON
    assert say(shop, alice, "1990-05-01") is ProfileErrors.BIRTHDAY_LATER
    shop.clock.moment = NOON.replace(year=2027, month=1, day=1)
    assert say(shop, alice, "1990-05-01") == "1990-05-01"


@pytest.mark.parametrize(
    ("before", "after", "said_on", "twice"),
    [
        ("1990-02-10", "1990-05-01", None, True),  # Had this year's gifts, and more to come.
        ("1990-02-10", "1990-01-20", None, False),  # Both days are over.
        ("1990-05-01", "1990-06-01", None, False),  # Both are still to come.
        ("1990-02-10", "1990-05-01", "2026-03-01", False),  # Said after that day was over.
        ("1990-03-01", "1990-05-01", "2026-03-01", True),  # Its month may have brought some.
        ("1990-03-01", "1990-03-20", "2026-02-01", True),
        ("1990-03-20", "1990-03-25", "2026-03-01", False),  # Same month, both to come.
    ],
)
def test_when_a_corrected_birthday_could_bring_gifts_twice(
    before: str, after: str, said_on: str | None, *, twice: bool
) -> None:
    assert may_celebrate_twice(before, after, said_on, "2026-03-02") is twice


def bind(shop: Shop, member_id: str) -> str:
    numbers: Any = Numbers()
    return str(shop.members.bind_phone(member_id, PHONE, numbers, KEY)["phone_last4"])


def test_a_recycled_number_moves_to_its_new_holder_and_the_points_stay(shop: Shop) -> None:
    old, new = shop.register("old"), shop.register("new")
    bind(shop, old)
    shop.give_points(old, 1_000)
    points = shop.account(old)["available"]
    assert bind(shop, new) == PHONE[-4:]
    assert shop.members.show_profile(old)["phone_last4"] is None
    assert shop.members.show_profile(new)["phone_last4"] == PHONE[-4:]
    assert (shop.account(old)["available"], shop.account(new)["available"]) == (points, 0)
    [move] = shop.database.collection("phone_moves").find({"_id": {"$gt": ""}})
    assert (move["from_member"], move["to_member"]) == (old, new)
    with pytest.raises(Refusal) as refused:  # It doesn't go to and fro.
        bind(shop, old)
    assert refused.value.code is ProfileErrors.PHONE_BOUND_ELSEWHERE
    shop.clock.advance(days=1)
    bind(shop, old)
    assert shop.members.show_profile(new)["phone_last4"] is None


def test_a_number_that_two_members_bind_at_once_has_one_holder(shop: Shop) -> None:
    for number in range(4):
        names = [shop.register(f"{name}{number}") for name in "ab"]
        shop.clock.advance(days=2)
        answers = at_once([lambda m=one: bind(shop, m) for one in names])  # type: ignore[misc]
        assert winners(answers)
        identity = shop.database.collection("identities").find_one({"_id": {"$regex": "^phone:"}})
        members = shop.database.collection("members").find({"phone_last4": PHONE[-4:]})
        assert [member["_id"] for member in members] == [(identity or {})["member_id"]]


# --- what staff correct ---------------------------------------------------------------------------


def correct(shop: Shop, member_id: str, birthday: str, actor: str = "ann") -> object:
    request = CorrectBirthdayRequest(
        member_id=member_id, birthday=date.fromisoformat(birthday), actor=actor
    )
    try:
        return shop.members.correct_birthday(request).member_id
    except Refusal as refused:
        return refused.code


def test_staff_correct_once_a_birthday_that_its_member_cant_any_more(shop: Shop) -> None:
    alice = shop.register()
    assert correct(shop, alice, "1990-06-01") is ProfileErrors.BIRTHDAY_NOT_SAID
    say(shop, alice, "1990-06-01")
    say(shop, alice, "1990-07-01")
    assert correct(shop, alice, "2030-07-01") is ProfileErrors.BIRTHDAY_IMPOSSIBLE
    answers: list[object] = at_once(
        [lambda day=day: correct(shop, alice, day) for day in ("1990-08-01", "1990-09-01")]  # type: ignore[misc]
    )
    assert sorted(map(str, answers)) == sorted([alice, str(ProfileErrors.BIRTHDAY_FIXED)])
    month_day = shop.account(alice)["birthday_md"]
    assert month_day in ("08-01", "09-01")
    assert correct(shop, alice, "1990-10-01", "bob") is ProfileErrors.BIRTHDAY_FIXED
    assert say(shop, alice, "1990-10-01") is ProfileErrors.BIRTHDAY_FIXED


def test_a_correction_by_staff_brings_no_gifts_twice_in_a_year(shop: Shop) -> None:
    alice = shop.register()
    shop.clock.moment = NOON.replace(month=1)
    say(shop, alice, "1990-02-10")
    shop.clock.moment = NOON
    assert correct(shop, alice, "1990-05-01") is ProfileErrors.BIRTHDAY_LATER


def test_both_members_show_how_a_number_moved_also_after_a_merge(shop: Shop) -> None:
    old, new, third = (shop.register(name) for name in "abc")
    bind(shop, old)
    shop.clock.advance(days=2)
    bind(shop, new)
    [lost] = shop.members.list_phone_moves(old)
    [got] = shop.members.list_phone_moves(new)
    assert (lost.way, lost.other_member, got.way, got.other_member) == (
        "to_other",
        new,
        "from_other",
        old,
    )
    merged(shop.database, shop.clock, new, third)
    assert shop.members.list_phone_moves(third) == [got]
