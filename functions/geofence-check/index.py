"""geofence-check: which stores are near a member's phone, and what arriving there brings.

Callable by members only, when they open the mini-program or return to it: there is no background
location. Wants their separate consent; who they are comes from the platform's context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.growth.geofence.models import NearAnswer, PositionRequest
    from huitou.growth.geofence.service import Geofence
    from huitou.members.profiles.service import Members


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("geofence-check", event, context, member=MEMBER)


def _check(call: Call, request: PositionRequest) -> NearAnswer:
    brand_id = call.settings.brand_id
    member_id = Members(call.database, call.clock, brand_id).member_id_of(call.member)
    return Geofence(call.database, call.clock, brand_id).check_position(
        member_id, request, call.lang
    )


MEMBER = {"check": Action(PositionRequest, _check, NearAnswer, most_a_minute=60)}
