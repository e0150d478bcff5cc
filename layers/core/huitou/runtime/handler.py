"""The one entrance to a function: find out how a call came in ("door"), dispatch, answer.

There are these doors, checked in this order: members (the platform's context has an OpenID),
HTTP access, and internal callers with the function's token: timers, changes that other
functions or the relay tell, and actions from the CLI. A door that a function does not open is shut
for everybody.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError
from pymongo.errors import OperationFailure, PyMongoError

from huitou.runtime import missed
from huitou.runtime.clock import Clock, clock_for
from huitou.runtime.database import Database, shared_database
from huitou.runtime.documents import Answer
from huitou.runtime.errors import Code, ConfigurationError, HuitouError, Lang, Refusal
from huitou.runtime.events import HttpAnswer, HttpRequest, changed_ids, http_answer, http_request
from huitou.runtime.faults import as_failure
from huitou.runtime.identity import Caller, caller_of, is_internal
from huitou.runtime.loading import loaded
from huitou.runtime.logs import log
from huitou.runtime.parsing import (
    MOST_EVENT_BYTES,
    Malformed,
    check_depth,
    check_values,
    has_more_values,
)
from huitou.runtime.rates import count_call
from huitou.runtime.settings import Settings
from huitou.runtime.settings import settings as shared_settings
from huitou.runtime.sweeps import LONGEST_S, Each, Part, Sweep, Together, retry_cures

MAX_MEMBER_EVENT_BYTES = 64 * 1024  # A cart of 50 lines is some 10 KB.
# Fields of an event that are not the action's own: those of every call, and those that the
# platform or the client library adds.
_ENVELOPE = ("action", "v", "lang", "token", "userInfo", "tcbContext")
_started = time.monotonic()
_calls = 0


class Action:
    """One thing a caller may ask for: its request model, the use case, the shape of its answer.

    `answer` is the model of `data`, for `typings` and the tests; nothing is validated against it
    at run time. Both models may be late imports: a model is loaded when it is read here.
    `run` gets the function's own kind of Call. `most_a_minute` is how often one member may call
    it; only actions that cost much have it.
    """

    def __init__(
        self,
        request: type[BaseModel],
        run: Callable[[Any, Any], object],
        answer: type[BaseModel],
        most_a_minute: int | None = None,
    ) -> None:
        self._request = request
        self._answer = answer
        self.run = run
        self.most_a_minute = most_a_minute

    @property
    def request(self) -> type[BaseModel]:
        """The model of what is sent."""
        model: type[BaseModel] = loaded(self._request)
        return model

    @property
    def answer(self) -> type[BaseModel]:
        """The model of what is answered."""
        model: type[BaseModel] = loaded(self._answer)
        return model


class Call:
    """One invocation: who calls, when, on which database, and how long it may take.

    A function that uses several services has its own subclass, where each service is a cached
    property. So a service is built when it is first used, and once in each call.
    """

    def __init__(self, function: str, event: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self.function = function
        self.event = event
        self.request_id = str(context.get("request_id") or "")
        self.caller = caller_of(context)
        self.settings: Settings = shared_settings()
        limit_ms = context.get("time_limit_in_ms")
        self._ends = time.monotonic() + (limit_ms if isinstance(limit_ms, int) else 3_000) / 1000

    @cached_property
    def database(self) -> Database:
        return shared_database(self.settings.mongodb_uri, self.settings.database_name)

    @cached_property
    def clock(self) -> Clock:
        return clock_for(self.settings)

    @property
    def member(self) -> Caller:
        """The member who calls; Refusal IDENTITY_REQUIRED if no member does."""
        if self.caller is None:
            raise Refusal(Code.IDENTITY_REQUIRED)
        return self.caller

    @property
    def lang(self) -> Lang:
        return "en" if self.event.get("lang") == "en" else "zh"

    def seconds_left(self) -> float:
        """Return the seconds that are left until the platform ends this call."""
        return self._ends - time.monotonic()

    def due_ids(self, collection: str) -> list[str]:
        """Return the ids in the change event, and those whose events were missed.

        Raises Refusal if the event names another collection.
        """
        return missed.with_missed(
            self.database, self.function, changed_ids(self.event, (collection,))
        )

    def each(
        self, ids: Iterable[str], work: Each, together: Together | None = None
    ) -> dict[str, Any]:
        """Do `work` for each id; this is a `sweep` with one list."""
        part: Part = (ids, work, together) if together else (ids, work)
        return self.sweep({"outcomes": part})

    def sweep(self, parts: Mapping[str, Part], *, spare_s: float = LONGEST_S) -> dict[str, Any]:
        """Do each part's work for its ids, in the time that is left (see `Sweep.run`).

        `spare_s` is the longest time for one id: a list stops so early that this time is left.
        """
        sweep = Sweep(self.database, self.function)
        return sweep.run(parts, self.seconds_left() - spare_s)


Work = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Web:
    """An HTTP door: `answer` handles a request, `refused` builds the answer to a refused one."""

    answer: Callable[[Any, HttpRequest], HttpAnswer]
    refused: Callable[[HuitouError, dict[str, Any]], HttpAnswer]


def serve(
    function: str,
    event: object,
    context: Mapping[str, Any],
    *,
    call_type: type[Call] = Call,
    member: Mapping[str, Action] | None = None,
    internal: Mapping[str, Action] | None = None,
    changes: Work | None = None,
    timer: Work | None = None,
    http: Web | None = None,
) -> dict[str, Any]:
    """Answer one call of `function`; each keyword except `call_type` opens one door.

    Returns `{"ok": true, "data"}` or `{"ok": false, "error"}`; for HTTP calls, an HTTP answer.
    An exception is raised only for `changes` and `timer`, and only if the platform's retry can
    cure it.
    """
    global _calls
    started, cold = time.monotonic(), _calls == 0
    _calls += 1
    plain: Mapping[str, Any] = event if isinstance(event, dict) else {}
    call = call_type(function, plain, context)
    door, outcome = "?", "?"
    try:
        door, work = _door(call, event, member, internal, changes, timer, http)
        answer = work()
        outcome = "ok"
        return answer
    except (HuitouError, ValidationError, PyMongoError) as error:
        failure = as_failure(error)
        outcome = failure.code.name
        if door in ("changes", "timer") and retry_cures(error):
            missed.note_failure()
            raise
        if isinstance(error, ConfigurationError):
            log("misconfigured", function=function, setting=error.field, problem=error.detail)
        elif failure.code is Code.INTERNAL:
            _log_fault(call, error)
        return _refused(call, failure, http)
    except Exception as error:
        outcome = Code.INTERNAL.name
        _log_fault(call, error)
        return _refused(call, HuitouError(Code.INTERNAL), http)
    finally:
        _start_followers(call, door)
        log(
            "call",
            function=function,
            request_id=call.request_id,
            door=door,
            action=_known_action(plain.get("action"), member, internal),
            outcome=outcome,
            ms=round((time.monotonic() - started) * 1000, 1),
            cold=cold,
        )


def _start_followers(call: Call, door: str) -> None:
    """Start what must follow this call's changes, however it ended: a part may be committed."""
    database: Database | None = call.__dict__.get("database")  # A call may need none.
    if database is None or not database.followers:
        return
    try:
        hops = call.event.get("hops") if door == "changes" else 0  # Others could send any number.
        database.followers.start(call.settings, call.function, hops if type(hops) is int else 0)
    except Exception as error:  # The call's own work is done: its answer must not suffer.
        _log_fault(call, error)


