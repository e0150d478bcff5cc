"""The menu: dishes with 规格 (sku), 做法 (method) and 加料 (addon), and each store's changes."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from huitou.runtime.documents import Answer, Record, Request, Stored, Unfit
from huitou.runtime.limits import MOST_REVISION, Id, Most, Revision, ShortText

PART_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MOST_PARTS = 50
MAX_PRICE_FEN = 10_000_000  # ¥100,000: above any real price, and no sum of an order overflows.


class Sku(Record):
    """规格: one size or form of a dish, with its own price."""

    sku_id: Id = Field(title="规格代号", description="保存后不再修改")
    name: ShortText = Field(title="规格名称", description="例如 大份；只有一种规格时可留空")
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN, title="价格")


class Addon(Record):
    """加料: an extra with its own price; at most `max_quantity` of it for each dish ordered."""

    addon_id: Id = Field(title="加料代号", description="保存后不再修改")
    name: ShortText = Field(title="加料名称")
    price_fen: int = Field(ge=0, le=MAX_PRICE_FEN, title="价格")
    max_quantity: int = Field(default=1, ge=1, le=9, title="每份最多")


class DishContent(Record):
    """A dish's name, category, sizes, methods (做法, free of charge) and addons."""

    name: ShortText
    category: ShortText
    skus: Annotated[list[Sku], Most(MOST_PARTS)] = Field(min_length=1)
    methods: Annotated[list[ShortText], Most(MOST_PARTS)] = Field(default=[])
    addons: Annotated[list[Addon], Most(MOST_PARTS)] = Field(default=[])


class DishForm(DishContent):
    """A dish as the brand's staff enter it; ids of sizes and addons are unique within the dish."""

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
    """A dish of the brand, before any store changes it; `revision` counts its changes."""

    brand_id: Id
    revision: Revision = 1


class StoreDish(Stored):
    """One store's settings for a dish; `id` is `<store_id>:<dish_id>`.

    `sold_out` is 估清; `prices_fen` has the store's own prices by sku, instead of the brand's.
    """

    store_id: Id
    dish_id: Id
    listed: bool = True
    sold_out: bool = False
    prices_fen: Annotated[
        dict[Id, Annotated[int, Field(ge=0, le=MAX_PRICE_FEN)]], Most(MOST_PARTS)
    ] = Field(default={})


class OfferedDish(Record):
    """A dish as one store offers it: the brand's dish with the store's prices and 估清."""

    dish_id: str
    name: str
    category: str
    skus: list[Sku]
    methods: list[str]
    addons: list[Addon]
    sold_out: bool


class MenuAnswer(Answer):
    """The dishes that one store lists, also those that are sold out."""

    store_id: str
    dishes: list[OfferedDish]


class StoreMenuRequest(Request):
    """Ask for a store's whole menu, as its staff."""

    store_id: str = Field(min_length=1, max_length=64)


class _AtStoreRequest(StoreMenuRequest):
    dish_id: str = Field(min_length=1, max_length=64)


class SoldOutRequest(_AtStoreRequest):
    """Mark a dish as sold out (估清), or as available again."""

    sold_out: bool


class ListedRequest(_AtStoreRequest):
    """Take a dish off a store's menu (下架), or put it on (上架)."""

    listed: bool


class PricesRequest(_AtStoreRequest):
    """Set a store's own prices by sku; a sku that is left out gets the brand's price again."""

    prices_fen: dict[Id, Annotated[int, Field(ge=0, le=MAX_PRICE_FEN)]] = Field(max_length=50)


class BrandDish(Answer):
    """A dish of the brand, before any store changes it."""

    dish_id: str
    revision: int
    content: DishContent


class BrandDishesAnswer(Answer):
    """The brand's dishes, by id."""

    dishes: list[BrandDish]


class PutDishRequest(Request):
    """Change a dish in every store that has it, or make a new one.

    `revision` is the one that the caller has seen. It is 0 for a new dish: then every store gets
    the dish, and lists it when it wants to.
    """

    dish_id: str = Field(pattern=PART_ID)
    revision: int = Field(ge=0, le=MOST_REVISION)
    content: DishForm


class StaffSku(Answer):
    """One size of a dish: the brand's price, and the store's own; null if it has none."""

    sku_id: str
    name: str
    brand_fen: int
    own_fen: int | None


class StaffDish(Answer):
    """A dish as a store's staff see it, listed or not."""

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
