"""The menu: dishes with 规格 (sku), 做法 (method) and priced 加料 (addon), and each store's own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from huitou.runtime.documents import Answer, Record, Request, Stored

MAX_PRICE_FEN = 10_000_000  # ¥100,000: dearer than any dish, small enough for any sum.


class Sku(Record):
    """规格: one size or form of a dish, with its list price."""

    sku_id: str
    name: str
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN)


class Addon(Record):
    """加料: an extra with a price of its own, `max_quantity` of it per piece."""

    addon_id: str
    name: str
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN)
    max_quantity: int = Field(default=1, ge=1, le=9)


class Dish(Stored):
    """A dish as the brand knows it; `methods` are 做法, free of charge."""

    brand_id: str
    name: str
    category: str
    skus: list[Sku] = Field(min_length=1)
    methods: list[str] = Field(default=[])
    addons: list[Addon] = Field(default=[])


class StoreDish(Stored):
    """What one store makes of a dish; `id` is `<store_id>:<dish_id>`.

    `sold_out` is 估清; `prices_fen` overrides the brand's price by sku.
    """

    store_id: str
    dish_id: str
    listed: bool = True
    sold_out: bool = False
    prices_fen: dict[str, Annotated[int, Field(ge=0, le=MAX_PRICE_FEN)]] = Field(default={})


class OfferedDish(Record):
    """A dish at one store: the brand's dish with the store's prices and 估清."""

    dish_id: str
    name: str
    category: str
    skus: list[Sku]
    methods: list[str]
    addons: list[Addon]
    sold_out: bool


class MenuAnswer(Answer):
    """What one store lists, sold out or not."""

    store_id: str
    dishes: list[OfferedDish]


class StoreMenuRequest(Request):
    """A store's whole menu, for its staff."""

    store_id: str = Field(min_length=1, max_length=64)


class _AtStoreRequest(StoreMenuRequest):
    dish_id: str = Field(min_length=1, max_length=64)


class SoldOutRequest(_AtStoreRequest):
    """Say that a dish is sold out (估清), or there again."""

    sold_out: bool


class ListedRequest(_AtStoreRequest):
    """Take a dish off a store's menu (下架), or put it on (上架)."""

    listed: bool


class PricesRequest(_AtStoreRequest):
    """Set a store's own prices by sku; a sku left out has the brand's again."""

    prices_fen: dict[str, Annotated[int, Field(ge=0, le=MAX_PRICE_FEN)]] = Field(max_length=50)


class StaffSku(Answer):
    """One size of a dish: the brand's price, and the store's own where it has one."""

    sku_id: str
    name: str
    brand_fen: int
    own_fen: int | None


class StaffDish(Answer):
    """A dish as a store's staff see it, on the menu or not."""

    dish_id: str
    name: str
    category: str
    listed: bool
    sold_out: bool
    skus: list[StaffSku]


class StaffMenuAnswer(Answer):
    """A store's whole menu."""

    store_id: str
    dishes: list[StaffDish]
