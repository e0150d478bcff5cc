"""How a command stops where it can't go on."""

from __future__ import annotations

GO_ON = "what was done so far stands; run the same command again to go on"


class Stopped(Exception):  # noqa: N818
    """A command can't go on; the message tells its user why and what to do."""


class DeploymentError(Stopped):
    """A deployment stopped; the message says where. Running it again goes on from there."""
