"""Error codes of profiles: why a profile doesn't change."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

MEMBER: Words = "会员", "member"


class ProfileErrors(ErrorCode):
    """Why a profile doesn't change."""

    PHONE_REQUIRED = "请先授权手机号", "Authorise your phone number first"
    PHONE_BOUND_ELSEWHERE = "该手机号已绑定其他会员", "This phone is bound to another member"
    BIRTHDAY_FIXED = (
        "生日已设置，不能修改",
        "The birthday is set and can't be changed: each year's gifts hang on it",
    )
