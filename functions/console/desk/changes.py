"""changes: the record of who changed what."""

from __future__ import annotations

from desk.route import Route
from huitou.operations.audit_log.models import ChangesAnswer, ChangesRequest
from huitou.operations.audit_log.service import Changes

ROUTES = {
    "list": Route(
        ChangesRequest,
        lambda desk, r: Changes(desk.database, desk.clock).list_changes(r),
        ChangesAnswer,
    ),
}
