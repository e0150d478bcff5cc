"""What a request of upkeep may name that there is none of."""

from __future__ import annotations

from huitou.runtime.errors import Words

DEAD_LETTER: Words = "死信", "dead letter"
