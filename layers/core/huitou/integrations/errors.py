"""Error codes of what a member proves through WeChat."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class MiniProgramErrors(ErrorCode):
    """WeChat doesn't confirm what the member claims: a phone number, or being in a group."""

    PHONE_CODE_INVALID = "手机号授权已失效，请重试", "The phone code is invalid or used; try again"
    GROUP_NOT_PROVEN = "请从社群内进入后领取", "Open this from the group it is for"
