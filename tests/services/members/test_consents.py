"""Consents: every decision is kept, the last one is valid, a merge never overrides a refusal."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, name_members
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.runtime.database import Database
from merging import merged


class Log:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.consents = database, Consents(database, clock)

    def say(self, member_id: str, *, given: bool, purpose: Any = "marketing") -> None:
        request = ConsentRequest(purpose=purpose, given=given, text_version="v1")
        self.consents.record_consent(member_id, request)

    def decisions(self, member_id: str) -> list[bool]:
        found = self.database.collection("consents").find({"member_id": member_id})
        return [row["given"] for row in sorted(found, key=lambda row: row["n"])]


@pytest.fixture
def log(database: Database, clock: FakeClock) -> Log:
    name_members(database, ["ann"])
    return Log(database, clock)


def test_without_a_decision_only_personalisation_is_on(log: Log) -> None:
    assert log.consents.consents_of(["ann"]) == {
        "ann": {"marketing": False, "personalised": True, "precise_location": False}
    }


def test_every_decision_is_kept_and_the_last_one_is_valid(log: Log) -> None:
    for given in (True, True, False, True):
        log.say("ann", given=given)
    assert log.decisions("ann") == [True, False, True]
    assert log.consents.has_consent("ann", "marketing")
    assert not log.consents.has_consent("ann", "precise_location")


def test_decisions_made_at_once_are_recorded_one_after_another(log: Log) -> None:
    at_once(
        [
            lambda given=given: log.say("ann", given=given)  # type: ignore[misc]
            for given in (True, False) * 4
        ]
    )
    decisions = log.decisions("ann")
    assert all(one != other for one, other in pairwise(decisions))
    assert log.consents.has_consent("ann", "marketing") is decisions[-1]


@pytest.mark.parametrize(
    ("theirs", "ours", "holds"),
    [(True, None, True), (False, None, False), (False, True, False), (True, False, False),
     (True, True, True), (None, True, True), (None, None, False)],
)  # fmt: skip
def test_a_merge_never_brings_back_a_consent_that_was_withdrawn(
    chain: Database, clock: FakeClock, theirs: bool | None, ours: bool | None, *, holds: bool
) -> None:
    shop, log = Shop(chain, clock), Log(chain, clock)
    source, into = shop.register("one"), shop.register("other")
    for member_id, given in ((source, theirs), (into, ours)):
        if given is not None:
            log.say(member_id, given=given)
    merged(chain, clock, source, into)
    assert log.consents.has_consent(into, "marketing") is holds
