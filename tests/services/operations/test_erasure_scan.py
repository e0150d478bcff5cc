"""After an erasure nothing of a person is left in any collection but what is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain_data import FakeClock
from huitou.members.profiles.rules import network_of, phone_hash
from huitou.operations.erasures.keeping import BY_ID, BY_MEMBER, KEPT
from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.runtime.database import Database
from localcloud.keys import LocalSecrets, load_secrets
from merging import merged
from paying import PayingShop
from whole_life import ADDRESS, KEY, PHONE, VALUES, everything, live, strings


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def shop(chain: Database, clock: FakeClock, keys: LocalSecrets, tmp_path: Path) -> PayingShop:
    return PayingShop(chain, clock, keys, tmp_path)


def left_of(shop: PayingShop, *more: str) -> set[tuple[str, str]]:
    """Return (collection, field) of each value of a life that is still stored."""
    wanted = [*VALUES.values(), *more, phone_hash(f"+86{PHONE}", KEY)]
    wanted.append(network_of(ADDRESS, KEY) or "")
    exact = {PHONE[-4:], VALUES["birthday"][5:]}
    return {
        (name, path)
        for name, document in everything(shop.database)
        for path, text in strings(document)
        if text in exact or any(value in text for value in wanted)
    }


def erase(shop: PayingShop, member_id: str) -> None:
    request = EraseMemberRequest(member_id=member_id, actor="owner", reason="本人要求某某")
    Erasures(shop.database, shop.clock, "huitou").erase_member(request)


@pytest.mark.parametrize("of", ["the member", "an id that was merged into the member"])
def test_what_is_left_after_an_erasure_is_declared_with_its_reason(
    shop: PayingShop, of: str
) -> None:
    lived = member_id = live(shop, "one")
    assert len(left_of(shop)) >= 20  # The life has left its traces.
    if of != "the member":
        member_id = shop.register("other")
        merged(shop.database, shop.clock, lived, member_id)
    erase(shop, member_id)
    assert left_of(shop, "本人要求某某") == set(KEPT)
    for name in BY_MEMBER:
        kept = shop.database.collection(name).find({"member_id": {"$in": [lived, member_id]}})
        assert list(kept) == [], name
    for name in BY_ID:
        kept = shop.database.collection(name).find({"_id": {"$in": [lived, member_id]}})
        assert list(kept) == [], name
    assert shop.differences(()) == []


def test_an_erasure_that_runs_again_takes_away_what_was_left(shop: PayingShop) -> None:
    """The version before could leave a phone, an address and points behind in a race."""
    member_id = live(shop, "one")
    erase(shop, member_id)
    database = shop.database
    identity = {"_id": "phone:left", "schema": 1, "member_id": member_id}
    database.collection("identities").insert_one(identity)
    database.collection("members").update_one(
        {"_id": member_id}, {"$set": {"phone_hash": "left", "phone_last4": PHONE[-4:]}}
    )
    database.collection("orders").update_one(
        {"member_id": member_id}, {"$set": {"delivery": {"name": VALUES["name"]}}}
    )
    erase(shop, member_id)
    assert left_of(shop, "本人要求某某") == set(KEPT)
    assert database.collection("identities").find_one({"member_id": member_id}) is None
