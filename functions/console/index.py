"""console: what staff do in their browsers, by HTTP under /api; each route is for some roles only.

Browsers call it through HTTP access. Internal callers (the CLI) open accounts. Members and timers
can't call it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from desk.route import Desk, Route
from huitou.operations.audit_log.service import Changes
from huitou.operations.staff.errors import StaffErrors
from huitou.operations.staff.models import (
    AddStaffRequest,
    MeAnswer,
    NoRequest,
    SecretsAnswer,
    SignInRequest,
    StaffAnswer,
    StaffRequest,
)
from huitou.operations.staff.rules import may
from huitou.operations.staff.service import SESSION_LIVES, Sessions, Staff, me
from huitou.runtime.errors import Code, HuitouError, Refusal
from huitou.runtime.events import HttpAnswer, HttpRequest, json_body
from huitou.runtime.handler import Action, Call, Web, act, serve

AREAS = (
    "session", "staff", "changes", "home", "stores", "menu", "orders", "approvals", "members",
    "coupons", "tiers", "campaigns",
)  # fmt: skip
SIGN_IN = "session/sign_in"
COOKIE = "huitou_session"
# Another site's page can send us a form, but not this header.
OURS = "x-huitou"
MOST_BYTES = 64 * 1024
_BEFORE_PASSWORD = ("session/me", "session/sign_out", "session/password")
_STATUS = {
    StaffErrors.SIGN_IN_REQUIRED: 401, StaffErrors.SIGN_IN_FAILED: 401, Code.FORBIDDEN: 403,
    StaffErrors.PASSWORD_TO_CHOOSE: 403, Code.NOT_FOUND: 404, Code.UNKNOWN_ACTION: 404,
    Code.RULES_CONFLICT: 409, Code.TOO_MANY_TRIES: 429, Code.UNAVAILABLE: 503,
}  # fmt: skip


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("console", event, context, internal=INTERNAL, http=Web(_api, _refused))


def routes(area: str) -> dict[str, Route]:
    """Return the routes of an area; the first call loads its module."""
    module = importlib.import_module(f"desk.{area}")
    found: dict[str, Route] = module.ROUTES
    return found


def _api(call: Call, request: HttpRequest) -> HttpAnswer:
    if request.method != "POST" or request.headers.get(OURS) != "1":
        raise Refusal(Code.FORBIDDEN)
    name = request.path.removeprefix("/api/").strip("/")
    fields = _fields(request)
    call.event = {**call.event, "lang": fields.pop("lang", "zh")}
    if name == SIGN_IN:
        return _sign_in(call, fields, request)
    token = _token(request)
    staff = Sessions(call.database, call.settings.internal_secret).get_signed_in_staff(token)
    if staff.new_password and name not in _BEFORE_PASSWORD:
        raise Refusal(StaffErrors.PASSWORD_TO_CHOOSE)
    area, _, action = name.partition("/")
    route = routes(area).get(action) if area in AREAS else None
    if route is None:
        raise Refusal(Code.UNKNOWN_ACTION, detail=name)
    if not may(staff.role, name):
        raise Refusal(Code.FORBIDDEN)
    data = _run_route(Desk(call, staff, token, request.address), name, route, fields)
    headers = _cookie(call, "", 0) if name == "session/sign_out" else {}
    return HttpAnswer(200, data, headers)


def _fields(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MOST_BYTES:
        raise Refusal(Code.TOO_LARGE, field="body")
    return json_body(request)


def _run_route(desk: Desk, name: str, route: Route, fields: dict[str, Any]) -> dict[str, Any]:
    """Run a route in this person's name, and record what it changed."""
    signature = desk.signature()
    for field in route.signed:
        if field in fields:  # The browser must not say who acts.
            raise Refusal(Code.INVALID_REQUEST, field=field, detail="extra_forbidden")
    signed = {field: signature[field] for field in route.signed}

    def run(_: Call, request: Any) -> object:
        if route.target is None:
            return route.run(desk, request)

        def change() -> object:
            return route.run(desk, request)

        return Changes(desk.database, desk.clock).make_recorded_change(
            desk.staff,
            name,
            route.target(request),
            change,
            before=route.before(desk, request) if route.before else None,
            after=route.after,
        )

    actions = {name: Action(route.request, run, route.answer)}
    return act(desk.call, {**fields, **signed, "action": name}, actions)


def _sign_in(call: Call, fields: dict[str, Any], request: HttpRequest) -> HttpAnswer:
    sessions = Sessions(call.database, call.settings.internal_secret)
    begun: list[str] = []

    def run(_: Call, asked: SignInRequest) -> object:
        token, staff = sessions.sign_in(asked, request.address)
        begun.append(token)
        return me(staff)

    answer = act(
        call,
        {**fields, "action": SIGN_IN},
        {SIGN_IN: Action(SignInRequest, run, MeAnswer)},
    )
    lives = int(SESSION_LIVES.total_seconds())
    return HttpAnswer(200, answer, _cookie(call, begun[0], lives))


def _token(request: HttpRequest) -> str:
    # Python's own parser of cookies takes seconds for a header full of backslashes.
    for cookie in request.headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == COOKIE and value:
            return value
    raise Refusal(StaffErrors.SIGN_IN_REQUIRED)


def _cookie(call: Call, token: str, lives_s: int) -> dict[str, str]:
    secure = "" if call.settings.clock_file else " Secure;"  # The local cloud serves plain HTTP.
    kept = f"{COOKIE}={token}; HttpOnly;{secure} SameSite=Strict; Path=/api; Max-Age={lives_s}"
    return {"Set-Cookie": kept}


def _refused(failure: HuitouError, error: dict[str, Any]) -> HttpAnswer:
    status = _STATUS.get(failure.code, 400 if isinstance(failure, Refusal) else 500)
    return HttpAnswer(status, {"ok": False, "error": error})


def _staff(call: Call) -> Staff:
    return Staff(call.database, call.clock, call.settings.internal_secret)


def _add_staff(call: Call, request: AddStaffRequest) -> object:
    return _staff(call).add_account(request)


def _reset_staff(call: Call, request: StaffRequest) -> object:
    return _staff(call).reset_account(request.staff_id)


def _list_staff(call: Call, _: NoRequest) -> object:
    return _staff(call).list_staff()


INTERNAL = {
    "add_staff": Action(AddStaffRequest, _add_staff, SecretsAnswer),
    "reset_staff": Action(StaffRequest, _reset_staff, SecretsAnswer),
    "staff": Action(NoRequest, _list_staff, StaffAnswer),
}
