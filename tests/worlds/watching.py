"""Watch which commands are sent to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import monitoring

from huitou.runtime.database import Database, connect


class Commands(monitoring.CommandListener):
    """Keeps the commands that clients send, and their names, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sent: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)
        self.sent.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing: only started commands are kept."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing: only started commands are kept."""


@contextmanager
def watched(uri: str, name: str) -> Iterator[tuple[Database, Commands]]:
    """Open a database by a client of its own, whose commands are watched."""
    with watching_new_clients() as commands:
        database = connect(uri, name)
    yield database, commands
    database.client.close()


@contextmanager
def watching_new_clients() -> Iterator[Commands]:
    """Watch the commands of all clients that are opened within the block, as long as they live."""
    commands = Commands()
    monitoring.register(commands)
    try:
        yield commands
    finally:
        monitoring._LISTENERS.command_listeners.remove(commands)
