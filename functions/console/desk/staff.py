"""staff: owners open and change accounts."""

from __future__ import annotations

from typing import Any

from desk.route import Desk, Route
from huitou.operations.staff.models import (
    AddStaffRequest,
    ChangeStaffRequest,
    NoRequest,
    SecretsAnswer,
    ShownStaff,
    StaffAnswer,
    StaffRequest,
)
from huitou.operations.staff.rules import shown
from huitou.operations.staff.service import Staff


def _staff(desk: Desk) -> Staff:
    return Staff(desk.database, desk.clock, desk.call.settings.internal_secret)


def _before(desk: Desk, request: Any) -> dict[str, Any]:
    return shown(_staff(desk).get_account(request.staff_id)).model_dump(mode="json")


def _list(desk: Desk, _: NoRequest) -> object:
    return _staff(desk).list_staff()


def _add(desk: Desk, request: AddStaffRequest) -> object:
    return _staff(desk).add_account(request)


def _change(desk: Desk, request: ChangeStaffRequest) -> object:
    return _staff(desk).change_account(request)


def _reset(desk: Desk, request: StaffRequest) -> object:
    return _staff(desk).reset_account(request.staff_id)


ROUTES = {
    "list": Route(NoRequest, _list, StaffAnswer),
    "add": Route(
        AddStaffRequest,
        _add,
        SecretsAnswer,
        target=lambda r: f"staff {r.staff_id}",
    ),
    "change": Route(
        ChangeStaffRequest,
        _change,
        ShownStaff,
        target=lambda r: f"staff {r.staff_id}",
        before=_before,
        after=lambda made: made.model_dump(mode="json"),
    ),
    "reset": Route(
        StaffRequest,
        _reset,
        SecretsAnswer,
        target=lambda r: f"staff {r.staff_id}",
    ),
}
