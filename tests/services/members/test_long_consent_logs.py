"""A member who decides a thousand times makes nobody's page of a campaign slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chain_data import NOON, FakeClock, Shop
from huitou.members.consents.models import Consent, ConsentRequest, Purpose
from huitou.members.consents.repository import FEW
from huitou.members.consents.service import Consents
from huitou.runtime.database import Database
from localcloud.mongod import Mongod
from watching import watched

MANY = 1_000


def logged(database: Database, member_id: str, purpose: Purpose, count: int, *, last: bool) -> None:
    """Store so many decisions; all but the last one say the opposite of it."""
    rows = [
        Consent(
            id=f"{member_id}:{purpose}:{n}", member_id=member_id, purpose=purpose, n=n,
            given=last if n == count else not last, text_version="v1", at=NOON,
        ).document()
        for n in range(1, count + 1)
    ]  # fmt: skip
    database.collection("consents").insert_many(rows)


def examined(plan: Any) -> Iterator[int]:
    """Yield how many documents and keys the stages of an explained statement looked at."""
    if isinstance(plan, dict):
        for name, value in plan.items():
            if name in ("totalDocsExamined", "totalKeysExamined"):
                yield int(value)
            else:
                yield from examined(value)
    elif isinstance(plan, list):
        for one in plan:
            yield from examined(one)


@pytest.mark.parametrize("count", [1, FEW - 1, FEW, FEW + 1, 30])
def test_the_latest_decision_counts_however_long_the_log_is(
    chain: Database, clock: FakeClock, count: int
) -> None:
    logged(chain, "m1", "marketing", count, last=True)
    logged(chain, "m2", "personalised", count, last=False)
    logged(chain, "m2", "marketing", 2, last=True)
    assert Consents(chain, clock).consents_of(["m1", "m2", "m3"]) == {
        "m1": {"marketing": True, "personalised": True, "precise_location": False},
        "m2": {"marketing": True, "personalised": False, "precise_location": False},
        "m3": {"marketing": False, "personalised": True, "precise_location": False},
    }


def test_a_thousand_decisions_of_one_member_are_not_read(
    chain: Database, clock: FakeClock, mongod: Mongod
) -> None:
    purposes: list[Purpose] = ["marketing", "personalised", "precise_location"]
    for purpose in purposes:
        logged(chain, "m0", purpose, MANY, last=True)
    for n in range(1, 10):
        logged(chain, f"m{n}", "marketing", 1, last=True)
    with watched(mongod.uri, chain.mongo.name) as (database, commands):
        held = Consents(database, clock).consents_of([f"m{n}" for n in range(10)])
    assert all(one["marketing"] for one in held.values())
    assert held["m0"] == dict.fromkeys(purposes, True)
    sent = [one for one in commands.sent if "consents" in (one.get("find"), one.get("aggregate"))]
    assert len(sent) == 2
    for command in sent:
        plain = {
            name: value
            for name, value in command.items()
            if name in ("find", "filter", "sort", "projection", "aggregate", "pipeline", "cursor")
        }
        explained = chain.mongo.command("explain", plain, verbosity="executionStats")
        found = list(examined(explained))
        assert found
        assert max(found) < 100


def test_one_more_decision_reads_only_the_latest_and_follows_it(
    chain: Database, clock: FakeClock, mongod: Mongod
) -> None:
    alice = Shop(chain, clock).register()
    logged(chain, alice, "marketing", MANY, last=False)
    request = ConsentRequest(purpose="marketing", given=True, text_version="v1")
    with watched(mongod.uri, chain.mongo.name) as (database, commands):
        answer = Consents(database, clock).record_consent(alice, request)
    assert answer.marketing
    assert not [one for one in commands.sent if "getMore" in one]
    assert chain.collection("consents").find_one({"_id": f"{alice}:marketing:{MANY + 1}"})
