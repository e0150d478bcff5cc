"""Why an exchange in the points mall is refused."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

ITEM: Words = "商品", "item"


class RewardErrors(ErrorCode):
    """Why an exchange in the points mall is refused."""

    MALL_ITEM_NOT_OFFERED = "该商品已下架或不在兑换时间内", "This item isn't offered now"
    MALL_SOLD_OUT = "已兑完", "All of them are gone"
    MALL_LIMIT_REACHED = "每人限兑 {detail} 件", "At most {detail} per member"
    EXCHANGE_ID_REUSED = (
        "该兑换单号已用于另一商品，请换一个",
        "This id was used for another item: take a new one",
    )
