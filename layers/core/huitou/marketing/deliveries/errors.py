"""What an inbox request may fail to find."""

from __future__ import annotations

from huitou.runtime.errors import Words

MESSAGE: Words = "消息", "message"
