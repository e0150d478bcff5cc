"""How WeChat Pay says no."""

from __future__ import annotations

from typing import Any


class Refused(Exception):  # noqa: N818
    """An API error: HTTP status, WeChat Pay's error code, the field that was wrong if one was."""

    def __init__(self, status: int, code: str, message: str = "", field: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.field = status, code, message or code, field

    def answer(self) -> dict[str, Any]:
        """Return the body of the answer."""
        shown: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field:
            shown["detail"] = {"field": self.field, "issue": self.message}
        return shown


def wrong_field(field: str, issue: str = "") -> Refused:
    """A parameter that is missing, unknown or malformed."""
    return Refused(400, "PARAM_ERROR", f"{field}: {issue}" if issue else field, field)


def against_the_rules(message: str) -> Refused:
    """Well-formed, but the state of the order forbids it."""
    return Refused(400, "INVALID_REQUEST", message)


def not_enough(message: str) -> Refused:
    """The money for it isn't there."""
    return Refused(403, "NOT_ENOUGH", message)
