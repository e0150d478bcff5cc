"""The friends of a set are different persons, also after merges; a log-in follows a merge."""

from __future__ import annotations

import pytest

from at_once import at_once
from chain_data import FakeClock, item
from friends import SET, Friends
from huitou.growth.referrals.models import MineRequest
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.identity import Caller
from merging import merged
from whole_life import KEY, PHONE, Numbers


@pytest.fixture
def friends(chain: Database, clock: FakeClock) -> Friends:
    return Friends(chain, clock)


def settled(friends: Friends, *names: str, code: str | None = None) -> list[str]:
    """Bring friends, let them order, and wait until their referrals are settled."""
    brought = [friends.bring(name, code) for name in names]
    for number, one in enumerate(brought):
        friends.first_order(one, items=[item(number + 1)])  # Equal orders look suspicious.
    friends.settle()
    friends.clock.advance(hours=25)
    friends.settle()
    return brought


def sets(friends: Friends) -> int:
    coupons = friends.database.collection("coupons")
    return coupons.count_documents({"cause": {"$regex": "^referral-set:"}, "_id": {"$gt": ""}})


@pytest.mark.parametrize("how", ["merged", "one phone"])
def test_two_friends_who_are_one_person_count_once_in_a_set(friends: Friends, how: str) -> None:
    friends.rules(invite_set=SET, burst_per_hour=100)
    one, two = settled(friends, "one", "two")
    members = friends.shop.members
    if how == "merged":
        merged(friends.database, friends.clock, two, one, "merge-friends")
    else:
        numbers = Numbers()
        for holder in (one, two):
            members.bind_phone(holder, PHONE, numbers, KEY)  # type: ignore[arg-type]
            friends.clock.advance(days=2)
    settled(friends, "three")
    assert sets(friends) == 0
    settled(friends, "four")
    assert sets(friends) == 1


def test_friends_of_two_merged_inviters_with_the_same_numbers_count_each(friends: Friends) -> None:
    friends.rules(invite_set=SET, burst_per_hour=100)
    other = friends.shop.register("other-ann")
    code = friends.referrals.personal_code(other)
    settled(friends, "a1", "a2", "a3", "a4")  # A whole set, and one more.
    settled(friends, "b1", code=code)
    assert sets(friends) == 1
    merged(friends.database, friends.clock, other, friends.ann, "merge-inviters")
    settled(friends, "c1")  # With a4 and b1, who both stood first in their sets.
    assert sets(friends) == 2
    mine = friends.referrals.show_own_referrals(friends.ann, MineRequest(), "zh")
    assert (mine["friends_rewarded"], mine["set_done"]) == (6, 0)


def test_whole_sets_of_two_merged_inviters_bring_no_third_coupon(friends: Friends) -> None:
    friends.rules(invite_set=SET, burst_per_hour=100)
    other = friends.shop.register("other-ann")
    settled(friends, "a1", "a2", "a3")
    settled(friends, "b1", "b2", "b3", code=friends.referrals.personal_code(other))
    assert sets(friends) == 2
    merged(friends.database, friends.clock, other, friends.ann, "merge-inviters")
    settled(friends, "c1", "c2")
    assert sets(friends) == 2
    settled(friends, "c3")
    assert sets(friends) == 3


def test_the_log_in_of_a_day_follows_a_merge_that_runs_at_the_same_time(friends: Friends) -> None:
    shop = friends.shop
    for number in range(6):
        friends.clock.advance(days=1)
        names = [f"{name}-{number}" for name in ("old", "new")]
        old, new = (shop.register(name) for name in names)
        friends.clock.advance(days=1)

        def log_in(name: str = names[0]) -> str:
            try:
                return str(shop.members.login(Caller(name, "wxapp"), None)["member_id"])
            except Unavailable:
                return log_in(name)

        def merge(source: str = old, into: str = new, at: int = number) -> None:
            merged(friends.database, friends.clock, source, into, f"merge-{at:06}")

        at_once([log_in, merge, log_in])
        assert Persons(friends.database).current_id(old) == new
        logins = friends.database.collection("logins")
        assert logins.count_documents({"member_id": old}) == 0
        assert logins.count_documents({"member_id": new}) >= 1
