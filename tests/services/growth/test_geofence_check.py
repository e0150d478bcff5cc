"""Stores nearby: what is shown, what an arrival brings and how often, and what is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop
from huitou.growth.geofence.models import ArrivalRules, NearAnswer, PositionRequest
from huitou.growth.geofence.service import Geofence
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

JINGAN = {"lat": 31.2243, "lng": 121.4468}  # Open round the clock.
XUJIAHUI = {"lat": 31.1957, "lng": 121.4376}  # 09:30 to 22:30.
RULES = ArrivalRules.model_validate({"offers": [{"template_id": "mall-10-3"}]})


class Street:
    """A member with a phone in front of the sample chain's stores."""

    def __init__(self, chain: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.shop = chain, clock, Shop(chain, clock)
        self.geofence = Geofence(chain, clock, "huitou")
        Maintenance(chain, clock).load_chain(LoadRequest(arrival_rules=RULES))
        self.member = self.shop.register("ann")
        for purpose in ("marketing", "precise_location"):
            self.consent(purpose, given=True)

    def consent(self, purpose: Any, *, given: bool) -> None:
        request = ConsentRequest(purpose=purpose, given=given, text_version="1")
        Consents(self.database, self.clock).record_consent(self.member, request)

    def check(self, place: dict[str, float] = JINGAN, **changes: Any) -> NearAnswer:
        fix = {"system": "GCJ-02", "accuracy_m": 20, "at": self.clock.now()} | place | changes
        return self.geofence.check_position(self.member, PositionRequest.model_validate(fix))

    def coupons(self) -> int:
        return self.database.collection("coupons").count_documents({"member_id": self.member})


@pytest.fixture
def street(chain: Database, clock: FakeClock) -> Street:
    return Street(chain, clock)


def test_an_arrival_brings_its_coupon_once_a_day(street: Street) -> None:
    first = street.check()
    assert [(s.store_id, s.open, s.distance_m) for s in first.stores] == [("jingan", True, 0)]
    assert [c.name for c in first.coupons] == ["积分兑换券 满10减3"]
    street.clock.advance(minutes=10)
    assert street.check().coupons == []
    street.clock.advance(days=1)
    assert len(street.check().coupons) == 1
    assert street.coupons() == 2


def test_the_day_ends_at_the_stores_cut_time(street: Street) -> None:
    street.clock.advance(hours=11, minutes=30)  # 23:30
    street.check()
    street.clock.advance(hours=4)  # 03:30: the same business day.
    assert street.check().coupons == []
    street.clock.advance(hours=1)
    assert len(street.check().coupons) == 1


def test_many_calls_at_once_bring_one_coupon(street: Street) -> None:
    def call(number: int) -> None:
        street.check(at=street.clock.now() + timedelta(milliseconds=number))

    at_once([lambda n=number: call(n) for number in range(12)])  # type: ignore[misc]
    assert street.coupons() == 1
    assert (
        street.database.collection("arrivals").count_documents(
            {"member_id": street.member, "day": "2026-03-02"}
        )
        == 1
    )


def test_if_a_call_is_killed_the_next_one_issues_the_coupon(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huitou.coupons.issuing.service import Coupons

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Coupons, "issue_coupon", killed)
        with pytest.raises(KeyboardInterrupt):
            street.check()
    street.clock.advance(minutes=1)
    assert len(street.check().coupons) == 1


def test_a_closed_store_tells_when_it_opens_and_brings_no_coupon(street: Street) -> None:
    street.clock.advance(hours=-4)  # 08:00
    answer = street.check(XUJIAHUI)
    (store,) = answer.stores
    assert (store.store_id, store.open) == ("xujiahui", False)
    assert store.opens_at is not None
    assert store.opens_at.isoformat() == "2026-03-02T09:30:00+08:00"
    assert answer.coupons == []
    assert answer.what == "附近门店未营业"


def test_an_inexact_position_shows_stores_and_brings_no_coupon(street: Street) -> None:
    answer = street.check(accuracy_m=251)
    assert [store.store_id for store in answer.stores] == ["jingan"]
    assert (answer.precise, answer.coupons) == (False, [])
    assert "定位不够精确" in answer.what


def test_the_coordinate_system_of_a_position_is_respected(street: Street) -> None:
    assert street.check(system="BD-09").stores == []
    street.clock.advance(minutes=5)
    assert len(street.check({"lat": 31.23027, "lng": 121.45325}, system="BD-09").stores) == 1


def test_without_consent_a_position_is_refused_and_offers_are_not_made(street: Street) -> None:
    street.check()
    street.consent("precise_location", given=False)
    with pytest.raises(Refusal, match="LOCATION_CONSENT_REQUIRED"):
        street.check()
    street.consent("precise_location", given=True)
    street.consent("marketing", given=False)
    street.clock.advance(days=1)
    answer = street.check()
    assert answer.coupons == []
    assert [store.store_id for store in answer.stores] == ["jingan"]


def test_only_a_coarse_cell_and_the_store_and_day_of_an_arrival_are_stored(street: Street) -> None:
    street.check()
    (position,) = street.database.collection("positions").find({"_id": street.member})
    assert {*position} == {"_id", "schema", "cell", "at", "delete_at"}
    assert position["cell"] == "wtw3e"
    (arrival,) = street.database.collection("arrivals").find({"member_id": street.member})
    assert {*arrival} == {"_id", "schema", "member_id", "store_id", "day", "place", "at"}
    street.geofence.forget_position(street.member)
    assert list(street.database.collection("positions").find({"_id": street.member})) == []


@pytest.mark.parametrize(
    ("late", "code"),
    [(timedelta(minutes=3), "POSITION_TOO_OLD"), (timedelta(minutes=-1), "POSITION_TOO_OLD")],
)
def test_a_position_that_is_too_old_or_in_the_future_is_refused(
    street: Street, late: timedelta, code: str
) -> None:
    with pytest.raises(Refusal, match=code):
        street.check(at=street.clock.now() - late)


def test_a_position_can_be_sent_only_once(street: Street) -> None:
    at = street.clock.now()
    street.check(at=at)
    with pytest.raises(Refusal, match="POSITION_REPLAYED"):
        street.check(XUJIAHUI, at=at)
    with pytest.raises(Refusal, match="POSITION_REPLAYED"):
        street.check(at=at - timedelta(seconds=5))


def test_a_position_that_nobody_can_reach_in_the_time_is_refused(street: Street) -> None:
    street.check()
    street.clock.advance(minutes=1)
    with pytest.raises(Refusal, match="POSITION_IMPOSSIBLE"):
        street.check({"lat": 39.9, "lng": 116.4})
    street.clock.advance(hours=25)  # The last position counts only for 24 hours.
    assert street.check({"lat": 39.9, "lng": 116.4}).stores == []


def test_the_number_of_arrivals_on_one_day_is_limited(street: Street) -> None:
    rules = RULES.model_copy(update={"revision": 2, "most_a_day": 1})
    Maintenance(street.database, street.clock).load_chain(LoadRequest(arrival_rules=rules))
    street.database.cache.clear()
    assert len(street.check().coupons) == 1
    street.clock.advance(hours=1)
    assert street.check(XUJIAHUI).coupons == []


def test_a_store_that_has_moved_is_found_at_its_new_place(street: Street) -> None:
    assert street.check({"lat": 31.25, "lng": 121.45}).stores == []
    found = street.database.collection("stores").find_one({"_id": "jingan"})
    assert found
    from huitou.catalog.stores.models import Store
    from huitou.catalog.stores.service import Stores

    moved = Store.model_validate(found | {"place": {"lat": 31.25, "lng": 121.45}})
    Stores(street.database, street.clock).put_store(moved)
    street.database.cache.clear()
    street.clock.advance(minutes=5)
    assert len(street.check({"lat": 31.25, "lng": 121.45}).stores) == 1
