"""Nobody takes another person's account by a merge: codes of both, a small limit, or two people."""

from __future__ import annotations

import time
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop, item
from huitou.loyalty.notices.service import Notices
from huitou.members.profiles.till_service import FirstOrder, TillMembers
from huitou.operations.merges.models import DecideMergeRequest, MergeAnswer, MergesRequest
from huitou.operations.merges.proofs import SPAN_S, is_proof, proof_code
from huitou.operations.merges.service import Merges
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from huitou.runtime.paging import PageRequest
from merging import KEY, codes, wish


class Counter:
    """A shop whose staff ask for merges."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.shop = Shop(database, clock)
        self.merges = Merges(database, clock, "huitou", KEY)
        self.guest, self.stranger = self.shop.register("guest"), self.shop.register("stranger")

    def ask(self, source: str, into: str, merge_id: str = "", **more: Any) -> MergeAnswer:
        return self.merges.merge_members(wish(source, into, merge_id, **more))

    def decide(self, merge_id: str, actor: str, *, approve: bool = True) -> MergeAnswer | str:
        request = DecideMergeRequest(merge_id=merge_id, approve=approve, actor=actor)
        try:
            return self.merges.decide_merge(request)
        except Refusal as refused:
            return refused.code.name

    def till_member(self, number: str, points: int) -> str:
        """Register a member whom only the till knows, with so many points."""
        shop = self.shop
        first = FirstOrder("2026-03-01", shop.clock.now(), None)
        members = TillMembers(shop.database, shop.clock, "huitou")
        made = shop.database.transact(
            lambda session: members.register_till_members({number: first}, session)
        )
        member_id = made.ids[number]
        if points:
            quantity, rest = divmod(points, 15)
            assert rest == 0
            shop.paid(member_id, items=[item(quantity)])
        return member_id


@pytest.fixture
def counter(chain: Database, clock: FakeClock) -> Counter:
    return Counter(chain, clock)


@pytest.mark.parametrize("missing", ["from_code", "into_code", "both", "wrong", "swapped"])
def test_a_merge_without_the_codes_of_both_accounts_waits_and_moves_nothing(
    counter: Counter, missing: str
) -> None:
    """Without the first code somebody's points are taken, without the second their log-in."""
    shop = counter.shop
    shop.give_points(counter.stranger, 1_000)
    shown = codes(counter.stranger, counter.guest)
    if missing == "both":
        shown = {}
    elif missing == "wrong":
        shown["from_code"] = "2222-2222"
    elif missing == "swapped":
        shown = {"from_code": shown["into_code"], "into_code": shown["from_code"]}
    else:
        del shown[missing]
    answer = counter.ask(counter.stranger, counter.guest, **shown)
    assert (answer.status, answer.points) == ("awaiting_approval", 0)
    assert shop.account(counter.guest)["available"] == 0
    assert shop.members.member_id_of(Caller("stranger", "wxapp")) == counter.stranger
    notices = Notices(shop.database, shop.clock)
    for member_id in (counter.guest, counter.stranger):
        told = notices.list_notices(member_id, PageRequest(limit=5), "zh")["notices"]
        assert "合并" in told[0]["text"]


def test_a_waiting_merge_needs_a_day_and_a_second_person_and_can_be_rejected(
    counter: Counter,
) -> None:
    asked = counter.ask(counter.stranger, counter.guest, "merge-1")
    assert counter.decide("merge-1", "bob") == "MERGE_TOO_EARLY"
    counter.shop.clock.advance(days=1)
    assert counter.decide("merge-1", "ann") == "MERGE_NOT_YOURS"
    assert counter.decide("unknown", "bob") == "NOT_FOUND"
    [waiting] = counter.merges.list_merges(MergesRequest()).merges
    assert (waiting.merge_id, waiting.actor) == (asked.merge_id, "ann")
    done = counter.decide("merge-1", "bob")
    assert isinstance(done, MergeAnswer)
    assert (done.status, done.identities) == ("merged", 1)
    assert counter.decide("merge-1", "bob") == done  # A repetition.
    assert counter.decide("merge-1", "bob", approve=False) == "MERGE_DECIDED"
    assert counter.merges.list_merges(MergesRequest()).merges == []
    third = counter.shop.register("third")
    counter.ask(third, counter.guest, "merge-2")
    rejected = counter.decide("merge-2", "ann", approve=False)  # The way back: who asked, too.
    assert isinstance(rejected, MergeAnswer)
    counter.shop.clock.advance(days=2)
    assert counter.decide("merge-2", "bob") == "MERGE_DECIDED"
    assert counter.shop.members.get_member(third).merged_into is None


