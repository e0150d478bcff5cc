"""An import of balances is taken back: points that are there, tiers, and nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from cli.imports.undo import SUMS
from huitou.loyalty.tiers.service import Tiers
from huitou.operations.imports.balance_models import ImportBalancesRequest
from huitou.operations.imports.balance_service import Balances
from huitou.operations.imports.undo_models import UndoAnswer, UndoRequest
from huitou.operations.imports.undo_service import ImportUndo
from huitou.runtime.database import Database
from merging import merged
from till_files import Till, figures, spend

COLUMNS = ("会员号", "积分", "有效期", "等级", "等级有效期")
MAP = "member=会员号,points=积分,expires_on=有效期,tier=等级,tier_review=等级有效期"
NONE = dict.fromkeys(SUMS, 0)
GOLD = ("黄金", "2026-12-31")
TIER = {"tier": "gold", "tier_review_on": "2026-12-31"}


def balances(till: Till, *rows: tuple[str, ...], code: int = 0) -> dict[str, Any]:
    path = till.write([(*row, *[""] * (5 - len(row))) for row in rows], COLUMNS)
    return till.balances(path, columns=MAP, code=code)


def undo_latest(till: Till) -> dict[str, Any]:
    [latest] = [one for one in till.imports() if one["status"] == "in"]
    return till.undo(latest["import_id"])


def level(till: Till) -> str:
    [account] = till.stored("accounts")
    return str(account.get("tier", {}).get("level", "basic"))


def test_balances_go_back_whole_and_the_mended_file_comes_in(till: Till) -> None:
    wrong = ("7", "1000", "2026-06-30", *GOLD), ("7", "50", ""), ("8", "20", "")
    done = balances(till, *wrong)
    assert (done["points"], done["tiers"]) == (1_070, 1)
    assert "import undo i" in till.told
    [told] = till.imports()
    assert (told["kind"], told["imported"], told["points"]) == ("balances", 2, 1_070)
    assert figures(till, "2026-03-02")["points_burn_rate"] == 0
    undone = {"balances": 2, "points": 1_070, "tiers": 1, "members": 2}
    assert undo_latest(till) == NONE | undone
    assert undo_of(till, told) == NONE
    assert [one["available"] for one in till.stored("accounts")] == [0, 0]
    assert figures(till, "2026-03-02")["points_burn_rate"] is None
    assert till.differences() == []

    mended = ("7", "100", "2026-06-30", "白银", "2026-12-31"), *wrong[1:]
    for _ in range(2):  # What comes in again can be taken back again.
        assert balances(till, *mended)["imported"] == 2
        assert balances(till, *mended)["unchanged"] == 2
        assert balances(till, wrong[0], code=1)["rejected"] == 1
        there = [one["available"] for one in till.stored("accounts")]
        assert sorted(there)[-2:] == [20, 150]
        assert undo_latest(till)["points"] == 170
    assert [one["status"] for one in till.imports()] == ["undone"] * 3
    assert till.differences() == []


def undo_of(till: Till, told: dict[str, Any]) -> dict[str, Any]:
    return till.undo(told["import_id"])


def has_spent(shop: Shop, member_id: str) -> None:
    spend(shop, member_id, 60)


def has_set_aside(shop: Shop, member_id: str) -> None:
    shop.order(member_id, points=60)


def has_let_expire(shop: Shop, _: str) -> None:
    shop.clock.advance(days=200)


@pytest.mark.parametrize(
    ("work", "taken", "kept"),
    [(has_spent, 40, 60), (has_set_aside, 40, 60), (has_let_expire, 0, 100)],
)
def test_what_is_not_there_any_more_is_told_and_left(
    till: Till, work: Callable[[Shop, str], None], taken: int, kept: int
) -> None:
    balances(till, ("7", "100", "2026-06-30"))
    shop = Shop(till.database, till.clock)
    [account] = till.stored("accounts")
    work(shop, account["_id"])
    undone = undo_latest(till)
    assert (undone["points"], undone["kept"], undone["owed"]) == (taken, kept, 0)
    [account] = till.stored("accounts")
    assert account.get("debt", 0) == 0
    assert account["available"] >= 0
    assert shop.differences() == []


def test_points_that_were_earned_stay(till: Till) -> None:
    balances(till, ("7", "100", "2026-06-30"))
    shop = Shop(till.database, till.clock)
    [account] = till.stored("accounts")
    shop.settlement.settle_order(shop.paid(account["_id"]).id)
    earned = shop.account(account["_id"])["available"] - 100
    assert earned > 0
    assert undo_latest(till)["points"] == 100
    assert shop.account(account["_id"])["available"] == earned
    assert till.numbers() == {"7"}  # Who has something else stays.
    assert shop.differences() == []


def test_a_merged_members_balance_goes_back_from_who_they_are_now(till: Till) -> None:
    balances(till, ("7", "100", "2026-06-30", *GOLD))
    shop = Shop(till.database, till.clock)
    [account] = till.stored("accounts")
    other = shop.register("other")
    merged(till.database, till.clock, account["_id"], other)
    assert shop.account(other)["tier"]["level"] == "gold"
    undone = undo_latest(till)
    assert (undone["points"], undone["tiers"], undone["members"]) == (100, 1, 0)
    assert shop.account(other)["available"] == 0
    assert shop.account(other)["tier"]["level"] == "basic"
    assert shop.differences() == []


@pytest.mark.parametrize("days", [0, 120])
def test_a_tier_goes_back_to_what_orders_give(till: Till, days: int) -> None:
    """Also after the base has moved, which then no longer has the promise as it came in."""
    till.orders(till.write([["7", "2024-12-01", "1", "A1"], ["7", "2026-02-20", "600", "A2"]]))
    earned = level(till)
    balances(till, ("7", "100", "", *GOLD))
    assert (earned, level(till)) == ("silver", "gold")
    till.clock.advance(days=days)
    [account] = till.stored("accounts")
    Tiers(till.database, till.clock).evaluate_member(account["_id"])
    assert level(till) == "gold"
    [told] = [one for one in till.imports() if one["kind"] == "balances"]
    assert till.undo(told["import_id"])["tiers"] == 1
    assert level(till) == earned
    Tiers(till.database, till.clock).evaluate_member(account["_id"])
    assert level(till) == earned
    assert till.differences() == []


def test_another_imports_tier_stays(till: Till) -> None:
    balances(till, ("7", "100", "", *GOLD))
    path = till.write([("7", "30", "", "白银", "2026-11-30")], COLUMNS)
    till.balances(path, "--source", "other", columns=MAP)
    [first] = [one for one in till.imports() if one["points"] == 100]
    till.undo(first["import_id"])
    assert level(till) == "silver"
    [account] = till.stored("accounts")
    assert account["available"] == 30


# --- races ------------------------------------------------------------------------------------


def bring(chain: Database, clock: FakeClock, import_id: str, count: int = 20) -> None:
    for start in range(2):
        rows = [
            {
                "line": n + 1,
                "id": f"{start}-{n}",
                "member": f"{start}-{n}",
                "lots": [{"points": 100}],
                **TIER,
            }
            for n in range(count)
        ]
        request = {"source": "crm", "rows": rows, "import_id": import_id}
        Balances(chain, clock, "huitou").run(ImportBalancesRequest.model_validate(request))


def undo_all(chain: Database, clock: FakeClock, import_id: str) -> list[UndoAnswer]:
    answers = []
    while True:
        undo = ImportUndo(chain, clock, "huitou")
        answers.append(undo.undo_batch(UndoRequest(import_id=import_id)))
        if not answers[-1].rest:
            return answers


def test_two_that_undo_at_once_take_each_balance_back_once(
    chain: Database, clock: FakeClock
) -> None:
    bring(chain, clock, "i-race-0001")
    undo = [lambda: undo_all(chain, clock, "i-race-0001")] * 3
    told = [answer for answers in at_once(undo) for answer in answers]
    assert sum(answer.balances for answer in told) == 40
    assert sum(answer.points for answer in told) == 4_000
    assert sum(answer.tiers for answer in told) == 40
    assert sum(answer.members for answer in told) == 40
    assert {one["available"] for one in chain.collection("accounts").find({})} == {0}
    assert Shop(chain, clock).differences() == []


def test_an_undo_and_spending_at_once_give_each_point_out_once(
    chain: Database, clock: FakeClock
) -> None:
    bring(chain, clock, "i-race-0002", count=2)
    shop = Shop(chain, clock)
    [member_id, *_] = [one["_id"] for one in chain.collection("accounts").find({}).sort("_id", 1)]

    def spending() -> int:
        return int(shop.order(member_id, points=60).points_used)

    told, _ = at_once([lambda: undo_all(chain, clock, "i-race-0002"), spending])
    kept = sum(answer.kept for answer in told)
    account = shop.account(member_id)
    assert (kept, account["available"], account["reserved"]) in [(60, 0, 60), (0, 0, 0)]
    assert shop.differences() == []


def test_a_tier_whose_balance_was_taken_back_in_between_stays_out(
    chain: Database, clock: FakeClock
) -> None:
    rows = [{"line": 1, "id": "7", "member": "7", "lots": [{"points": 5}], **TIER}]
    request = ImportBalancesRequest.model_validate(
        {"source": "crm", "rows": rows, "import_id": "i-race-0003"}
    )
    importing = Balances(chain, clock, "huitou")
    batch = chain.transact(lambda session: importing._write(request, session))
    [(member_id, tier)] = batch.tiers.items()
    undo_batch = ImportUndo(chain, clock, "huitou").undo_batch
    undo_batch(UndoRequest(import_id="i-race-0003"))
    assert importing._bring_in(member_id, tier, batch.note_id) == 0
    assert "tier" not in Shop(chain, clock).account(member_id)


def test_an_import_and_its_undo_at_once_leave_no_tier_without_its_balance(
    chain: Database, clock: FakeClock
) -> None:
    brought = threading.Event()

    def importing() -> None:
        bring(chain, clock, "i-race-0004")
        brought.set()

    def undoing() -> None:
        while not brought.is_set():
            if chain.collection("import_batches").find_one({"import_id": "i-race-0004"}):
                undo_all(chain, clock, "i-race-0004")

    at_once([importing, undoing])
    undo_all(chain, clock, "i-race-0004")
    accounts = list(chain.collection("accounts").find({}))
    assert {one["available"] for one in accounts} == {0}
    assert {one.get("tier", {}).get("level", "basic") for one in accounts} == {"basic"}
    assert Shop(chain, clock).differences() == []


def test_the_day_of_the_undo_is_the_day_of_the_balance(till: Till) -> None:
    """As if it had never been: the figures of both days stay as they were without it."""
    balances(till, ("7", "100", "2026-06-30"))
    till.clock.advance(days=3)
    undo_latest(till)
    for day in ("2026-03-02", "2026-03-05"):
        assert figures(till, day)["points_burn_rate"] is None
