"""Why a file isn't taken in."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class ImportErrors(ErrorCode):
    """Why a file isn't taken in."""

    IMPORTED_OTHERWISE = (
        "这些订单已按另一种列对应（门店或单号）导入过",
        "These orders were imported before under another mapping (of store or order number); "
        "keep to that one",
    )
    UNDONE_TOO_OFTEN = (
        "这些订单导入又撤销的次数太多了",
        "These orders were imported and taken back too many times",
    )
