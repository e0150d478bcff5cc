"""Every query on `staff_changes`."""

from __future__ import annotations

from typing import Any

from huitou.operations.audit_log.models import Change, ChangesRequest
from huitou.runtime.database import Database
from huitou.runtime.paging import newest_first


class ChangeRepository:
    def __init__(self, database: Database) -> None:
        self._changes = database.collection("staff_changes")

    def insert(self, change: Change) -> None:
        self._changes.insert_one(change.document())

    def end(self, change_id: str, outcome: str, after: dict[str, Any] | None) -> None:
        """Note a change's outcome; the first one stays."""
        fields: dict[str, Any] = {"outcome": outcome} | ({"after": after} if after else {})
        self._changes.update_one(
            {"_id": change_id, "outcome": {"$exists": False}}, {"$set": fields}
        )

    def page(self, request: ChangesRequest) -> tuple[list[Change], str | None]:
        named = {"target": request.target, "staff_id": request.staff_id}
        where = {name: value for name, value in named.items() if value is not None}
        rows, after = newest_first(self._changes, where, request, "at")
        return [Change.model_validate(row) for row in rows], after
