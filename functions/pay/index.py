"""pay: 试算 a cart, order it, pay it with WeChat Pay, follow it to the guest, give it back.

Callable by members (`member.py`). HTTP access brings WeChat Pay's callbacks (`notify.py`); timers
close and complete orders, follow payments, refunds and shares, and check each day's bill
(`timers.py`). Internal callers are a store's staff (`counter.py`) and finance (`money.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import counter
import member
import money
import notify
import timers
from huitou.runtime.handler import serve
from services import PayCall

MEMBER = member.MEMBER
INTERNAL = {**counter.INTERNAL, **money.INTERNAL}


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "pay",
        event,
        context,
        call_type=PayCall,
        member=MEMBER,
        internal=INTERNAL,
        timer=timers.run,
        http=notify.WEB,
    )
