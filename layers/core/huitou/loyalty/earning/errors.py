"""Why a bonus isn't given."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class EarningErrors(ErrorCode):
    """Why a bonus isn't given."""

    CAUSE_REUSED = "该事由已用于另一会员", "This cause was another member's"
