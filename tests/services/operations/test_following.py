"""Every collection that names a member says how it follows a merge, and does so."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from chain_data import FakeClock
from huitou.operations.merges.following import FOLLOWING, MOVED
from huitou.runtime.database import Database
from huitou.runtime.declarations import declarations
from localcloud.keys import LocalSecrets, load_secrets
from merging import merged
from paying import PayingShop
from whole_life import everything, live, strings

# Written by other use cases than those that a member's life takes.
ELSEWHERE = {"erasures", "import_batches", "limit_pools", "phone_moves"}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


def found_in(database: Database, member_id: str) -> dict[str, set[str]]:
    """Return the fields in which a member's id stands, by collection."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, document in everything(database):
        for path, text in strings(document):
            if text == member_id:
                found[name].add(path)
    return found


def test_each_collection_that_names_a_member_is_in_the_table_and_follows_as_it_says(
    chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path
) -> None:
    shop = PayingShop(chain, clock, keys, tmp_path)
    one, other = live(shop, "one"), shop.register("other")
    before = found_in(chain, one)
    for name, paths in before.items():
        assert paths <= set(FOLLOWING[name].fields), (name, paths)
    merged(chain, clock, one, other)
    assert shop.differences(()) == []
    after = found_in(chain, one)
    moved = {name for name, following in FOLLOWING.items() if following.how.startswith("moves")}
    # The other one has a WeChat of their own, so the subscriptions of this one's stay.
    left = {
        "accounts",
        "features",
        "identities",
        "members",
        "orders",
        "points_holds",
        "subscriptions",
    }
    assert {name for name in moved if name in after} <= left, after
    for name in (moved & before.keys()) - {"subscriptions"}:
        assert name in found_in(chain, other), name
    used = chain.collection("points_holds").find({"member_id": one})
    assert {hold["status"] for hold in used} == {"used"}
    assert after["orders"] == {"placed_by"}
    assert set(FOLLOWING) - before.keys() - after.keys() - {"staff_changes"} == ELSEWHERE


def test_the_table_names_each_collection_that_is_indexed_by_a_member() -> None:
    by_member = {
        one.name
        for one in declarations()
        for index in one.indexes
        if {"member_id", "inviter_id", "issued_to"} & set(index.document["key"])
    }
    assert by_member <= set(FOLLOWING) <= {one.name for one in declarations()}
    assert set(MOVED) <= set(FOLLOWING)
