"""Error codes of the menu: why a dish can't be ordered."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class MenuErrors(ErrorCode):
    """Why a dish can't be ordered."""

    DISH_NOT_FOUND = "没有这个菜品或选项：{detail}", "No such dish or option: {detail}"
    DISH_SOLD_OUT = "{detail} 已售罄", "{detail} is sold out"
