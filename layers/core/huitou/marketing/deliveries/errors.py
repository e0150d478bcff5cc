"""What an inbox request may name that there is none of."""

from __future__ import annotations

from huitou.runtime.errors import Words

MESSAGE: Words = "消息", "message"
