"""session: who is signed in."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.operations.staff.models import MeAnswer, NoRequest, PasswordRequest
from huitou.operations.staff.service import Sessions, me
from huitou.runtime.documents import Answer


class DoneAnswer(Answer):
    """The answer of a route that has nothing to tell."""


def _sessions(desk: Desk) -> Sessions:
    return Sessions(desk.database, desk.call.settings.internal_secret)


def _sign_out(desk: Desk, _: NoRequest) -> object:
    _sessions(desk).sign_out(desk.token)
    return DoneAnswer()


def _password(desk: Desk, request: PasswordRequest) -> object:
    _sessions(desk).choose_password(desk.staff, request, desk.token, desk.address)
    return DoneAnswer()


def _me(desk: Desk, _: NoRequest) -> object:
    return me(desk.staff)


ROUTES = {
    "me": Route(NoRequest, _me, MeAnswer),
    "sign_out": Route(NoRequest, _sign_out, DoneAnswer),
    "password": Route(PasswordRequest, _password, DoneAnswer, target=lambda _: "self"),
}
