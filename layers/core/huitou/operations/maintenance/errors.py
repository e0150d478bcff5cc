"""What a maintenance request may name that doesn't exist."""

from __future__ import annotations

from huitou.runtime.errors import Words

DEAD_LETTER: Words = "死信", "dead letter"
