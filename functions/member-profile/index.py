"""member-profile: log in, profile, phone, consents, inbox, my orders, points, mall, coupons.

Callable by members, who they are comes from the platform's context; the console asks for links
and phones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import account
import coupons
import messages
import points
from huitou.runtime.handler import serve
from services import ProfileCall

MEMBER = {**account.MEMBER, **points.MEMBER, **coupons.MEMBER, **messages.MEMBER}
INTERNAL = {**coupons.INTERNAL, **account.INTERNAL}


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "member-profile", event, context, call_type=ProfileCall, member=MEMBER, internal=INTERNAL
    )
