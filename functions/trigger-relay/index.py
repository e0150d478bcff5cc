"""trigger-relay: turns changes in the database into calls of the functions that follow them.

It is for writers outside our functions, and off unless its timer is deployed (see its README).
Started by its timer every minute: one relays until its time is over, a successor waits for the
hand-over, the others return at once. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.database import connect_for_waiting
from huitou.runtime.handler import Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.integrations.functions import Functions
    from huitou.runtime.relay import Relay


_SPARE_S = 10.0  # Kept for the last batch and the hand-over.


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("trigger-relay", event, context, timer=_relay)


def _relay(call: Call) -> dict[str, Any]:
    functions = Functions(call.settings.cloud, call.settings.internal_secret)
    stream = connect_for_waiting(call.settings.mongodb_uri, call.settings.database_name)
    with stream.client:
        relay = Relay(
            call.database, stream, functions.start, seconds=call.seconds_left() - _SPARE_S
        )
        return relay.run()
