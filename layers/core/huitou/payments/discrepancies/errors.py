"""Why a discrepancy can't be resolved."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

DISCREPANCY: Words = "差异", "discrepancy"


class DiscrepancyErrors(ErrorCode):
    """Why a discrepancy can't be resolved."""

    ALREADY_RESOLVED = "该差异已由 {detail} 处理", "{detail} has resolved this already"
    DISCREPANCY_CHANGED = "该差异刚有变化，请重新查看", "It has just changed; look at it again"
