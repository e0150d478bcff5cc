"""Members whom an undone import registered go if they have nothing else, and stay otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from huitou.loyalty.adjustments.models import AdjustPointsRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.erasures.keeping import SOMEBODY
from huitou.operations.imports.models import ImportOrdersRequest
from huitou.operations.imports.service import OrderImport
from huitou.operations.imports.undo_models import UndoRequest
from huitou.operations.imports.undo_service import ImportUndo
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from till_files import Till, figures, rows_of
from whole_life import KEY, Numbers

WHEN = "2026-01-10 12:30:15"


def undo_first(till: Till) -> tuple[int, int]:
    """Take the oldest import back; returns how many of its members went and stayed."""
    undone = till.undo(sorted(till.imports(), key=lambda one: one["at"])[0]["import_id"])
    return undone["members"], undone["members_stay"]


def test_who_has_nothing_else_goes_and_the_number_is_free_again(till: Till) -> None:
    path = till.write([["7", WHEN, "100", "A1"], ["8", WHEN, "0", "A2"]])
    till.orders(path)
    before = {one["_id"] for one in till.stored("members")}
    assert new_members(till) == 2
    assert undo_first(till) == (2, 0)
    assert till.numbers() == set()
    assert new_members(till) == 0
    for one in till.stored("members"):
        assert one["erased_at"]
    assert {one["_id"] for one in till.stored("erasures")} == before
    assert till.orders(path)["members"] == 2
    assert till.numbers() == {"7", "8"}
    assert {
        one["_id"] for one in till.stored("members") if "erased_at" not in one
    } & before == set()
    assert new_members(till) == 2
    assert till.differences() == []


def new_members(till: Till) -> int:
    figures(till, "2026-01-10")
    of_all = [day for day in till.stored("kpi_days") if not day["store_id"] and not day["channel"]]
    return sum(day.get("new_members", 0) for day in of_all)


def _live_order(shop: Shop, member_id: str) -> None:
    shop.paid(member_id)


def _points(shop: Shop, member_id: str) -> None:
    request = AdjustPointsRequest(
        adjustment_id="adjust-1",
        member_id=member_id,
        points=5,
        reason="补",
        actor="ann",
        role="manager",
    )
    Adjustments(shop.database, shop.clock).ask_for_adjustment(request)


def _points_given_and_taken(shop: Shop, member_id: str) -> None:
    _points(shop, member_id)
    request = AdjustPointsRequest(
        adjustment_id="adjust-2",
        member_id=member_id,
        points=-5,
        reason="错",
        actor="ann",
        role="manager",
    )
    Adjustments(shop.database, shop.clock).ask_for_adjustment(request)


def _wechat(shop: Shop, member_id: str) -> None:
    identity = {"_id": "wx:app:somebody", "schema": 1, "member_id": member_id}
    shop.database.collection("identities").insert_one(identity)


def _phone(shop: Shop, member_id: str) -> None:
    shop.members.bind_phone(member_id, "code", Numbers(), KEY)


def _name(shop: Shop, member_id: str) -> None:
    shop.members.update_profile(member_id, UpdateProfileRequest(nickname="小七"))


def _consent(shop: Shop, member_id: str) -> None:
    request = ConsentRequest(purpose="marketing", given=False, text_version="v1")
    Consents(shop.database, shop.clock).record_consent(member_id, request)


@pytest.mark.parametrize(
    "something",
    [_live_order, _points, _points_given_and_taken, _wechat, _phone, _name, _consent],
)
def test_who_has_something_else_stays(till: Till, something: Callable[[Shop, str], None]) -> None:
    till.orders(till.write([["7", WHEN, "100", "A1"], ["8", WHEN, "100", "A2"]]))
    shop = Shop(till.database, till.clock)
    identity = till.database.collection("identities").find_one({"_id": "till:7"})
    assert identity
    something(shop, identity["member_id"])
    assert undo_first(till) == (1, 1)
    assert till.numbers() & {"7", "8"} == {"7"}
    member = till.database.collection("members").find_one({"_id": identity["member_id"]})
    assert member
    assert "erased_at" not in member
    assert shop.differences() == []


@pytest.mark.parametrize("name", SOMEBODY)
def test_a_document_that_only_somebody_has_keeps_its_member(till: Till, name: str) -> None:
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    [member] = till.stored("members")
    # Only the field by which it is found matters here, so the validator is left out.
    till.database.mongo[name].insert_one(
        {"_id": "one", "schema": 1, "member_id": member["_id"]}, bypass_document_validation=True
    )
    assert undo_first(till) == (0, 1)


def test_who_has_orders_of_two_imports_goes_with_the_last(till: Till) -> None:
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    till.clock.advance(days=1)
    till.orders(till.write([["7", WHEN, "100", "A1"], ["7", WHEN, "50", "A2"]]))
    later, first = till.imports()
    assert till.undo(first["import_id"])["members_stay"] == 1
    assert till.numbers() == {"7"}
    assert till.undo(later["import_id"])["members"] == 1
    assert till.numbers() == set()


def test_a_member_of_an_import_that_is_in_stays_though_they_have_nothing(till: Till) -> None:
    columns = "member=会员号,points=积分"
    till.balances(till.write([["7", "0"]], ("会员号", "积分")), columns=columns)
    till.clock.advance(days=1)
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    till.undo(till.imports()[0]["import_id"])
    assert till.numbers() == {"7"}


def test_a_member_who_registered_by_themselves_stays(till: Till) -> None:
    shop = Shop(till.database, till.clock)
    member_id = shop.register("alice")
    identity = {"_id": "till:7", "schema": 1, "member_id": member_id}
    till.database.collection("identities").insert_one(identity)
    till.orders(till.write([["7", WHEN, "100", "A1"]]))
    assert undo_first(till) == (0, 0)
    assert "till:7" in {one["_id"] for one in till.stored("identities")}


def test_an_undo_and_an_import_at_once_leave_no_order_with_a_member_who_is_gone(
    chain: Database, clock: FakeClock
) -> None:
    """With orders of ¥0 too, which earn nothing."""
    run = OrderImport(chain, clock, "huitou").run
    for n in range(4):
        first = [row.model_copy(update={"amount_fen": 0}) for row in rows_of(2 * n)]
        other = [row.model_copy(update={"amount_fen": 0}) for row in rows_of(2 * n + 1)]
        run(ImportOrdersRequest(rows=first, import_id=f"i-race-000{n}"))
        undo = UndoRequest(import_id=f"i-race-000{n}")
        ImportUndo(chain, clock, "huitou").undo_batch(undo)
        at_once(
            [
                lambda undo=undo: ImportUndo(chain, clock, "huitou").undo_batch(undo),
                lambda other=other: run(ImportOrdersRequest(rows=other)),
            ]
        )
        gone = [one["_id"] for one in chain.collection("erasures").find({"_id": {"$gt": ""}})]
        left = chain.collection("orders").count_documents(
            {"member_id": {"$in": gone}, "undone_by": None}
        )
        assert left == 0
        assert chain.collection("orders").count_documents({"undone_by": None, "_id": {"$gt": ""}})


def test_an_undo_and_a_phone_at_once_leave_no_phone_with_a_member_who_is_gone(
    chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    for n in range(4):
        rows = rows_of(n)[:1]
        request = ImportOrdersRequest(rows=rows, import_id=f"i-race-000{n}")
        OrderImport(chain, clock, "huitou").run(request)
        undo = UndoRequest(import_id=f"i-race-000{n}")
        ImportUndo(chain, clock, "huitou").undo_batch(undo)
        identity = chain.collection("identities").find_one({"_id": f"till:{rows[0].member}"})
        assert identity
        member_id = identity["member_id"]
        _, bound = at_once(
            [
                lambda undo=undo: ImportUndo(chain, clock, "huitou").undo_batch(undo),
                lambda member_id=member_id: _phone(shop, member_id),
            ]
        )
        member = chain.collection("members").find_one({"_id": member_id})
        assert member
        assert isinstance(bound, Refusal) == ("erased_at" in member)
        named = chain.collection("identities").count_documents({"member_id": member_id})
        assert named == (0 if "erased_at" in member else 2)
        for name in ("identities", "members"):
            chain.collection(name).delete_many({"_id": {"$gt": ""}})
