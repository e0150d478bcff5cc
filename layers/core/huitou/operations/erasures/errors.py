"""Why a member can't be erased."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class ErasureErrors(ErrorCode):
    """Why a member can't be erased."""

    MEMBER_HAS_OPEN_ORDERS = (
        "该会员还有未完成的订单，请在订单完成或退款后再删除",
        "This member has orders under way: erase them once these are done or given back",
    )
