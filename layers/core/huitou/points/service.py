"""Points as orders and members meet them: read, set aside, give back."""

from __future__ import annotations

from typing import Any

from pymongo.client_session import ClientSession

from huitou.points.models import Account, PointsRules
from huitou.points.repository import PointsRepository
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest


class Points:
    def __init__(self, database: Database) -> None:
        self._repository = PointsRepository(database)

    def open_accounts(self, member_ids: list[str], session: ClientSession) -> None:
        self._repository.open_accounts(member_ids, session)

    def account(self, member_id: str) -> Account:
        """Return the member's account; Refusal NOT_REGISTERED where there is none."""
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_REGISTERED)
        return account

    def rules(self) -> PointsRules:
        return self._repository.rules()

    def reserve(self, member_id: str, points: int, session: ClientSession) -> None:
        """Set points aside for an order; Refusal POINTS_NOT_ENOUGH naming `points`."""
        if points and not self._repository.reserve(member_id, points, session):
            raise Refusal(Code.POINTS_NOT_ENOUGH, field="points")

    def release(self, member_id: str, points: int, session: ClientSession) -> None:
        """Give back what an order had set aside."""
        if points:
            self._repository.release(member_id, points, session)

    def statement(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        """Return a page of the member's entries, each with its cause and rule revision."""
        entries, after = self._repository.entries_of(member_id, page)
        shown = {"kind", "points", "order_id", "at", "rules_revision"}
        return {
            "entries": [{"entry_id": e.id} | e.model_dump(include=shown) for e in entries],
            "next": after,
        }
