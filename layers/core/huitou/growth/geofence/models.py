"""Near a store: a position, what is near it, and what is kept of having been there."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from huitou.catalog.stores.models import Day, Hours, Weekday
from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Record, Request, Stored

# WGS-84: what satellites tell. GCJ-02: WeChat, Tencent and Gaode maps. BD-09: Baidu maps.
System = Literal["WGS-84", "GCJ-02", "BD-09"]


class PositionRequest(Request):
    """Where the phone says it is, in which coordinate system, how sure it is, and since when.

    `accuracy_m` is the radius the phone gives; `at` the moment of the fix.
    """

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)
    system: System
    accuracy_m: float = Field(ge=0, le=1_000_000)
    at: AwareDatetime


class ArrivalOffer(Record):
    """A coupon for coming near a store, once per member, store and business day."""

    template_id: str = Field(min_length=1, max_length=64, title="券模板")
    store_ids: list[str] = Field(default=[], max_length=1_000, title="门店")
    weekdays: list[Weekday] = Field(default=[], max_length=7, title="星期")
    hours: list[Hours] = Field(default=[], max_length=10, title="时段")
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")


class ArrivalRules(Stored):
    """What coming near brings: `arrivals` among the rule documents.

    `most_a_day` is at how many stores one member is welcomed on one business day.
    """

    id: str = Field(default="arrivals", alias="_id")
    revision: int = Field(default=1, ge=1)
    offers: list[ArrivalOffer] = Field(default=[], max_length=50, title="到店权益")
    most_a_day: int = Field(default=3, ge=1, le=20, title="每人每天最多几家门店")


class Position(Stored):
    """All that is kept of where a member (`id`) was: a cell of some 5 km and the fix's moment.

    It is for the next position to be held against. `delete_at` is real time.
    """

    cell: str
    at: datetime
    delete_at: datetime


class Arrival(Stored):
    """A member was near a store on a business day; nothing more exact is kept.

    `id` is `arrive:<member>:<store>:<day>`, `place` which arrival of the day it is.
    """

    member_id: str
    store_id: str
    day: str
    place: str
    at: datetime


class NearStore(Answer):
    """A store in whose range the position lies; `opens_at` is the next opening of a closed one."""

    store_id: str
    name: str
    address: str
    distance_m: int
    open: bool
    opens_at: datetime | None = None


class NearAnswer(Answer):
    """The stores in range, nearest first, and the coupons that arriving brought just now.

    `precise`: whether the position was exact enough for an arrival; `what` says so in words.
    """

    stores: list[NearStore]
    precise: bool
    coupons: list[ShownCoupon]
    what: str
