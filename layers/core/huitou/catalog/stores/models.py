"""Stores: where they are, when they are open, and who owns them."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, JsonValue, PlainSerializer, field_validator

from huitou.runtime.documents import Record, Stored, Unfit
from huitou.runtime.limits import Id, Most, Revision, ShortText
from huitou.runtime.typed import Clock, ClockEnd

# The time zone and cut time of the chain's own business day; each store has its own, too.
BRAND_ZONE, BRAND_CUT = "Asia/Shanghai", "04:00"
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
# What a form takes for the end of a period; 24:00 is kept as 00:00.
_TO_TYPE: dict[str, JsonValue] = {"pattern": r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"}
Weekday = Annotated[int, Field(ge=0, le=6)]
# MongoDB has no type for a day, so days are stored as texts YYYY-MM-DD.
Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str)]


class Hours(Record):
    """A part of the day in the store's own time; if `until` is earlier, it is the next day's."""

    since: Clock = Field(pattern=CLOCK, title="开始")
    until: ClockEnd = Field(pattern=CLOCK, json_schema_extra=_TO_TYPE, title="结束")


class OpeningHours(Record):
    """One opening period in the store's own time; if `closes` is earlier, it is the next day's.

    Weekday 0 is Monday. The last order is possible `last_order_min` minutes before closing, if no
    other period begins then.
    """

    weekdays: Annotated[list[Annotated[int, Most(6, least=0)]], Most(7)] = Field(
        default=[0, 1, 2, 3, 4, 5, 6], title="星期"
    )
    opens: Clock = Field(pattern=CLOCK, title="开门", description="例如 10:00")
    closes: ClockEnd = Field(
        pattern=CLOCK, json_schema_extra=_TO_TYPE, title="关门", description="早于开门表示次日"
    )
    last_order_min: int = Field(
        default=0, ge=0, le=240, title="停止接单", description="关门前多少分钟"
    )


class Place(Record):
    """Where a store is, in GCJ-02, the coordinates of WeChat's and Tencent's maps."""

    lat: float = Field(ge=-90, le=90)
    lng: float = Field(ge=-180, le=180)


class Merchant(Record):
    """The WeChat Pay merchant that takes the money.

    It is frozen on each payment, because a store may change its merchant. In direct mode, `mchid`
    is the chain's own. In partner mode (服务商), `mchid` is the provider's (sp_mchid) and
    `sub_mchid` is the store's.
    """

    mchid: str
    sub_mchid: str | None = None


Corner = tuple[float, float]
Side = tuple[Corner, Corner]


def _cross(one: Side, other: Side) -> bool:
    def side_of(line: Side, point: Corner) -> float:
        (ay, ax), (by, bx) = line
        return (bx - ax) * (point[0] - ay) - (by - ay) * (point[1] - ax)

    return (side_of(one, other[0]) * side_of(one, other[1]) < 0) and (
        side_of(other, one[0]) * side_of(other, one[1]) < 0
    )


class StoreSettings(Record):
    """The settings that a store's managers can change in the console.

    The business day ends at `cut_time`. A store without any `hours` is always closed.
    """

    name: ShortText
    address: ShortText = ""
    hours: Annotated[list[OpeningHours], Most(20)]
    cut_time: Clock = Field(default=BRAND_CUT, pattern=CLOCK)
    delivery_fee_fen: int = Field(default=0, ge=0, le=100_000)
    radius_m: int = Field(default=500, ge=50, le=5_000)
    ownership: Literal["direct", "franchise"] = "direct"
    legal_entity: ShortText = ""


class Store(Stored, StoreSettings):
    """One restaurant; its zone and cut time decide to which business day an order belongs.

    A guest is near it within `radius_m` of its place or, if it has a fence, inside the fence.
    `revision` counts the changes of its settings.
    """

    brand_id: Id
    revision: Revision = 1
    place: Place | None = Field(default=None, title="位置", description="GCJ-02")
    fence: list[Place] = Field(
        default=[], max_length=100, title="到店范围（多边形）", description="代替圆形范围"
    )
    zone: ShortText = BRAND_ZONE
    paused: bool = False
    sub_mchid: Id | None = None

    @field_validator("fence")
    @classmethod
    def _fence_is_simple(cls, fence: list[Place]) -> list[Place]:
        if fence and len(fence) < 3:
            raise ValueError("a fence has at least three corners")
        corners = [(corner.lat, corner.lng) for corner in fence]
        sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
        if any(abs(one[1] - other[1]) > 180 for one, other in sides):
            raise ValueError("a fence does not cross the antimeridian")
        for number, one in enumerate(sides):
            for other in sides[number + 1 :]:
                if not {*one} & {*other} and _cross(one, other):
                    raise ValueError("the sides of a fence do not cross each other")
        return fence

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            example = BRAND_ZONE
            raise Unfit(
                "", f"没有这个时区，例如 {example}", f"no such time zone, e.g. {example}"
            ) from None
        return zone