def test_small_accounts_of_the_till_are_merged_alone_up_to_the_limit_of_a_day(
    counter: Counter,
) -> None:
    """The limit is the one for points that a person gives by hand: 1,000 a day."""
    into = counter.guest
    shown = {"into_code": codes(into, into)["into_code"]}
    small, next_one, more = (
        counter.till_member(number, points)
        for number, points in (("K001", 600), ("K002", 390), ("K003", 15))
    )
    assert counter.ask(small, into).status == "awaiting_approval"  # Into whose account?
    assert counter.ask(small, into, "alone-1", **shown).points == 600
    assert counter.ask(next_one, into, "alone-2", **shown).status == "merged"
    assert counter.ask(more, into, "alone-3", **shown).status == "awaiting_approval"
    assert counter.ask(more, into, "alone-4", actor="bob", **shown).status == "merged"
    counter.shop.clock.advance(days=1)
    big = counter.till_member("K004", 1_005)
    assert counter.ask(big, into, "alone-5", **shown).status == "awaiting_approval"
    assert counter.shop.differences() == []


def test_two_merges_at_once_by_one_person_keep_to_the_limit_together(counter: Counter) -> None:
    into = counter.guest
    shown = {"into_code": codes(into, into)["into_code"]}
    for number in range(4):
        counter.shop.clock.advance(days=1)
        pair = [counter.till_member(f"K{number}-{place}", 600) for place in "ab"]
        answers = at_once(
            [
                lambda one=one: counter.ask(one, into, f"race-{one[-8:]}", **shown)  # type: ignore[misc]
                for one in pair
            ]
        )
        assert sorted(answer.status for answer in answers) == ["awaiting_approval", "merged"]


def test_of_two_who_decide_at_once_one_wins(counter: Counter) -> None:
    counter.ask(counter.stranger, counter.guest, "merge-1")
    counter.shop.clock.advance(days=1)
    answers = at_once(
        [
            lambda: counter.decide("merge-1", "bob"),
            lambda: counter.decide("merge-1", "eve", approve=False),
        ]
    )
    assert answers.count("MERGE_DECIDED") == 1
    assert len(winners(answers)) == 2


def test_a_merge_and_spending_at_once_spend_no_point_twice(counter: Counter) -> None:
    shop = counter.shop
    for number in range(4):
        source, into = shop.register(f"source-{number}"), shop.register(f"into-{number}")
        shop.give_points(source, 600)
        total = shop.account(source)["available"]
        spend = shop.request(source, items=[item(20)], points=600)
        shown = codes(source, into)
        at_once(
            [
                lambda s=source, i=into, c=shown: counter.ask(s, i, **c),  # type: ignore[misc]
                lambda s=source, r=spend: shop.orders.create_order(s, r),  # type: ignore[misc]
            ]
        )
        gone, goes_on = shop.account(source), shop.account(into)
        assert (gone["available"], gone["reserved"]) == (0, 0)
        assert goes_on["available"] + goes_on["reserved"] == total
    assert shop.differences() == []


def test_a_code_is_its_members_own_and_ends() -> None:
    now = time.time()
    code = proof_code(KEY, "one", now)
    typed = f" {code[:4].lower()}－{code[5:]} "  # As a Chinese keyboard writes it.
    assert is_proof(KEY, "one", typed, now)
    assert is_proof(KEY, "one", code, now + SPAN_S)
    assert not is_proof(KEY, "one", code, now + 2 * SPAN_S)
    assert not is_proof(KEY, "other", code, now)
    assert not is_proof(b"", "one", proof_code(b"", "one", now), now)
    assert not is_proof(KEY, "one", None, now)
