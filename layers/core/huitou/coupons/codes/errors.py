"""Error codes of redemption codes: why a code gives nothing."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class CodeErrors(ErrorCode):
    """Why a redemption code gives nothing, or a batch can't be made."""

    CODE_NOT_VALID = "兑换码无效", "This code isn't valid"
    BATCH_REUSED = (
        "该批次名称已用于其他兑换码，请换一个",
        "This name is another batch's: take a new one",
    )