def _known_action(name: object, *tables: Mapping[str, Action] | None) -> str | None:
    # Log only names that we know: a client may send anything as its action.
    return next((known for table in tables for known in table or () if known == name), None)


def _door(
    call: Call,
    event: object,
    member: Mapping[str, Action] | None,
    internal: Mapping[str, Action] | None,
    changes: Work | None,
    timer: Work | None,
    http: Web | None,
) -> tuple[str, Callable[[], dict[str, Any]]]:
    """Return the name of the door and the work to do; raises Refusal if the door is shut."""
    # Each value takes two bytes at least, so this refuses nothing that a later check lets through.
    most_bytes = MOST_EVENT_BYTES if call.caller is None else MAX_MEMBER_EVENT_BYTES
    if has_more_values(event, most_bytes // 2):
        raise Refusal(Code.TOO_LARGE, field="event")
    try:
        check_depth(event)
    except Malformed as malformed:
        raise malformed.refusal() from None
    if call.caller is not None:
        return "member", lambda: _as_member(call, event, member)
    if not isinstance(event, dict):
        raise Refusal(Code.INVALID_REQUEST, field="event", detail="object")
    if http is not None and "httpMethod" in event:
        return "http", lambda: http_answer(http.answer(call, http_request(event)))
    is_timer = event.get("Type") == "Timer"
    token = event.get("Message") if is_timer else event.get("token")
    if not is_internal(token, call.settings.internal_secret, call.function):
        raise Refusal(Code.FORBIDDEN if token else Code.IDENTITY_REQUIRED)
    if is_timer and timer is not None:
        return "timer", lambda: {"ok": True, "data": timer(call)}
    if changes is not None and ("events" in event or "specversion" in event):
        return "changes", lambda: {"ok": True, "data": changes(call)}
    if internal is not None:
        return "internal", lambda: act(call, event, internal)
    raise Refusal(Code.FORBIDDEN)


def _as_member(call: Call, event: object, actions: Mapping[str, Action] | None) -> dict[str, Any]:
    if actions is None:
        raise Refusal(Code.FORBIDDEN)
    if not isinstance(event, dict):
        raise Refusal(Code.INVALID_REQUEST, field="event", detail="object")
    _refuse_forged_identity(call.member, event.get("userInfo"))
    return act(call, event, actions, MAX_MEMBER_EVENT_BYTES)


def _refuse_forged_identity(caller: Caller, user_info: object) -> None:
    # The client library may send userInfo by itself. If it names somebody else, it is forged.
    if user_info is None:
        return
    named = user_info.get("openId", caller.openid) if isinstance(user_info, dict) else None
    if named != caller.openid:
        raise Refusal(Code.FORBIDDEN, field="userInfo")


def act(
    call: Call,
    event: dict[str, Any],
    actions: Mapping[str, Action],
    most_bytes: int = MOST_EVENT_BYTES,
) -> dict[str, Any]:
    """Run the action that the event names.

    Raises Refusal UNKNOWN_ACTION, TOO_LARGE or INVALID_REQUEST naming the field, or
    ValidationError if the fields don't fit the action's request model.
    """
    name = event.get("action")
    action = actions.get(name) if isinstance(name, str) else None
    if action is None:
        known = ", ".join(sorted(actions))
        raise Refusal(Code.UNKNOWN_ACTION, field="action", detail=known)
    if type(event.get("v", 1)) is not int or event.get("v", 1) != 1:
        raise Refusal(Code.INVALID_REQUEST, field="v", detail="1")
    fields = {key: value for key, value in event.items() if key not in _ENVELOPE}
    try:
        check_values(fields)
    except Malformed as malformed:
        raise malformed.refusal() from None
    sent = json.dumps(fields)
    if len(sent) > most_bytes:
        raise Refusal(Code.TOO_LARGE, field="event")
    request = action.request.model_validate_json(sent, strict=True, extra="forbid")
    if action.most_a_minute is not None and call.caller is not None:
        secret, who = call.settings.internal_secret, f"{call.caller.appid}:{call.caller.openid}"
        what = f"{call.function}:{name}"
        count_call(call.database, secret, who, what, action.most_a_minute)
    return {"ok": True, "data": _plain(action.run(call, request))}


def _plain(value: object) -> object:
    """Turn an answer into values that JSON has: models become dicts, moments ISO 8601 texts."""
    if isinstance(value, Answer):
        fields = type(value).model_fields.items()
        found = ((name, field, getattr(value, name)) for name, field in fields)
        return {n: _plain(v) for n, field, v in found if v is not None or field.is_required()}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _refused(call: Call, failure: HuitouError, http: Web | None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": failure.code.name, "message": failure.message(call.lang)}
    if isinstance(failure, ConfigurationError):
        error["message"] = Code.INTERNAL.english if call.lang == "en" else Code.INTERNAL.chinese
    elif failure.field:
        error["field"] = failure.field
    if failure.data is not None:
        error["data"] = _plain(failure.data)
    error["request_id"] = call.request_id
    if call.caller is None and "httpMethod" in call.event:
        if http is not None:
            return http_answer(http.refused(failure, error))
        return http_answer(HttpAnswer(404, {"ok": False, "error": error}))
    return {"ok": False, "error": error}


def _name_at_the_database(error: BaseException) -> str | None:
    """Return MongoDB's own name of a failure, as `Unauthorized`; its message may hold documents."""
    if not isinstance(error, OperationFailure):
        return None
    return str((error.details or {}).get("codeName", error.code))


def _log_fault(call: Call, error: BaseException) -> None:
    # Log where it happened, but not the error's message: messages can contain whole documents.
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    log(
        "fault",
        function=call.function,
        request_id=call.request_id,
        kind=type(error).__name__,
        reason=_name_at_the_database(error),
        where=" < ".join(f"{f.filename.rsplit('/', 2)[-1]}:{f.lineno}" for f in reversed(frames)),
    )
