"""What a roll-out request may name that there is none of."""

from __future__ import annotations

from huitou.runtime.errors import Words

TIER_RUN: Words = "等级规则应用", "tier run"
