"""What a tier request may name that there is none of."""

from __future__ import annotations

from huitou.runtime.errors import Words

LEVEL: Words = "等级", "level"
