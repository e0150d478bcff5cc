"""campaign-run: finds the members whom running campaigns are for, and writes to each of them once.

Its own timer starts it. If there is much to do, the timer's call starts further workers.
Internal callers (the CLI, the console) write, check, start and stop campaigns (`campaigns.py`),
count audiences, and read reports (`runs.py`). Members can't call it; their inbox is in
member-profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import campaigns
import runs
from huitou.runtime.handler import serve
from services import CampaignCall

INTERNAL = {**campaigns.INTERNAL, **runs.INTERNAL}


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "campaign-run",
        event,
        context,
        call_type=CampaignCall,
        internal=INTERNAL,
        timer=runs.tick,
    )
