"""The word for what a tier request doesn't find."""

from __future__ import annotations

from huitou.runtime.errors import Words

LEVEL: Words = "等级", "level"
