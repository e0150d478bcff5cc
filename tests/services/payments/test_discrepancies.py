"""Discrepancies on a real database: noted once, resolved once, opened again when they change."""

from __future__ import annotations

from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock
from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.discrepancies.errors import DiscrepancyErrors
from huitou.payments.discrepancies.models import Difference, DiscrepanciesRequest, ShownDiscrepancy
from huitou.payments.discrepancies.service import Discrepancies
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

ID = "payment amount|p1"


@pytest.fixture
def books(database: Database, clock: FakeClock) -> Discrepancies:
    return Discrepancies(database, clock)


def note(books: Discrepancies, found: Any = 90, **more: Any) -> bool:
    facts = {
        "source": "bill",
        "kind": "payment amount",
        "reference": "p1",
        "expected": 100,
        "found": found,
        "day": "2026-03-01",
        **more,
    }
    return books.note_difference(**facts)


def only(books: Discrepancies) -> ShownDiscrepancy:
    [one] = books.list_discrepancies(DiscrepanciesRequest(all=True)).discrepancies
    return one


def test_noting_a_difference_again_counts_it_as_seen_again(
    books: Discrepancies, clock: FakeClock
) -> None:
    first_at = clock.now()
    assert note(books)
    clock.advance(hours=1)
    assert not note(books)
    one = only(books)
    assert (one.discrepancy_id, one.status, one.seen) == (ID, "open", 2)
    assert (one.first_at, one.last_at) == (first_at, clock.now())
    assert (one.expected, one.found, one.day, one.source) == (100, 90, "2026-03-01", "bill")


def test_the_latest_values_are_shown_unchanged_whatever_they_contain(
    books: Discrepancies,
) -> None:
    for found in (90, "$reference", "other payer", None, True):
        note(books, found)
        assert only(books).found == found


def test_many_calls_that_note_the_same_at_once_create_one(books: Discrepancies) -> None:
    new = at_once([lambda: note(books)] * 8)
    assert sorted(new) == [False] * 7 + [True]
    assert only(books).seen == 8


def test_many_differences_noted_at_once_are_all_stored(
    books: Discrepancies, database: Database
) -> None:
    page = [Difference(kind="fee", reference=f"p{n}", expected=1, found=2) for n in range(200)]
    new = at_once([lambda: books.note_differences("bill", page)] * 4)
    assert sum(new) == 200
    assert {d["seen"] for d in database.collection("discrepancies").find({})} == {4}


def test_noting_in_a_transaction_is_undone_when_the_transaction_fails(
    books: Discrepancies, database: Database
) -> None:
    def fails(session: Any) -> None:
        note(books, session=session)
        raise Refusal(ChargeErrors.NOTIFICATION_MISMATCH)

    with pytest.raises(Refusal):
        database.transact(fails)
    assert books.list_discrepancies(DiscrepanciesRequest(all=True)).discrepancies == []
    results = at_once([lambda: database.transact(lambda s: note(books, session=s))] * 4)
    assert sorted(results) == [False, False, False, True]
    assert only(books).seen == 4


def test_if_two_people_resolve_at_once_the_second_learns_who_was_first(
    books: Discrepancies,
) -> None:
    note(books)
    results = at_once(
        [
            lambda who=who: books.resolve_discrepancy(ID, who, "checked")
            for who in ("ann", "bob", "carl")
        ]
    )
    [won] = winners(results)
    lost = [result for result in results if isinstance(result, Refusal)]
    assert won.resolution
    assert {refused.code for refused in lost} == {DiscrepancyErrors.ALREADY_RESOLVED}
    assert {refused.detail for refused in lost} == {won.resolution.actor}
    assert only(books).resolution == won.resolution


def test_resolving_again_with_the_same_note_changes_nothing(
    books: Discrepancies, clock: FakeClock
) -> None:
    note(books)
    first = books.resolve_discrepancy(ID, "ann", "paid at the till")
    clock.advance(hours=1)
    assert books.resolve_discrepancy(ID, "ann", "paid at the till") == first
    with pytest.raises(Refusal) as refused:
        books.resolve_discrepancy(ID, "ann", "something else")
    assert refused.value.code is DiscrepancyErrors.ALREADY_RESOLVED


