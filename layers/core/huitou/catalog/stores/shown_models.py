"""Stores as guests and staff ask for them, change them and see them."""

from typing import Literal

from pydantic import Field

from huitou.catalog.stores.models import BRAND_CUT, CLOCK, OpeningHours, StoreSettings
from huitou.runtime.documents import Answer, Request
from huitou.runtime.limits import Revision


class StoreForm(StoreSettings):
    """The settings as a manager enters them."""

    name: str = Field(min_length=1, max_length=40, title="门店名称")
    address: str = Field(default="", max_length=120, title="地址")
    hours: list[OpeningHours] = Field(max_length=20, title="营业时间")
    cut_time: str = Field(
        default=BRAND_CUT,
        pattern=CLOCK,
        title="日结时间",
        description="此前的订单算前一营业日，例如 04:00",
    )
    delivery_fee_fen: int = Field(default=0, ge=0, le=100_000, title="配送费")
    radius_m: int = Field(default=500, ge=50, le=5_000, title="到店范围（米）")
    ownership: Literal["direct", "franchise"] = Field(
        default="direct",
        title="经营方式",
        json_schema_extra={"labels": {"direct": "直营", "franchise": "加盟"}},
    )
    legal_entity: str = Field(
        default="", max_length=100, title="经营主体", description="营业执照上的名称"
    )


class StoresRequest(Request):
    """List the chain's stores."""


class MenuRequest(Request):
    """Ask for one store's menu as a guest sees it."""

    store_id: str = Field(min_length=1, max_length=64)


class ShownStore(Answer):
    """A store as guests see it; `open` tells whether it takes orders at this moment."""

    store_id: str
    open: bool
    name: str
    address: str
    zone: str
    hours: list[OpeningHours]


class StoresAnswer(Answer):
    """All stores of the chain."""

    stores: list[ShownStore]


class StaffStore(ShownStore):
    """A store as its staff see it; while it is `paused`, it takes no orders at any hour.

    `revision` is the revision of `settings`.
    """

    paused: bool
    cut_time: str
    revision: int
    settings: StoreSettings


class StaffStoreRequest(Request):
    """Ask for one store, as its staff."""

    store_id: str = Field(min_length=1, max_length=64)


class StoreSettingsRequest(StaffStoreRequest):
    """Change a store's settings; `revision` is the one that the caller has seen."""

    revision: Revision
    settings: StoreForm


class PauseRequest(StaffStoreRequest):
    """Stop taking orders at a store, or start again."""

    paused: bool
