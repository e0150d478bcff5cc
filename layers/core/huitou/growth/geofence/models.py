"""Stores nearby: the position a phone sends, the stores near it, and what we store of it."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from huitou.catalog.stores.models import Day, Hours, Weekday
from huitou.coupons.issuing.models import ShownCoupon
from huitou.runtime.documents import Answer, Record, Request, Stored
from huitou.runtime.limits import Id, Revision

# WGS-84: GPS. GCJ-02: the maps of WeChat, Tencent and Gaode. BD-09: Baidu's maps.
System = Literal["WGS-84", "GCJ-02", "BD-09"]


class PositionRequest(Request):
    """The position that the phone reports, with its coordinate system, accuracy and moment.

    `accuracy_m` is the radius of uncertainty that the phone gives; `at` is when it was measured.
    """

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)
    system: System
    accuracy_m: float = Field(ge=0, le=1_000_000)
    at: AwareDatetime


class ArrivalOffer(Record):
    """A coupon for coming near a store; once for each member, store and business day."""

    template_id: str = Field(min_length=1, max_length=64, title="券模板")
    store_ids: list[Id] = Field(default=[], max_length=1_000, title="门店")
    weekdays: list[Weekday] = Field(default=[], max_length=7, title="星期")
    hours: list[Hours] = Field(default=[], max_length=10, title="时段")
    valid_from: Day | None = Field(default=None, title="开始日期")
    valid_until: Day | None = Field(default=None, title="结束日期（含）")


class ArrivalRules(Stored):
    """What coming near a store brings: the rule document `arrivals`.

    On one business day a member gets coupons at `most_a_day` stores at most.
    """

    id: Id = Field(default="arrivals", alias="_id")
    revision: Revision = 1
    offers: list[ArrivalOffer] = Field(default=[], max_length=50, title="到店权益")
    most_a_day: int = Field(default=3, ge=1, le=20, title="每人每天最多几家门店")


class Position(Stored):
    """A member's last position (`id` is the member): only a cell of some 5 km and the moment.

    The next position is compared with it, to find forged ones. `delete_at` is real time.
    """

    cell: str
    at: datetime
    delete_at: datetime


class Arrival(Stored):
    """A member was near a store on a business day; nothing more exact is stored.

    `id` is `arrive:<member>:<store>:<day>`; `place` is the day and the arrival's number in it.
    """

    member_id: str
    store_id: str
    day: str
    place: str
    at: datetime


class NearStore(Answer):
    """A store near the position; if it is closed, `opens_at` is its next opening."""

    store_id: str
    name: str
    address: str
    distance_m: int
    open: bool
    opens_at: datetime | None = None


class NearAnswer(Answer):
    """The stores nearby, nearest first, and the coupons that this arrival brought.

    `precise` tells whether the position was exact enough for an arrival; `what` explains the
    answer in words.
    """

    stores: list[NearStore]
    precise: bool
    coupons: list[ShownCoupon]
    what: str
