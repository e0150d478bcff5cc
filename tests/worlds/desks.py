"""An environment for commands whose functions are their own tables of actions, in process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from answers import check
from chain_data import FakeClock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.handler import Call, _plain
from typings.tables import read_tables


class Desk:
    """What commands call; each answer is held against its model."""

    lang = "zh"

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.settings = SimpleNamespace(brand_id="huitou")
        self._tables = {table.function: table.internal for table in read_tables()}

    @contextmanager
    def open(self) -> Iterator[Desk]:
        yield self

    def seconds_left(self) -> float:
        return 60.0

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in event.items() if name not in ("action", "lang")}
        action = self._tables[function][event["action"]]
        request = action.request.model_validate_json(json.dumps(fields), strict=True)
        try:
            data = json.loads(json.dumps(_plain(action.run(cast("Call", self), request))))
        except Refusal as refused:
            error = {"code": refused.code.name, "message": refused.message("en")}
            return {"ok": False, "error": error}
        check(action, data)
        return {"ok": True, "data": data}
