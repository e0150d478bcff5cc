"""Compare the answers that functions really give with the models that describe them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from huitou.runtime.handler import Action
from localcloud.client import LocalCloudClient
from typings.tables import read_tables


def check(action: Action, data: object) -> None:
    """Fail unless `data` has exactly the declared fields, each of the declared type.

    A field that may be left out must not come as null; every other field with a default must come.
    """
    model = action.answer
    _check_fields(model.model_validate_json(json.dumps(data), strict=True, extra="forbid"))


def _check_fields(value: object) -> None:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            there, found = name in value.model_fields_set, getattr(value, name)
            if not field.is_required() and field.get_default() is None:
                assert there == (found is not None), f"{type(value).__name__}.{name} is null"
            else:
                assert there, f"{type(value).__name__}.{name} is left out"
            _check_fields(found)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_fields(item)


class CheckedClient(LocalCloudClient):
    """Calls the local cloud and checks every answer; `checked` holds the actions it has seen."""

    def __init__(self, url: str, vendor_url: str, data: Path) -> None:
        super().__init__(url, vendor_url, data)
        tables = read_tables()
        self._member = {table.function: table.member for table in tables}
        self._internal = {table.function: table.internal for table in tables}
        self.checked: set[tuple[str, str, str]] = set()

    def member_call(self, function: str, openid: str, data: object) -> dict[str, Any]:
        answer = super().member_call(function, openid, data)
        self._check("member", function, data, answer)
        return answer

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = super().internal_call(function, event)
        self._check("internal", function, event, answer)
        return answer

    def _check(self, door: str, function: str, data: object, answer: dict[str, Any]) -> None:
        tables = self._member if door == "member" else self._internal
        name = data.get("action") if isinstance(data, dict) else None
        if answer.get("ok") and isinstance(name, str):
            check(tables[function][name], answer["data"])
            self.checked.add((door, function, name))
