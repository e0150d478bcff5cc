"""Events that a function may have missed: what is due although nobody will call for it again.

The platform tries an event three times and drops it. What an outage left behind would wait for
the function's timer, for minutes. So whoever comes first after it looks for what is due: an
instance in its first call and in the first one after a failed one, and the relay when it begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from huitou.runtime.database import Database
from huitou.runtime.events import MAX_BATCH
from huitou.runtime.triggers import DUE, TRIGGERS, Trigger

_may_have_missed = True  # Of this instance: a new one doesn't know what was before it.


def due_ids(database: Database, trigger: Trigger) -> list[str]:
    """Return the ids of what is due for a trigger, one batch; the timers find the rest."""
    due = database.collection(trigger.collection).find(
        {trigger.marker: DUE}, {"_id": 1}, hint=f"{trigger.marker}_due", limit=MAX_BATCH
    )
    return [row["_id"] for row in due]


def note_failure() -> None:
    """Remember that a call of this instance failed in a way that a later call may not."""
    global _may_have_missed
    _may_have_missed = True


def with_missed(database: Database, function: str, named: Sequence[str]) -> list[str]:
    """Return the ids that an event named and, where some may be missed, those that are due."""
    global _may_have_missed
    if not _may_have_missed:
        return list(named)
    triggers = [trigger for trigger in TRIGGERS if trigger.function == function]
    due = [identity for trigger in triggers for identity in due_ids(database, trigger)]
    _may_have_missed = False
    return list(dict.fromkeys([*named, *due]))
