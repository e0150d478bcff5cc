"""Error codes of referrals: why one isn't decided."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class ReferralErrors(ErrorCode):
    """Why a referral can't be decided."""

    REFERRAL_NOT_HELD = "该邀请不在待审核状态", "This referral doesn't wait for a decision"
