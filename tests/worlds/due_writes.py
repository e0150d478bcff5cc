"""Watch that whoever makes a marker due also tells `Followers`, so that a follower is started.

The watch reads the commands that the layer's code sends to the database, whatever builds them. So
a new writer that forgets to tell is found by the first test that lets it write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import monitoring

from bootstrap import ROOT
from huitou.runtime.followers import Followers
from huitou.runtime.triggers import DUE, TRIGGERS

Write = tuple[str, str, str]  # Collection, marker, id of the document.
LAYER = str(ROOT / "layers" / "core")
DRIVER = str(Path(monitoring.__file__).parent)
UNKNOWN = "a document that the filter does not name by its id"


class DueWrites(monitoring.CommandListener):
    """Keeps the markers that were committed as due, and those of which `Followers` were told."""

    def __init__(self) -> None:
        self.committed: set[Write] = set()
        self.told: set[Write] = set()
        self._sent: dict[int, tuple[set[Write], Any]] = {}
        self._open: dict[Any, set[Write]] = {}

    def forget(self) -> None:
        for kept in (self.committed, self.told, self._sent, self._open):
            kept.clear()

    def untold(self) -> set[Write]:
        return self.committed - self.told

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Keep what a command makes due, if the layer's own code sends it."""
        writes = set(_due_in(event.command_name, event.command))
        transaction = _transaction(event.command)
        if event.command_name in ("commitTransaction", "abortTransaction") or (
            writes and _is_ours()
        ):
            self._sent[event.request_id] = (writes, transaction)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count what was written; in a transaction, only once it is committed."""
        writes, transaction = self._sent.pop(event.request_id, (set(), None))
        if event.command_name == "commitTransaction":
            self.committed |= self._open.pop(transaction, set())
        elif event.command_name == "abortTransaction":
            self._open.pop(transaction, None)
        elif event.reply.get("n") == 0 or event.reply.get("value", True) is None:
            return  # The filter found nothing.
        elif transaction is None:
            self.committed |= writes
        else:
            self._open.setdefault(transaction, set()).update(writes)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Forget a command that has written nothing."""
        self._sent.pop(event.request_id, None)

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Watch every client that is opened in this block, for as long as it lives."""
        monitoring.register(self)
        try:
            yield
        finally:
            monitoring._LISTENERS.command_listeners.remove(self)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Watch what any `Followers` are told, and the clients that are opened meanwhile."""
        really = Followers.written

        def written(
            followers: Followers, collection: str, ids: Any, fields: Mapping[str, Any]
        ) -> None:
            ids = list(ids)
            for trigger in TRIGGERS:
                if trigger.collection == collection and fields.get(trigger.marker) == DUE:
                    self.told.update((collection, trigger.marker, each) for each in ids)
            really(followers, collection, ids, fields)

        Followers.written = written  # type: ignore[method-assign]
        try:
            with self.connecting():
                yield
        finally:
            Followers.written = really  # type: ignore[method-assign]


def _transaction(command: Mapping[str, Any]) -> Any:
    """Return what names the transaction of a command; None outside transactions."""
    if command.get("autocommit") is not False:
        return None
    return bytes(command["lsid"]["id"]), int(command["txnNumber"])


def _due_in(name: str, command: Mapping[str, Any]) -> Iterator[Write]:
    """Yield what a command makes due: its collection, marker and document."""
    collection = command.get(name)
    markers = [trigger.marker for trigger in TRIGGERS if trigger.collection == collection]
    for marker in markers:
        for document in command.get("documents", ()):
            if document.get(marker) == DUE:
                yield str(collection), marker, document["_id"]
        changes = [(one["q"], one["u"]) for one in command.get("updates", ())]
        if name == "findAndModify":
            changes.append((command["query"], command.get("update", {})))
        for where, update in changes:
            if _makes_due(update, marker):
                yield from ((str(collection), marker, each) for each in _ids(where))


def _makes_due(update: Any, marker: str) -> bool:
    stages = update if isinstance(update, list) else [update]
    found = [stage.get(marker) for stage in stages]  # A document that replaces another.
    for stage in stages:
        found += [stage.get(step, {}).get(marker) for step in ("$set", "$setOnInsert")]
        found += [stage.get(step, {}).get(marker) for step in ("$addFields", "$replaceWith")]
    return any(DUE in str(value) for value in found)


def _ids(where: Mapping[str, Any]) -> list[str]:
    named = where.get("_id", UNKNOWN)
    return list(named["$in"]) if isinstance(named, Mapping) else [named]


def _is_ours() -> bool:
    """Tell whether the layer's code called the driver; tests write markers by hand, too."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(DRIVER):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(LAYER)
