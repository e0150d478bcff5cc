"""pay: 试算, orders, payment by WeChat Pay, the store's steps, refunds and the daily bill.

Members may call it (`member.py`). WeChat Pay calls it back over HTTP (`notify.py`). Timers close
and complete orders, follow payments, refunds and shares up, and check each day's bill
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
