"""Error codes of profiles: why a profile doesn't change."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

MEMBER: Words = "会员", "member"


class ProfileErrors(ErrorCode):
    """Why a profile doesn't change."""

    PHONE_REQUIRED = "请先授权手机号", "Authorise your phone number first"
    PHONE_BOUND_ELSEWHERE = (
        "该手机号今日刚换绑给其他会员，请明天再试",
        "This phone moved to another member today: try again tomorrow",
    )
    BIRTHDAY_FIXED = (
        "生日已更正过一次，不能再修改",
        "The birthday was corrected once and can't be changed again: each year's gifts hang on it",
    )
    BIRTHDAY_NOT_SAID = (
        "会员还没有填写生日，请会员在小程序填写",
        "The member hasn't said a birthday: they say it in the mini-program",
    )
    BIRTHDAY_LATER = (
        "今年的生日礼遇可能已享用，请于 {detail} 起更正生日",
        "This year's gifts may have come already: correct the birthday from {detail} on",
    )
    BIRTHDAY_IMPOSSIBLE = (
        "生日不能晚于今天，也不能早于 {detail}",
        "A birthday can't be after today, nor before {detail}",
    )
    BIRTHDAY_OF_MINOR = (
        "未满 {detail} 周岁，须由监护人同意，不能自行填写生日",
        "Below the age of {detail} a guardian must consent: the birthday can't be said here",
    )
