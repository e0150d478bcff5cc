"""The menu: dishes with 规格 (sku), 做法 (method) and 加料 (addon), and each store's changes."""

from typing import Annotated

from pydantic import Field

from huitou.runtime.documents import Record, Stored
from huitou.runtime.limits import Id, Most, Revision, ShortText

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
