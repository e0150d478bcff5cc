"""Error codes of stores: why a store takes no order."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class StoreErrors(ErrorCode):
    """Why a store takes no order."""

    STORE_NOT_FOUND = "没有这家门店", "No such store"
    STORE_CLOSED = "门店未营业", "The store is closed"
