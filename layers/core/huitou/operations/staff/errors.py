"""Why a person can't sign in to the console, or why an account can't be changed."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class StaffErrors(ErrorCode):
    """Why a person can't sign in to the console, or why an account can't be changed."""

    SIGN_IN_REQUIRED = "请先登录", "Sign in first"
    SIGN_IN_FAILED = "登录名、密码或动态码不正确", "Name, password or one-time code isn't right"
    PASSWORD_TO_CHOOSE = "请先设置自己的密码", "Choose your own password first"
    STAFF_NAME_TAKEN = "该登录名已被使用", "This name is taken"
    LAST_OWNER = "至少保留一位老板账号", "Somebody must stay owner"
