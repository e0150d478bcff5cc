"""How the platform says no."""

from __future__ import annotations

from deployment.errors import Stopped


class PlatformError(Exception):
    """The platform refuses a call before it reaches a function; `code` is its word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AlreadyUp(Stopped):
    """Another process runs a local cloud on this data folder."""
