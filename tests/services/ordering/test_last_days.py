"""A last day is one thing everywhere: the business day of the store where something is used.

A night store's business day ends in the morning, so what ends on 7 December may be used until then,
and nothing of it afterwards.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chain_data import FakeClock, Shop, item
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.service import Points
from huitou.loyalty.rewards.models import ExchangeRequest
from huitou.loyalty.rewards.service import Mall
from huitou.operations.console.home_models import FiguresRequest
from huitou.operations.console.home_service import Home
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from services.loyalty.test_holds import points_of, with_points

LAST = "2026-12-07"
ALWAYS = [{"opens": "00:00", "closes": "00:00"}]
ACTIVITY = {
    "_id": "weeks", "name": "双周活动", "group": "reduction", "valid_until": LAST,
    "terms": {"kind": "amount_off", "off_fen": 300, "base": "running",
              "threshold_fen": 1_000},
}  # fmt: skip
COUPON = {
    "_id": "december", "name": "十二月券", "revision": 1, "valid_until": LAST,
    "terms": {"kind": "amount_off", "off_fen": 500, "threshold_fen": 1_000},
}  # fmt: skip
# (zone of the store, its cut time, moment by its wall clock, whether it is still 7 December there)
MOMENTS = [
    ("Asia/Shanghai", "04:00", "2026-12-07 23:59", True),
    ("Asia/Shanghai", "04:00", "2026-12-08 00:30", True),
    ("Asia/Shanghai", "04:00", "2026-12-08 03:59", True),
    ("Asia/Shanghai", "04:00", "2026-12-08 04:00", False),
    ("Asia/Shanghai", "06:00", "2026-12-08 05:59", True),
    ("Asia/Shanghai", "06:00", "2026-12-08 06:00", False),
    ("Asia/Shanghai", "00:00", "2026-12-07 23:59", True),
    ("Asia/Shanghai", "00:00", "2026-12-08 00:00", False),
    ("Europe/London", "04:00", "2026-12-08 03:59", True),
    ("Europe/London", "04:00", "2026-12-08 04:00", False),
    ("Asia/Urumqi", "05:30", "2026-12-08 05:29", True),
    ("Asia/Urumqi", "05:30", "2026-12-08 05:30", False),
]


@pytest.fixture
def night(chain: Database, clock: FakeClock) -> Shop:
    """A shop whose guest alice holds a coupon; the activity and the coupon end on 7 December."""
    clock.moment = datetime(2026, 12, 1, 4, tzinfo=UTC)
    load(chain, clock, offers=[ACTIVITY], coupon_templates=[COUPON])
    return Shop(chain, clock)


def load(database: Database, clock: FakeClock, **chain: Any) -> None:
    Maintenance(database, clock).load_chain(LoadRequest.model_validate(chain))


def issue(shop: Shop, member_id: str) -> str:
    coupons = Coupons(shop.database, shop.clock)
    made = coupons.issue_coupon(
        coupons.find_templates(["december"])["december"], member_id=member_id, cause="test"
    )
    assert made is not None
    return made.id


def open_store(shop: Shop, zone: str, cut_time: str) -> None:
    store = shop.database.collection("stores").find_one({"_id": "jingan"})
    assert store
    changed = {**store, "zone": zone, "cut_time": cut_time, "hours": ALWAYS}
    load(shop.database, shop.clock, stores=[changed])
    shop.database.cache.clear()


@pytest.mark.parametrize(("zone", "cut_time", "moment", "is_last_day"), MOMENTS)
def test_an_activity_and_a_coupon_end_with_the_business_day_of_the_store(
    night: Shop, zone: str, cut_time: str, moment: str, is_last_day: bool
) -> None:
    alice = night.register()
    coupon_id = issue(night, alice)
    open_store(night, zone, cut_time)
    night.clock.moment = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
    cart = {"store_id": "jingan", "items": [item(2)]}
    quote = night.orders.quote_cart(alice, QuoteRequest.model_validate(cart), "zh")
    applied = {discount.source_id for discount in quote.price.discounts}
    usable = {coupon.coupon_id for coupon in quote.coupons if coupon.why_not is None}
    assert (("weeks" in applied), (coupon_id in usable)) == (is_last_day, is_last_day)
    if is_last_day:
        assert night.order(alice, items=[item(2)], coupon_id=coupon_id).coupon_ids == [coupon_id]
    else:
        with pytest.raises(Refusal, match="COUPON_NOT_USABLE"):
            night.order(alice, items=[item(2)], coupon_id=coupon_id)
    assert night.differences() == []


def test_the_timer_lets_a_coupon_expire_when_the_day_is_over_at_every_store(night: Shop) -> None:
    alice = night.register()
    issue(night, alice)
    open_store(night, "Asia/Shanghai", "06:00")
    coupons = Coupons(night.database, night.clock)
    night.clock.moment = datetime(2026, 12, 7, 21, 59, 59, tzinfo=UTC)  # 05:59:59 in Shanghai.
    assert coupons.expire_coupons() == 0
    night.clock.advance(seconds=1)
    assert coupons.expire_coupons() == 1


@pytest.mark.parametrize(
    ("issued", "last"),
    [("2026-12-07 03:59", "2026-12-07 03:59"), ("2026-12-07 04:00", "2026-12-08 03:59")],
)
def test_days_after_issue_count_from_the_business_day_of_issue(
    night: Shop, issued: str, last: str
) -> None:
    one_day = {**COUPON, "revision": 2, "valid_until": None, "valid_days": 1}
    load(night.database, night.clock, coupon_templates=[one_day])
    night.database.cache.clear()
    alice = night.register()
    open_store(night, "Asia/Shanghai", "04:00")
    night.clock.moment = datetime.fromisoformat(issued).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    coupon_id = issue(night, alice)
    night.clock.moment = datetime.fromisoformat(last).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    assert night.request(alice, items=[item(2)], coupon_id=coupon_id)
    night.clock.moment += timedelta(minutes=1)
    with pytest.raises(Refusal, match="COUPON_NOT_USABLE"):
        night.request(alice, items=[item(2)], coupon_id=coupon_id)


@pytest.mark.parametrize(
    ("zone", "cut_time", "moment"),
    [
        ("Asia/Shanghai", "00:00", "2026-12-08 01:00"),  # The chain's own day ends at 04:00.
        ("Asia/Shanghai", "06:00", "2026-12-08 05:00"),
        ("Asia/Tokyo", "04:00", "2026-12-08 04:30"),  # 03:30 in Shanghai.
        ("Pacific/Auckland", "04:00", "2026-12-08 04:00"),
        ("Europe/London", "04:00", "2026-12-08 03:30"),
        ("Asia/Shanghai", "00:00", "2027-01-01 00:00"),
        ("Asia/Shanghai", "00:00", "2028-02-29 03:59"),
    ],
)
def test_a_coupon_for_one_day_is_never_over_when_it_is_issued(
    night: Shop, zone: str, cut_time: str, moment: str
) -> None:
    one_day = {**COUPON, "revision": 2, "valid_until": None, "valid_days": 1}
    load(night.database, night.clock, coupon_templates=[one_day])
    alice = night.register()
    open_store(night, zone, cut_time)
    night.clock.moment = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
    coupon_id = issue(night, alice)
    assert Coupons(night.database, night.clock).expire_coupons() == 0
    assert night.order(alice, items=[item(2)], coupon_id=coupon_id).coupon_ids == [coupon_id]


def test_the_console_shows_the_day_of_a_store_until_it_ends_there(night: Shop) -> None:
    open_store(night, "Asia/Shanghai", "06:00")
    home = Home(night.database, night.clock)
    night.clock.moment = datetime(2026, 12, 7, 21, tzinfo=UTC)  # 05:00 on 8 December.
    assert home.show_figures(FiguresRequest(store_id="jingan"), [])["today"]["day"] == LAST
    assert home.show_figures(FiguresRequest(), [])["today"]["day"] == "2026-12-08"


@pytest.mark.parametrize(
    ("zone", "cut_time"), [("Asia/Tokyo", "00:00"), ("Pacific/Auckland", "04:00")]
)
def test_a_coupon_that_comes_back_late_may_be_used_for_a_day_at_the_store_furthest_east(
    night: Shop, zone: str, cut_time: str
) -> None:
    alice = night.register()
    coupon_id = issue(night, alice)
    order = night.paid(alice, items=[item(2)], coupon_id=coupon_id)
    open_store(night, zone, cut_time)
    night.clock.moment = datetime(2026, 12, 9, 4, tzinfo=UTC)
    night.refund(order)
    assert night.settlement.settle_order(order.id) == "settled"
    night.clock.advance(hours=23, minutes=59)
    assert Coupons(night.database, night.clock).expire_coupons() == 0
    assert night.order(alice, items=[item(2)], coupon_id=coupon_id).coupon_ids == [coupon_id]


def test_no_way_gives_a_coupon_whose_last_day_is_over_at_every_store(night: Shop) -> None:
    limits = {"quota": 100, "per_member": 5}
    december = {**COUPON, "revision": 2, "claimable": True, "limits": limits}
    scene = {"_id": "table-1", "store_id": "jingan", "template_id": "december", "kind": "table"}
    load(
        night.database,
        night.clock,
        coupon_templates=[december],
        mall_items=[{"_id": "m", "name": "券", "points": 50_000, "template_id": "december"}],
        scenes=[scene],
    )
    open_store(night, "Asia/Shanghai", "06:00")
    alice, bob = with_points(night, ("2099-12-31", 200_000)), night.register("bob")
    coupons, mall = Coupons(night.database, night.clock), Mall(night.database, night.clock)
    night.clock.moment = datetime(2026, 12, 7, 21, 59, tzinfo=UTC)  # 05:59 in Shanghai.
    coupons.claim_coupon("december", bob, "claim-0001")
    mall.exchange_points(alice, ExchangeRequest(item_id="m", exchange_id="exchange-1"))
    night.clock.advance(minutes=1)
    assert coupons.claim_coupon("december", bob, "claim-0001").status == "issued"  # The same one.
    with pytest.raises(Refusal, match="COUPON_NOT_ISSUED"):
        coupons.claim_coupon("december", alice, "claim-0002")
    with pytest.raises(Refusal, match="COUPON_NOT_ISSUED"):
        coupons.issue_welcome_coupon(alice, "hash", "table-1")
    with pytest.raises(Refusal, match="MALL_ITEM_NOT_OFFERED"):
        mall.exchange_points(alice, ExchangeRequest(item_id="m", exchange_id="exchange-2"))
    assert "m" not in {item.item_id for item in mall.list_items(alice).items}
    again = ExchangeRequest(item_id="m", exchange_id="exchange-1")
    assert mall.exchange_points(alice, again).points == 50_000
    assert points_of(night, alice) == (150_000, 0)
    assert night.differences() == []


def test_points_are_spendable_until_the_day_ends_at_the_last_store(night: Shop) -> None:
    open_store(night, "Asia/Shanghai", "06:00")
    points = Points(night.database, night.clock)
    night.clock.moment = datetime(2026, 12, 31, 21, 59, tzinfo=UTC)  # 05:59 on 1 January.
    assert points.today() == "2026-12-31"
    night.clock.advance(minutes=1)
    assert points.today() == "2027-01-01"
