"""How a deployment stops."""

from __future__ import annotations

GO_ON = "what was done so far stands; run the same command again to go on"


class DeploymentError(Exception):
    """A deployment stopped; the message says where. Running it again goes on from there."""
