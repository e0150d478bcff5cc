"""An exchange in the points mall; the instance dies at each of its steps in turn."""

from __future__ import annotations

from typing import Any

import pytest

from chain_data import FakeClock, Shop
from crashing import Crash, CrashingDatabase, Faults
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.rewards.service import Mall
from huitou.runtime.database import Database
from services.loyalty.test_holds import let_hold_expire, points_of, spent, with_points
from services.loyalty.test_mall import FIVE, coupons, offer, taken, wanted

KEPT = ("accounts", "coupons", "mall_exchanges", "mall_stock", "points_entries", "points_holds")


class Exchanged:
    """One exchange by instances that may die; `steps` are the steps of the first instance."""

    def __init__(self, shop: Shop, at: int) -> None:
        for name in (*KEPT, "members", "identities", "logins"):
            shop.database.collection(name).delete_many({})
        offer(shop, FIVE | {"per_member": 2})
        shop.database.collection("mall_stock").update_one({"_id": "five"}, {"$set": {"taken": 0}})
        self.shop = shop
        self.alice = with_points(shop, ("2026-12-31", 60), ("2099-12-31", 200))
        faults = Faults()
        faults.arm(at)
        self.died = False
        try:
            Mall(CrashingDatabase(shop.database, faults), shop.clock).exchange_points(
                self.alice, wanted(1)
            )
        except Crash:
            self.died = True
        self.steps = faults.taken

    def state(self) -> tuple[Any, ...]:
        """Return points, use, coupons and stock, which must agree."""
        holds = self.shop.database.collection("points_holds").find({"member_id": self.alice})
        return (
            points_of(self.shop, self.alice),
            spent(self.shop, self.alice),
            len(coupons(self.shop)),
            taken(self.shop),
            [hold["status"] for hold in holds],
        )


DONE = ((160, 0), [100], 1, 1, ["used"])
HELD = ((160, 100), [], 0, 0, ["held"])
UNTOUCHED = ((260, 0), [], 0, 0, [])
GIVEN_BACK = ((260, 0), [], 0, 0, ["released"])


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.mark.slow
def test_a_crash_anywhere_in_an_exchange_loses_neither_points_nor_stock(shop: Shop) -> None:
    steps = Exchanged(shop, 0).steps
    assert len(steps) >= 20
    seen = set()
    for number, step in enumerate(steps, 1):
        for again in (True, False):
            life = Exchanged(shop, number)
            assert (life.died, life.steps[-1]) == (True, step)
            left = life.state()
            assert left in (DONE, HELD, UNTOUCHED), f"died at {number}, {step}: {left}"
            seen.add(str(left))
            if again:
                Mall(shop.database, shop.clock).exchange_points(life.alice, wanted(1))
                assert life.state() == DONE, f"died at {number}, {step}"
                continue
            let_hold_expire(shop, f"mall:{life.alice}:exchange-1")
            holds = Holds(shop.database, shop.clock)
            for due in list(holds.due_holds()):
                holds.release_due_hold(due)
            expected = GIVEN_BACK if left == HELD else left
            assert life.state() == expected, f"died at {number}, {step}"
    assert len(seen) == 3
