"""changes: the record of who changed what."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.operations.audit_log.models import ChangesAnswer, ChangesRequest
from huitou.operations.audit_log.service import Changes


def _list(desk: Desk, request: ChangesRequest) -> object:
    return Changes(desk.database, desk.clock).list_changes(request)


ROUTES = {
    "list": Route(ChangesRequest, _list, ChangesAnswer),
}
