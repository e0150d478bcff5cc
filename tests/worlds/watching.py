"""Watch which commands are sent to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import monitoring

from huitou.runtime.database import Database, connect


class Commands(monitoring.CommandListener):
    """Keeps the names of the commands that one client sends, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing: only started commands are kept."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing: only started commands are kept."""


@contextmanager
def watched(uri: str, name: str) -> Iterator[tuple[Database, Commands]]:
    """Open a database by a client of its own, whose commands are watched."""
    commands = Commands()
    monitoring.register(commands)
    try:
        database = connect(uri, name)
    finally:
        monitoring._LISTENERS.command_listeners.remove(commands)  # For this one client only.
    yield database, commands
    database.client.close()
