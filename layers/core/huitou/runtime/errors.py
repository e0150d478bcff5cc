"""Every way a call can fail, and what the caller is told.

HuitouError
├── Refusal               final: the caller must change the call; repeating it fails again
│   └── (each has one error code, and names the field at fault if there is one)
├── Unavailable           temporary: the same call may succeed a moment later
└── ConfigurationError    for the operator: a setting is missing or wrong; names the setting
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Literal

Lang = Literal["zh", "en"]
Words = tuple[str, str]  # In Chinese and in English.


class ErrorCode(Enum):
    """A stable error code: its name, and its message in Chinese and English.

    Each area has its own codes in `errors.py`; the codes that all areas share are in `Code`.
    """

    @property
    def chinese(self) -> str:
        """The message for members and operators."""
        return str(self.value[0])

    @property
    def english(self) -> str:
        """The same message for `lang: en`."""
        return str(self.value[1])


class Code(ErrorCode):
    """Error codes that any area may answer with."""

    INVALID_REQUEST = "请求有误：{detail}", "Invalid request: {detail}"
    UNKNOWN_ACTION = "没有这个操作：{detail}", "No such action: {detail}"
    FORBIDDEN = "没有权限", "Not allowed"
    IDENTITY_REQUIRED = "请在小程序内使用", "Call this from the mini-program"
    TOO_LARGE = "请求过大", "The request is too large"
    NOT_REGISTERED = "请先登录", "Log in first"
    NOT_FOUND = "未找到：{detail}", "Not found: {detail}"
    TOO_MANY_TRIES = "尝试次数过多，请一小时后再试", "Too many tries: come back in an hour"
    TOO_MANY_CALLS = (
        "操作过于频繁，请 {detail} 秒后再试",
        "Too many calls: come back in {detail} seconds",
    )
    RULES_CONFLICT = (
        "规则已有更新的版本，revision 须大于现有版本",
        "There is a later revision of these rules: raise `revision` above it",
    )
    REVISION_TOO_HIGH = (
        "revision 只能比现有版本大一：最大为 {detail}",
        "`revision` is one above the last: {detail} at most",
    )
    DATABASE_RIGHT_MISSING = (
        "数据库用户缺少权限：{detail}",
        "The database's user lacks a right: {detail}",
    )
    UNAVAILABLE = "系统繁忙，请稍后再试", "Busy; please try again"
    INTERNAL = "系统错误，请稍后再试", "Something went wrong; please try again"


class HuitouError(Exception):
    """A failure with a stable code, the field at fault and a message that a client may show.

    `detail` fills the placeholder in the code's message: one text if it is the same in both
    languages, otherwise a pair (Chinese, English). The attribute `detail` is the English text.
    """

    def __init__(
        self,
        code: ErrorCode,
        *,
        field: str | None = None,
        detail: str | Words = "",
        data: object = None,
    ) -> None:
        super().__init__(code.name + (f" ({field})" if field else ""))
        self.code = code
        self.field = field
        self._chinese, self.detail = (detail, detail) if isinstance(detail, str) else detail
        self.data = data

    def message(self, lang: Lang = "zh") -> str:
        """Return the message in the caller's language; it never tells anything about internals."""
        if lang == "en":
            return self.code.english.format(detail=self.detail)
        return self.code.chinese.format(detail=self._chinese)


class Refusal(HuitouError):
    """The call was understood and refused; the same call would be refused again."""


class Unavailable(HuitouError):
    """Something the call needs did not answer in time; the same call may succeed later."""

    def __init__(self, code: ErrorCode = Code.UNAVAILABLE, *, detail: str = "") -> None:
        super().__init__(code, detail=detail)


class ConfigurationError(HuitouError):
    """A setting is missing or wrong; `field` names it."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(Code.INTERNAL, field=setting, detail=problem)
        self.args = (f"{setting}: {problem}",)


@cache
def all_codes() -> Mapping[str, ErrorCode]:
    """Return the error codes of every area, by name.

    This imports the `errors.py` of every area, which is too slow for a cold start.
    """
    from huitou.runtime.areas import modules_named  # It loads what only the CLI and tests need.

    for _ in modules_named("errors"):
        pass
    kinds = ErrorCode.__subclasses__()
    return dict(sorted((code.name, code) for kind in kinds for code in kind))
