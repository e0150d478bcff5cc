"""Start the functions that follow a change, right after the call that made it due.

A repository that writes a marker of `TRIGGERS` tells it with `Followers.written`. When the call
ends, its work is committed, and each follower is started once with all ids. A note decides
nothing: the follower reads the document, so a note for a transaction that rolled back, a doubled
one or a lost one changes nothing. What a lost one leaves due, the follower's own timer finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from huitou.runtime.errors import ConfigurationError
from huitou.runtime.events import MAX_BATCH, change_event
from huitou.runtime.logs import log
from huitou.runtime.settings import Settings
from huitou.runtime.triggers import DONE, DUE, TRIGGERS, Trigger

MOST_NOTED = 1_000  # Ids of one follower in one call; the timers find the rest.
MOST_HOPS = len(TRIGGERS)  # Followers that start followers: a longer chain would be a circle.
TIMEOUT_S = 1.0  # A guest or WeChat Pay waits; a start takes some 15 ms.
PAUSE_S = 10.0  # After a start without an answer, so that not every caller waits for a timeout.


class Followers:
    """What this instance made due and nobody was told yet: document ids by trigger."""

    def __init__(self) -> None:
        self._noted: dict[Trigger, dict[str, None]] = {}
        self._paused_until = 0.0

    def __bool__(self) -> bool:
        return bool(self._noted)

    def written(self, collection: str, ids: Iterable[str], fields: Mapping[str, Any]) -> None:
        """Note that a write has set these `fields` on the documents with these ids.

        Only markers count: one that is "due" is noted. One that is "done" takes the note back, so
        that no follower is started for work that this call has done itself.
        """
        for trigger in TRIGGERS:
            state = fields.get(trigger.marker) if trigger.collection == collection else None
            if state == DUE:
                noted = self._noted.setdefault(trigger, {})
                noted.update(dict.fromkeys(islice(ids, MOST_NOTED - len(noted))))
            elif state == DONE and trigger in self._noted:
                for document_id in ids:
                    self._noted[trigger].pop(document_id, None)
                if not self._noted[trigger]:
                    del self._noted[trigger]

    def start(self, settings: Settings, sender: str, hops: int = 0) -> None:
        """Start the followers of what is noted; `sender` is this function.

        `hops` is how many followers led to this call. A start that fails is logged. If the platform
        didn't answer, the ids stay noted, and the next call of this instance sends them.
        """
        noted, self._noted = self._noted, {}
        for trigger, ids in noted.items():
            if hops >= MOST_HOPS:
                _log_failure(sender, trigger, len(ids), "hops")
                continue
            paused = time.monotonic() < self._paused_until
            if paused or not self._start(settings, sender, trigger, list(ids), hops + 1):
                self._noted[trigger] = ids

    def _start(
        self, settings: Settings, sender: str, trigger: Trigger, ids: list[str], hops: int
    ) -> bool:
        """Start one follower; False if nobody can tell whether it was started."""
        # Imported late: most calls make nothing due, and a cold start should not pay for it.
        from huitou.runtime.invoking import PERMISSION, InvokeFailed, invoke

        now = datetime.now(UTC)
        events = [change_event(trigger.collection, each, "update", now) for each in ids]
        try:
            for first in range(0, len(events), MAX_BATCH):
                batch = {"events": events[first : first + MAX_BATCH], "hops": hops}
                invoke(
                    settings.cloud,
                    settings.internal_secret,
                    trigger.function,
                    batch,
                    "Event",
                    TIMEOUT_S,
                )
        except ConfigurationError as error:
            _log_failure(sender, trigger, len(ids), f"{error.field} {error.detail}")
        except InvokeFailed as error:
            refused = error.code.startswith(("AuthFailure", "UnauthorizedOperation"))
            needs = f"{PERMISSION} for the role of {sender}" if refused else None
            _log_failure(sender, trigger, len(ids), error.code, needs)
            if not error.answered:
                self._paused_until = time.monotonic() + PAUSE_S
                return False
        return True


def _log_failure(
    sender: str, trigger: Trigger, count: int, reason: str, needs: str | None = None
) -> None:
    log(
        "follower_not_started",
        function=sender,
        follower=trigger.function,
        documents=count,
        reason=reason,
        needs=needs,
    )
