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


ROUTES = {
    "list": Route(NoRequest, lambda desk, _: _staff(desk).list_staff(), StaffAnswer),
    "add": Route(
        AddStaffRequest, lambda desk, r: _staff(desk).add_account(r), SecretsAnswer,
        target=lambda r: f"staff {r.staff_id}",
    ),
    "change": Route(
        ChangeStaffRequest, lambda desk, r: _staff(desk).change_account(r), ShownStaff,
        target=lambda r: f"staff {r.staff_id}", before=_before,
        after=lambda made: made.model_dump(mode="json"),
    ),
    "reset": Route(
        StaffRequest, lambda desk, r: _staff(desk).reset_account(r.staff_id), SecretsAnswer,
        target=lambda r: f"staff {r.staff_id}",
    ),
}  # fmt: skip
