"""The word for what a roll-out request doesn't find."""

from __future__ import annotations

from huitou.runtime.errors import Words

TIER_RUN: Words = "等级规则应用", "tier run"
