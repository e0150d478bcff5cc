"""Call other functions of the bundle, through the platform's own API (scf Invoke)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from huitou.runtime.errors import Code, Lang, Refusal, Unavailable, all_codes
from huitou.runtime.invoking import Invocation, InvokeFailed, invoke
from huitou.runtime.settings import CloudSettings

TIMEOUT_S = 10


class RefusedThere(Refusal):
    """Another function refused the call; the message is the one it gave."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        field = error.get("field")
        # The other function may run a newer version, with an error code that is unknown here.
        code = all_codes().get(str(error["code"]), Code.INTERNAL)
        super().__init__(code, field=str(field) if field else None)
        self._words = str(error["message"])

    def message(self, lang: Lang = "zh") -> str:  # noqa: ARG002
        return self._words


class Functions:
    """Calls of the bundle's functions, made as an internal caller.

    Raises Unavailable if the platform or the function doesn't answer properly.
    """

    def __init__(
        self, settings: CloudSettings, internal_secret: bytes, *, timeout_s: int = TIMEOUT_S
    ) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._secret = internal_secret

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        """Start a function asynchronously; returns when the platform has accepted the call."""
        self._invoke(function, event, "Event")

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its whole answer, also if it refused."""
        return answer_in(function, self._invoke(function, event, "RequestResponse"))

    def ask(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function and return its answer's `data`; raises RefusedThere if it refused."""
        answer = self.call(function, event)
        if answer["ok"]:
            return answer["data"]
        raise RefusedThere(answer["error"])

    def _invoke(
        self, function: str, event: Mapping[str, Any], invocation: Invocation
    ) -> dict[str, Any]:
        try:
            return invoke(
                self._settings, self._secret, function, event, invocation, self._timeout_s
            )
        except InvokeFailed as error:
            raise Unavailable(detail=f"{function}: {error.code}") from error


def answer_in(function: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a function that was called; Unavailable if the call failed."""
    try:
        answer = json.loads(result.get("RetMsg") or "")
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise Unavailable(detail=f"{function}: {result.get('ErrMsg') or result.get('RetMsg')}")
    return answer
