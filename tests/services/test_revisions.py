"""Rules can always be changed again: nobody uses up the numbers of their revisions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from at_once import at_once
from huitou.promotions.offers.models import Limits
from huitou.promotions.quotas.repository import LimitRepository
from huitou.runtime.database import Database, Document
from huitou.runtime.errors import Refusal
from huitou.runtime.limits import MOST_REVISION
from huitou.runtime.revisions import MOST_FIRST, put_revision, revision_of, revisions_in_force

TOO_HIGH, CONFLICT = "REVISION_TOO_HIGH tea.revision", "RULES_CONFLICT tea.revision"
HIGHEST = 2**63 - 1  # The highest number that the database holds.


def rule(revision: int, words: str = "") -> Document:
    return {"_id": "tea", "revision": revision, "words": words}


def put(database: Database, revision: int, words: str = "") -> str | None:
    """Store a revision; returns the code of the refusal and its field, None if it was stored."""
    try:
        put_revision(database.collection("rules"), rule(revision, words), "tea.revision")
    except Refusal as refusal:
        return f"{refusal.code.name} {refusal.field}"
    return None


@pytest.mark.parametrize("number", [MOST_FIRST + 1, MOST_REVISION, 2**53, HIGHEST])
def test_a_first_revision_leaves_numbers_for_later_ones(database: Database, number: int) -> None:
    assert put(database, number) == TOO_HIGH
    assert put(database, 20261130) is None  # A date is a good first number.
    assert put(database, 20261131) is None


@pytest.mark.parametrize("number", [4, 1_000, MOST_FIRST, HIGHEST])
def test_a_later_revision_is_one_above_the_last(database: Database, number: int) -> None:
    assert put(database, 1) is None
    assert put(database, 2) is None
    assert put(database, number) == TOO_HIGH
    assert put(database, 2, "other words") == CONFLICT
    assert put(database, 3) is None


def test_a_number_that_a_killed_call_used_up_is_passed_over(database: Database) -> None:
    assert put(database, 1) is None
    kept = {"_id": "rules:tea@2", "schema": 1, "document": rule(2, "never in force")}
    database.collection("rule_revisions").insert_one(kept)
    assert put(database, 2) == CONFLICT
    assert put(database, 4) == TOO_HIGH
    assert put(database, 3) is None


@pytest.mark.parametrize("number", [MOST_REVISION + 1, 2**53, HIGHEST])
def test_rules_that_were_frozen_by_an_earlier_version_can_be_changed_again(
    database: Database, number: int
) -> None:
    rules = database.collection("rules")
    rules.insert_one(rule(number, "frozen"))
    assert put(database, 2, "thawed") is None
    assert put(database, 3, "and again") is None
    assert rules.find_one({}) == rule(3, "and again")
    assert revision_of(rules, "tea", number) == rule(number, "frozen")
    assert put(database, number, "frozen again") == TOO_HIGH


def test_of_two_who_thaw_frozen_rules_at_once_one_loses(database: Database) -> None:
    database.collection("rules").insert_one(rule(HIGHEST, "frozen"))
    answers = at_once([lambda words=words: put(database, 2, words) for words in ("one", "two")])
    assert sorted(map(str, answers)) == ["None", CONFLICT]


def test_the_history_of_rules_that_were_frozen_is_in_order(database: Database) -> None:
    rules = database.collection("rules")
    rules.insert_one(rule(HIGHEST, "frozen"))
    put_revision(rules, rule(2), "tea.revision", datetime(2026, 3, 2, tzinfo=UTC))
    found = [one["revision"] for _, one in revisions_in_force(rules, "tea", 2)]
    assert found == [HIGHEST, 2]


def test_a_pool_of_an_offer_that_was_frozen_follows_its_later_revision(database: Database) -> None:
    pools = LimitRepository(database)
    pools.open("offer:tea", Limits(quota=5), HIGHEST)
    pools.open("offer:tea", Limits(quota=9), 2)
    found = database.collection("limit_pools").find_one({"_id": "offer:tea"})
    assert found is not None
    assert (found["quota"], found["left"], found["revision"]) == (9, 9, 2)
