"""Turn what went wrong in a call into the error that its caller is told."""

from __future__ import annotations

from pydantic import ValidationError
from pymongo.errors import PyMongoError

from huitou.runtime.database import is_passing
from huitou.runtime.documents import Unfit
from huitou.runtime.errors import Code, HuitouError, Lang, Refusal, Unavailable

# Pydantic's names of faults, and what members and operators read instead.
_FAULTS = {
    "missing": ("缺少该字段", "is missing"),
    "extra_forbidden": ("没有该字段", "is not a field"),
    "int_type": ("应为整数", "must be a whole number"),
    "int_from_float": ("应为整数", "must be a whole number"),
    "string_type": ("应为文字", "must be text"),
    "list_type": ("应为列表", "must be a list"),
    "too_short": ("太少", "has too few items"),
    "too_long": ("太多", "has too many items"),
    "string_too_long": ("过长", "is too long"),
    "string_too_short": ("过短", "is too short"),
    "string_pattern_mismatch": ("格式不正确", "has the wrong form"),
    "greater_than_equal": ("过小", "is too small"),
    "less_than_equal": ("过大", "is too large"),
    "no_day": ("应为 1970 至 2100 年间的日期", "must be a day from 1970 to 2100"),
    "literal_error": ("不是可选的值", "is not one of the choices"),
}


def as_failure(error: Exception) -> HuitouError:
    """Return what the caller is told of an error; INTERNAL if they can't cure it."""
    if isinstance(error, HuitouError):
        return error
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        if error.title.endswith("Request") or first["type"].startswith("json"):
            cause = first.get("ctx", {}).get("error")
            within = [cause.field] if isinstance(cause, Unfit) and cause.field else []
            where = ".".join([*(str(part) for part in first["loc"]), *within]) or "event"
            if isinstance(cause, Unfit):
                return _InvalidField(where, "unfit", str(cause), cause.chinese)
            return _InvalidField(where, first["type"], str(first["msg"]))
        return HuitouError(Code.INTERNAL)  # A stored document is wrong, not the caller's request.
    if isinstance(error, PyMongoError) and is_passing(error):
        return Unavailable()
    return HuitouError(Code.INTERNAL)


class _InvalidField(Refusal):
    """A field of a request doesn't fit its model; `chinese` tells why if the model itself does."""

    def __init__(self, field: str, fault: str, english: str, chinese: str | None = None) -> None:
        super().__init__(Code.INVALID_REQUEST, field=field, detail=fault)
        self._why = chinese and (chinese, english)
        self._english = english

    def message(self, lang: Lang = "zh") -> str:
        chinese, english = self._why or _FAULTS.get(self.detail, ("不正确", self._english))
        fault = english if lang == "en" else chinese
        fault = fault if self._why else f"{self.field} {fault}"
        template = self.code.english if lang == "en" else self.code.chinese
        return template.format(detail=fault)