def test_an_unknown_discrepancy_cant_be_resolved_and_nobody_can_act_as_the_system(
    books: Discrepancies,
) -> None:
    note(books)
    with pytest.raises(Refusal) as refused:
        books.resolve_discrepancy("payment amount|p2", "ann", "?")
    assert refused.value.code is Code.NOT_FOUND
    with pytest.raises(Refusal) as refused:
        books.resolve_discrepancy(ID, "system", "?")
    assert refused.value.code is Code.INVALID_REQUEST


def test_a_resolved_one_seen_again_with_the_same_values_stays_resolved(
    books: Discrepancies,
) -> None:
    note(books)
    books.resolve_discrepancy(ID, "ann", "known")
    assert not note(books)
    assert (only(books).status, only(books).seen) == ("resolved", 2)


def test_a_resolved_one_with_other_values_opens_again_and_keeps_its_history(
    books: Discrepancies, database: Database
) -> None:
    note(books)
    books.resolve_discrepancy(ID, "ann", "known")
    note(books, 80)
    assert (only(books).status, only(books).reopened, only(books).resolution) == ("open", 1, None)
    books.resolve_discrepancy(ID, "bob", "known too")
    note(books, 70)
    stored = database.collection("discrepancies").find_one({"_id": ID})
    assert stored
    history = [(c["found"], c["resolution"]["actor"]) for c in stored["history"]]
    assert history == [(90, "ann"), (80, "bob")]


def test_history_is_kept_up_to_a_limit(books: Discrepancies) -> None:
    for found in range(25):
        note(books, found)
        books.resolve_discrepancy(ID, "ann", str(found))
    note(books, 99)
    assert only(books).reopened == 20


def test_an_automatically_resolved_one_opens_again_if_it_comes_back(
    books: Discrepancies,
) -> None:
    assert not books.clear_discrepancy("payment amount", "p1")
    note(books)
    assert books.clear_discrepancy("payment amount", "p1")
    assert not books.clear_discrepancy("payment amount", "p1")
    resolution = only(books).resolution
    assert resolution
    assert resolution.actor == "system"
    note(books)
    assert (only(books).status, only(books).reopened) == ("open", 1)


def test_what_a_person_resolved_keeps_their_note(books: Discrepancies) -> None:
    note(books)
    books.resolve_discrepancy(ID, "ann", "known")
    assert not books.clear_discrepancy("payment amount", "p1")
    assert books.clear_discrepancies("bill", ["p1"], []) == 0
    resolution = only(books).resolution
    assert resolution
    assert resolution.actor == "ann"


def test_only_a_sources_own_discrepancies_are_cleared_when_it_no_longer_finds_them(
    books: Discrepancies,
) -> None:
    note(books)
    note(books, kind="fee")
    note(books, kind="merchant", reference="p2")
    note(books, kind="payer", source="notice")
    still = [Difference(kind="fee", reference="p1")]
    assert books.clear_discrepancies("bill", ["p1"], still) == 1
    left = {d.kind for d in books.list_discrepancies(DiscrepanciesRequest()).discrepancies}
    assert left == {"fee", "merchant", "payer"}


def test_lists_are_paged_newest_first_by_status_and_day(
    books: Discrepancies, clock: FakeClock
) -> None:
    for number in range(7):
        note(books, reference=f"p{number}", day=f"2026-03-0{1 + number % 2}")
        clock.advance(minutes=number % 3)
    books.resolve_discrepancy("payment amount|p6", "ann", "known")

    def listed(**more: Any) -> list[str]:
        references, after = [], None
        while True:
            page = books.list_discrepancies(DiscrepanciesRequest(limit=2, after=after, **more))
            references += [one.reference for one in page.discrepancies]
            after = page.next
            if after is None:
                return references

    assert listed(all=True) == ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]
    assert listed() == ["p5", "p4", "p3", "p2", "p1", "p0"]
    assert listed(day="2026-03-01") == ["p4", "p2", "p0"]
    assert listed(day="2026-03-01", all=True) == ["p6", "p4", "p2", "p0"]
    assert books.count_open_discrepancies("2026-03-01") == 3


def test_a_log_line_names_kind_and_reference_and_no_values(
    books: Discrepancies, capsys: pytest.CaptureFixture[str]
) -> None:
    note(books, "secret value")
    line = capsys.readouterr().out
    assert '"log":"discrepancy"' in line
    assert '"kind":"payment amount","reference":"p1","new":true' in line
    assert "secret" not in line
