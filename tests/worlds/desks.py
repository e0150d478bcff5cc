"""An environment for commands that calls the functions' actions in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from answers import check
from chain_data import FakeClock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.handler import _plain
from typings.tables import Table, read_tables


class Desk:
    """The place that commands call; it checks each answer against its model."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.target = SimpleNamespace(variables={})
        self._tables = {table.function: table for table in read_tables()}

    @contextmanager
    def open(self) -> Iterator[Desk]:
        yield self

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in event.items() if name not in ("action", "lang")}
        table = self._tables[function]
        action = table.internal[event["action"]]
        request = action.request.model_validate_json(json.dumps(fields), strict=True)
        try:
            data = json.loads(json.dumps(_plain(action.run(self._call(table), request))))
        except Refusal as refused:
            error = {"code": refused.code.name, "message": refused.message("en")}
            return {"ok": False, "error": error}
        check(action, data)
        return {"ok": True, "data": data}

    def _call(self, table: Table) -> Any:
        """Return a call of the type that this function uses, with the test's database and clock."""
        call: Any = table.call_type(table.function, {}, {"time_limit_in_ms": 60_000})
        call.database, call.clock = self.database, self.clock
        call.settings = SimpleNamespace(brand_id="huitou")
        return call
