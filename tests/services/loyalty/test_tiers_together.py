"""Many members are evaluated in one transaction, with the same outcome as each alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from huitou.loyalty.tiers.service import Tiers
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable
from huitou.runtime.sweeps import Sweep

SPENDS = [30_000, 60_000, 90_000, 250_000]


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def tiers(shop: Shop) -> Tiers:
    return Tiers(shop.database, shop.clock)


def crowd(shop: Shop) -> list[str]:
    """Register members who have spent these amounts today; all are due for a review."""
    members = [shop.register(f"guest{number}") for number in range(len(SPENDS))]
    for member_id, fen in zip(members, SPENDS, strict=True):
        due = {"spend_by_day": {"2026-03-02": fen}, "tier_review": "due"}
        shop.database.collection("accounts").update_one({"_id": member_id}, {"$set": due})
    return members


def stored(shop: Shop, members: Sequence[str]) -> Any:
    """Return what an evaluation writes, without ids."""
    where = {"member_id": {"$in": list(members)}}
    moves = {move["member_id"]: move for move in shop.database.mongo["tier_changes"].find(where)}
    apart = ("_id", "member_id")
    return [
        (
            {name: shop.account(one)[name] for name in ("tier", "tier_base", "tier_review")},
            shop.account(one).get("review_on"),
            shop.account(one).get("benefits"),
            {name: value for name, value in moves.get(one, {}).items() if name not in apart},
        )
        for one in members
    ]


def sweep(shop: Shop, tiers: Tiers) -> dict[str, int]:
    part = (tiers.due_reviews(), tiers.evaluate_member, tiers.evaluate_members)
    run = Sweep(shop.database, "tier-evaluate")
    return run.run({"outcomes": part}, 10.0)["outcomes"]


def test_together_and_alone_write_the_same(shop: Shop, tiers: Tiers) -> None:
    alone, together = crowd(shop), []
    outcomes = [tiers.evaluate_member(member_id) for member_id in alone]
    written = stored(shop, alone)
    shop.database.mongo["tier_changes"].delete_many({})
    for number, fen in enumerate(SPENDS):
        together.append(shop.register(f"other{number}"))
        due = {"spend_by_day": {"2026-03-02": fen}, "tier_review": "due"}
        shop.database.collection("accounts").update_one({"_id": together[-1]}, {"$set": due})
    assert tiers.evaluate_members(together) == outcomes
    assert stored(shop, together) == written
    assert tiers.evaluate_members(together) == ["unchanged"] * len(SPENDS)
    assert list(tiers.due_reviews()) == []


def test_a_member_who_cannot_be_evaluated_stops_no_other(
    shop: Shop, tiers: Tiers, capsys: pytest.CaptureFixture[str]
) -> None:
    members = crowd(shop)
    accounts = shop.database.collection("accounts")
    accounts.update_one({"_id": members[1]}, {"$set": {"forgotten": True}})
    accounts.update_one({"_id": members[2]}, {"$set": {"tier": {"level": 7}}})
    assert sweep(shop, tiers) == {"unchanged": 2, "buried": 1, "raised": 1}
    assert (
        '"log":"sweep_one_by_one"' in capsys.readouterr().out
    )  # It costs more: somebody must see.
    [letter] = shop.database.mongo["dead_letters"].find({})
    assert letter["document_id"] == members[2]
    assert shop.account(members[3])["tier"]["level"] == "gold"


def test_a_group_with_an_account_that_changed_since_writes_nothing(
    shop: Shop, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = crowd(shop)
    judge = Tiers.case

    def an_order_settles_meanwhile(self: Tiers, account: Any, **more: Any) -> Any:
        if account.id == members[0]:
            shop.paid(members[0], items=[item(10)])
        return judge(self, account, **more)

    monkeypatch.setattr(Tiers, "case", an_order_settles_meanwhile)
    with pytest.raises(Unavailable):
        tiers.evaluate_members(members)
    monkeypatch.undo()
    assert not any("tier" in shop.account(one) for one in members)
    assert sweep(shop, tiers) == {"unchanged": 1, "raised": 3}


def test_of_two_sweeps_at_once_each_move_is_written_once(shop: Shop, tiers: Tiers) -> None:
    members = crowd(shop)
    at_once([lambda: sweep(shop, tiers)] * 3)
    assert list(tiers.due_reviews()) == []
    moves = [move["member_id"] for move in shop.database.mongo["tier_changes"].find({})]
    assert sorted(moves) == sorted(members[1:])
