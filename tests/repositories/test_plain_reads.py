"""Plain reads answer alike on MongoDB and on mongomock: order, pages, and what is on the edge."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cli.bench.orders import paid_order
from huitou.catalog.menu.repository import MenuRepository
from huitou.catalog.stores.repository import StoreRepository
from huitou.growth.geofence.repository import GeofenceRepository
from huitou.loyalty.notices.models import Notice
from huitou.loyalty.notices.repository import NoticeRepository
from huitou.loyalty.points.models import Account
from huitou.marketing.audiences.repository import AudienceRepository
from huitou.members.consents.models import Consent
from huitou.members.consents.repository import ConsentRepository
from huitou.members.messaging.repository import MessageRepository
from huitou.operations.audit_log.models import Change, ChangesRequest
from huitou.operations.audit_log.repository import ChangeRepository
from huitou.operations.console.lookup_models import FindOrdersRequest
from huitou.operations.console.lookup_repository import LookupRepository
from huitou.payments.discrepancies.models import Discrepancy
from huitou.payments.discrepancies.repository import DiscrepancyRepository
from huitou.promotions.offers.repository import OfferRepository
from huitou.runtime.database import Database
from huitou.runtime.paging import PageRequest

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def test_stores_come_by_id(sold: Database) -> None:
    stores = StoreRepository(sold)
    ids = stores.ids(None, 10)
    assert ids == ["jingan", "wujiaochang", "xujiahui"]
    assert [store.id for store in stores.all("huitou")] == ids
    assert stores.ids("jingan", 1) == ["wujiaochang"]
    assert stores.ids("xujiahui", 10) == []
    assert stores.all("nobody") == []
    assert stores.names().keys() == stores.zones().keys() == set(ids)
    assert stores.fresh("jingan") == stores.find("jingan")
    assert stores.fresh("nowhere") is None


def test_guests_see_what_is_listed_and_staff_the_rest(sold: Database) -> None:
    rows = sold.collection("store_dishes")
    rows.update_one({"_id": "jingan:milk-tea"}, {"$set": {"listed": False}})
    menu = MenuRepository(sold)
    every = [dish.dish_id for dish in menu.every_dish_at("jingan")]
    assert "milk-tea" in every
    assert every == sorted(every)
    listed = [dish.dish_id for dish in menu.offered_at("jingan")]
    assert listed == [dish for dish in every if dish != "milk-tea"]
    assert menu.offered_at("nowhere") == []


def test_dishes_sold_out_are_counted_up_to_a_limit(sold: Database) -> None:
    menu = MenuRepository(sold)
    assert menu.sold_out([], 9) == 0
    for name in ("jingan:milk-tea", "jingan:dandan", "wujiaochang:milk-tea"):
        sold.collection("store_dishes").update_one({"_id": name}, {"$set": {"sold_out": True}})
    assert menu.sold_out([], 9) == 3
    assert menu.sold_out([], 2) == 2
    assert menu.sold_out(["wujiaochang", "xujiahui"], 9) == 1


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
def test_pages_of_changes_have_each_once_newest_first(readable: Database, limit: int) -> None:
    changes = ChangeRepository(readable)
    for number in range(12):  # Three of each moment: there the id decides.
        changes.insert(
            Change(
                id=f"c{number:02}",
                at=NOON + timedelta(milliseconds=number // 3),
                staff_id="li",
                role="owner",
                route="stores/set",
                target="jingan" if number % 2 else "wujiaochang",
            )
        )
    found, after = [], None
    while True:
        page, after = changes.page(ChangesRequest(target="jingan", limit=limit, after=after))
        found += [change.id for change in page]
        assert len(page) == limit or after is None
        if after is None:
            break
    assert found == ["c11", "c09", "c07", "c05", "c03", "c01"]


def test_a_cursor_in_another_zone_is_the_same_moment(readable: Database) -> None:
    notices = NoticeRepository(readable)
    for number in range(3):
        at = NOON + timedelta(minutes=number)
        notices.put(Notice(id=f"n{number}", member_id="m", kind="tier-keep", for_day="x", at=at))
    notices.put(Notice(id="other", member_id="m2", kind="tier-keep", for_day="x", at=NOON))
    page, after = notices.of_member("m", PageRequest(limit=1))
    assert [notice.id for notice in page] == ["n2"]
    assert after == "2026-03-02T04:02:00+00:00|n2"
    rest, end = notices.of_member("m", PageRequest(after="2026-03-02T12:02:00+08:00|n2"))
    assert ([notice.id for notice in rest], end) == (["n1", "n0"], None)


def test_an_offer_is_in_force_on_its_last_day(sold: Database) -> None:
    offers = OfferRepository(sold)
    [one, *others] = [offer.id for offer in offers.in_force(date(2026, 3, 2))]
    sold.collection("offers").update_one({"_id": one}, {"$set": {"valid_until": "2026-03-02"}})
    assert [offer.id for offer in offers.in_force(date(2026, 3, 2))] == [one, *others]
    assert [offer.id for offer in offers.in_force(date(2026, 3, 3))] == others


def test_only_messages_that_are_left_are_told(readable: Database) -> None:
    readable.collection("subscriptions").insert_many(
        [
            {
                "_id": f"ann|{name}",
                "schema": 1,
                "member_id": "ann",
                "template_id": name,
                "left": left,
            }
            for name, left in (("x", 0), ("y", 2))
        ]
    )
    messages = MessageRepository(readable)
    assert messages.left(["ann", "bob"], ["x", "y"]) == {"ann|y": 2}
    assert [row.template_id for row in messages.of_member("ann")] == ["x", "y"]
    assert messages.of_member("bob") == []


def test_the_last_decision_of_each_purpose_comes_last(readable: Database) -> None:
    consents = ConsentRepository(readable)
    for n in (3, 1, 2):
        for member_id in ("bob", "ann"):
            said = Consent(
                id=f"{member_id}:marketing:{n}",
                member_id=member_id,
                purpose="marketing",
                n=n,
                given=n == 2,
                text_version="1",
                at=NOON,
            )
            readable.collection("consents").insert_one(said.document())
    wanted = [(name, "marketing", n == 2) for name in ("ann", "bob") for n in (1, 2, 3)]
    assert consents.held(["bob", "ann"]) == wanted
    assert consents.held([]) == []


def test_tier_and_points_have_defaults_where_nothing_is_stored(readable: Database) -> None:
    readable.collection("accounts").insert_many(
        [
            Account(id="ann", available=5).document() | {"tier": {"level": "gold"}},
            Account(id="bob", available=0).document(),
        ]
    )
    found = AudienceRepository(readable).standings(["ann", "bob", "nobody"])
    assert {name: tuple(standing) for name, standing in found.items()} == {
        "ann": ("gold", 5),
        "bob": ("basic", 0),
    }


def test_arrivals_are_those_of_the_day(readable: Database) -> None:
    readable.collection("arrivals").insert_many(
        [
            {"_id": day, "member_id": "ann", "day": day, "store_id": f"on {day}"}
            for day in ("2026-03-01", "2026-03-02")
        ]
    )
    fences = GeofenceRepository(readable)
    assert fences.arrived("ann", "2026-03-02") == ["on 2026-03-02"]
    assert fences.arrived("bob", "2026-03-02") == []
    assert fences.position("ann") is None


def test_orders_are_found_by_store_day_and_number(readable: Database) -> None:
    for number in range(4):
        readable.collection("orders").insert_one(
            paid_order(f"o{number}", "ann")
            | {
                "store_id": "jingan" if number else "wujiaochang",
                "business_day": "2026-03-02",
                "pickup_number": number,
                "created_at": NOON + timedelta(minutes=number),
            }
        )
    lookups = LookupRepository(readable)
    day = FindOrdersRequest.model_validate_json('{"store_id": "jingan", "day": "2026-03-02"}')
    assert [order.id for order in lookups.orders(day)[0]] == ["o3", "o2", "o1"]
    one = day.model_copy(update={"pickup_number": 2})
    assert [order.id for order in lookups.orders(one)[0]] == ["o2"]
    assert lookups.order("o0") is not None
    assert lookups.order("o9") is None


def test_discrepancies_are_listed_by_status_and_day(readable: Database) -> None:
    for number in range(6):
        readable.collection("discrepancies").insert_one(
            Discrepancy(
                id=f"lost|{number}",
                source="bill",
                kind="lost",
                reference=str(number),
                day=f"2026-03-0{number % 2 + 1}",
                status="resolved" if number == 5 else "open",
                first_at=NOON,
                last_at=NOON + timedelta(seconds=number),
            ).document()
        )
    found = DiscrepancyRepository(readable)
    rows, after = found.page(["open"], "2026-03-02", PageRequest(limit=1))
    assert [row.reference for row in rows] == ["3"]
    rest, end = found.page(["open"], "2026-03-02", PageRequest(after=after))
    assert ([row.reference for row in rest], end) == (["1"], None)
    both, _ = found.page(["open", "resolved"], None, PageRequest())
    assert [row.reference for row in both] == ["5", "4", "3", "2", "1", "0"]
    assert found.count_open("2026-03-02") == 2
