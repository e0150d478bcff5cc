"""The record of what staff changed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar

from huitou.operations.audit_log.models import Change, ChangesAnswer, ChangesRequest, ShownChange
from huitou.operations.audit_log.repository import ChangeRepository
from huitou.operations.staff.models import StaffMember
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import HuitouError

Result = TypeVar("Result")


class Changes:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = ChangeRepository(database)

    def make_recorded_change(
        self,
        staff: StaffMember,
        route: str,
        target: str,
        make: Callable[[], Result],
        *,
        before: dict[str, Any] | None = None,
        after: Callable[[Result], dict[str, Any]] | None = None,
    ) -> Result:
        """Make a change and record who made it, with the values before and after.

        A refused change is recorded too.
        """
        change = Change(
            id=f"{time.time_ns():016x}{secrets.token_hex(4)}",
            at=self._clock.now(),
            staff_id=staff.id,
            role=staff.role,
            route=route,
            target=target,
            before=before,
        )
        self._repository.insert(change)
        try:
            made = make()
        except HuitouError as refused:
            self._repository.end(change.id, refused.code.name, None)
            raise
        self._repository.end(change.id, "done", after(made) if after else None)
        return made

    def list_changes(self, request: ChangesRequest) -> ChangesAnswer:
        changes, after = self._repository.page(request)
        shown = [
            ShownChange(
                change_id=change.id,
                outcome=change.outcome or "unknown",
                **change.model_dump(
                    include={
                        "at",
                        "staff_id",
                        "role",
                        "route",
                        "target",
                        "before",
                        "after",
                    }
                ),
            )
            for change in changes
        ]
        return ChangesAnswer(changes=shown, next=after)
