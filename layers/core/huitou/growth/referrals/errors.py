"""Error codes of referrals: why one isn't decided."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class ReferralErrors(ErrorCode):
    """Why a referral can't be decided."""

    REFERRAL_NOT_HELD = "该邀请不在待审核状态", "This referral doesn't wait for a decision"
    REFERRAL_OVER_DAY_LIMIT = (
        "超过您今天可批准的额度，请换一位同事处理",
        "Above what you may approve today: a colleague decides it",
    )
