"""Points set aside without an order are used once or given back once, never both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.loyalty.holds.errors import HoldErrors
from huitou.loyalty.holds.models import Hold
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.points.models import NEVER, LotMove
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


@pytest.fixture
def holds(shop: Shop) -> Holds:
    return Holds(shop.database, shop.clock)


def with_points(shop: Shop, *lots: tuple[str, int], name: str = "alice") -> str:
    """Register a member with these lots."""
    member_id = shop.register(name)
    points = Points(shop.database, shop.clock)

    def write(session: Any) -> None:
        book = points.open_book(member_id, session)
        now = shop.clock.now()
        origin = EntryOrigin(
            cause=f"test:{name}", at=now, business_day="2026-03-02", rules_revision=1
        )
        book.migrate(origin, [LotMove(expires_on=day, points=count) for day, count in lots])
        points.save_books([book], session)

    shop.database.transact(write)
    return member_id


def spent(shop: Shop, member_id: str) -> list[int]:
    entries = shop.database.collection("points_entries").find({"member_id": member_id})
    return [-entry["points"] for entry in entries if entry["kind"] == "use"]


def points_of(shop: Shop, member_id: str) -> tuple[int, int]:
    account = shop.account(member_id)
    assert shop.differences() == []
    return account["available"], account["reserved"]


def let_hold_expire(shop: Shop, hold_id: str) -> None:
    """Set a hold's end to the past: it is real time, which a test can't move."""
    shop.database.collection("points_holds").update_one(
        {"_id": hold_id}, {"$set": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}}
    )


def test_repeated_calls_use_held_points_once(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, ("2026-12-31", 30), (NEVER, 100))
    for _ in range(2):
        hold = holds.hold_points(alice, "game:1", 50, "game")
        assert hold.status == "held"
        assert [(lot.expires_on, lot.points) for lot in hold.drawn] == [
            ("2026-12-31", 30),
            (NEVER, 20),
        ]
        assert points_of(shop, alice) == (80, 50)
    for _ in range(2):
        assert holds.commit_points("game:1").status == "used"
        assert points_of(shop, alice) == (80, 0)
    assert holds.hold_points(alice, "game:1", 50, "game").status == "used"
    assert spent(shop, alice) == [50]
    with pytest.raises(Refusal) as refused:
        holds.release_points("game:1")
    assert refused.value.code is HoldErrors.HOLD_USED


def test_released_points_return_to_their_lots_and_can_no_longer_be_used_by_the_hold(
    shop: Shop, holds: Holds
) -> None:
    alice = with_points(shop, ("2026-12-31", 30), (NEVER, 100))
    before = shop.account(alice)["lots"]
    holds.hold_points(alice, "game:1", 50, "game")
    for _ in range(2):
        assert holds.release_points("game:1").status == "released"
        assert points_of(shop, alice) == (130, 0)
    assert shop.account(alice)["lots"] == before
    with pytest.raises(Refusal) as refused:
        holds.commit_points("game:1")
    assert (refused.value.code, refused.value.field) == (HoldErrors.HOLD_RELEASED, "hold_id")
    assert spent(shop, alice) == []


def test_a_hold_id_is_refused_for_another_member_amount_or_purpose(
    shop: Shop, holds: Holds
) -> None:
    alice, bob = with_points(shop, (NEVER, 100)), with_points(shop, (NEVER, 100), name="bob")
    holds.hold_points(alice, "game:1", 50, "game")
    for who, points in ((bob, 50), (alice, 51)):
        with pytest.raises(Refusal) as refused:
            holds.hold_points(who, "game:1", points, "game")
        assert refused.value.code is HoldErrors.HOLD_ID_REUSED
    with pytest.raises(Refusal, match="INVALID_REQUEST"):
        holds.hold_points(alice, "game:1", 50, "mall")
    with pytest.raises(Refusal, match="POINTS_NOT_ENOUGH"):
        holds.hold_points(alice, "game:2", 51, "game")
    for unknown in (holds.commit_points, holds.release_points):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            unknown("game:3")
    assert points_of(shop, alice) == (50, 50)
    assert points_of(shop, bob) == (100, 0)


def test_points_that_expired_while_they_were_held_expire_when_they_come_back(
    shop: Shop, holds: Holds, clock: FakeClock
) -> None:
    alice = with_points(shop, ("2026-03-10", 30), (NEVER, 100))
    holds.hold_points(alice, "game:1", 50, "game")
    clock.advance(days=20)
    holds.release_points("game:1")
    assert points_of(shop, alice) == (100, 0)


def test_the_timer_releases_only_holds_whose_time_is_over(
    shop: Shop, holds: Holds, clock: FakeClock
) -> None:
    alice = with_points(shop, (NEVER, 100))
    for number in (1, 2, 3):
        holds.hold_points(alice, f"game:{number}", 10, "game")
    holds.commit_points("game:2")
    clock.advance(days=2)  # Business time doesn't count.
    assert list(holds.due_holds()) == []
    let_hold_expire(shop, "game:1")
    let_hold_expire(shop, "game:2")
    assert list(holds.due_holds()) == ["game:1"]
    assert [holds.release_due_hold(due) for due in list(holds.due_holds())] == ["released"]
    assert holds.release_due_hold("game:2") == "used"
    assert list(holds.due_holds()) == []
    assert points_of(shop, alice) == (80, 10)


def test_a_late_caller_may_use_points_that_are_still_held(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, (NEVER, 100))
    holds.hold_points(alice, "game:1", 10, "game")
    let_hold_expire(shop, "game:1")
    assert holds.commit_points("game:1").status == "used"
    assert points_of(shop, alice) == (90, 0)


def test_a_failing_caller_transaction_undoes_the_use_of_points(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, (NEVER, 100))
    holds.hold_points(alice, "game:1", 10, "game")

    def play(session: Any) -> None:
        holds.commit_points("game:1", session)
        raise Refusal(Code.NOT_FOUND)

    with pytest.raises(Refusal):
        shop.database.transact(play)
    assert points_of(shop, alice) == (90, 10)
    held = holds.find_hold("game:1")
    assert held is not None
    assert held.status == "held"


def test_if_points_are_used_and_released_at_once_only_one_happens(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, (NEVER, 100))
    for number in range(6):
        name = f"game:{number}"
        holds.hold_points(alice, name, 1, "game")
        work = [lambda n=name: holds.commit_points(n), lambda n=name: holds.release_points(n)] * 2
        statuses = {hold.status for hold in winners(at_once(work))}
        found = holds.find_hold(name)
        assert found is not None
        assert statuses == {found.status}
    used = spent(shop, alice)
    assert points_of(shop, alice) == (100 - len(used), 0)


def test_only_one_of_several_holds_for_the_same_points_succeeds(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, (NEVER, 100))
    results = at_once(
        [lambda n=number: holds.hold_points(alice, f"game:{n}", 60, "game") for number in range(4)]
    )
    assert len(winners(results)) == 1
    assert points_of(shop, alice) == (40, 60)


def test_simultaneous_calls_with_one_hold_id_make_one_hold(shop: Shop, holds: Holds) -> None:
    alice = with_points(shop, (NEVER, 100))
    results = at_once([lambda: holds.hold_points(alice, "game:1", 60, "game")] * 4)
    assert all(isinstance(hold, Hold) for hold in results)
    assert points_of(shop, alice) == (40, 60)
    results = at_once([lambda: holds.commit_points("game:1")] * 4)
    assert {hold.status for hold in results} == {"used"}
    assert spent(shop, alice) == [60]
    assert points_of(shop, alice) == (40, 0)
