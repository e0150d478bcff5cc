"""Why a member can't be erased."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class ErasureErrors(ErrorCode):
    """Why a member can't be erased."""

    MEMBER_HAS_OPEN_ORDERS = (
        "该会员的订单 {detail} 尚未完成，请在订单完成或退款后再删除",
        "Order {detail} of this member is under way: erase them once it is done or given back",
    )
