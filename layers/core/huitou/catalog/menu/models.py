"""The menu: dishes with 规格 (sku), 做法 (method) and priced 加料 (addon), and each store's own."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit

PART_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MOST_PARTS = 50
MAX_PRICE_FEN = 10_000_000  # ¥100,000: dearer than any dish, small enough for any sum.


class Sku(Record):
    """规格: one size or form of a dish, with its list price."""

    sku_id: str = Field(title="规格代号", description="保存后不再修改")
    name: str = Field(title="规格名称", description="例如 大份；只有一种规格时可留空")
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN, title="价格")


class Addon(Record):
    """加料: an extra with a price of its own, `max_quantity` of it per piece."""

    addon_id: str = Field(title="加料代号", description="保存后不再修改")
    name: str = Field(title="加料名称")
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN, title="价格")
    max_quantity: int = Field(default=1, ge=1, le=9, title="每份最多")


class DishContent(Record):
    """What a dish is: its name, its category, sizes, methods (做法, free of charge) and addons."""

    name: str
    category: str
    skus: list[Sku] = Field(min_length=1)
    methods: list[str] = Field(default=[])
    addons: list[Addon] = Field(default=[])


class DishForm(DishContent):
    """A dish as the brand's people write it; ids of sizes and addons are its own."""

    name: str = Field(min_length=1, max_length=40, title="菜名")
    category: str = Field(min_length=1, max_length=40, title="分类")
    skus: list[Sku] = Field(min_length=1, max_length=MOST_PARTS, title="规格")
    methods: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        default=[],
        max_length=MOST_PARTS,
        title="做法",
        description="例如 少辣、不要香菜；不收费",
    )
    addons: list[Addon] = Field(default=[], max_length=MOST_PARTS, title="加料")

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        parts = {
            "skus": [sku.sku_id for sku in self.skus],
            "addons": [addon.addon_id for addon in self.addons],
        }
        for name, ids in parts.items():
            if len(set(ids)) != len(ids):
                raise Unfit(name, "代号不能重复", "each has an id of its own")
            if not all(re.match(PART_ID, one) for one in ids):
                raise Unfit(name, "代号只能用字母、数字和短横线", f"ids fit {PART_ID}")
        return self


class Dish(Stored, DishContent):
    """A dish as the brand knows it; `revision` counts its changes."""

    brand_id: str
    revision: int = 1


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


class BrandDish(Answer):
    """A dish as the brand knows it."""

    dish_id: str
    revision: int
    content: DishContent


class BrandDishesAnswer(Answer):
    """The brand's dishes, by id."""

    dishes: list[BrandDish]


class PutDishRequest(Request):
    """Change a dish, in every store that has it.

    `revision` is that of the dish one has seen; 0 is for a new one, which every store gets, to be
    listed there.
    """

    dish_id: str = Field(pattern=PART_ID)
    revision: int = Field(ge=0)
    content: DishForm


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
