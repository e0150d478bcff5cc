"""What history makes of many members' tiers."""

from __future__ import annotations

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.runtime.database import Database
from huitou.settlement.models import AccountMove, OpenAccount


class HistoryRepository:
    """Tiers of many members in a few writes, inside the importer's transaction."""

    def __init__(self, database: Database) -> None:
        self._accounts = database.collection("accounts")
        self._changes = database.collection("tier_changes")

    def accounts(self, member_ids: list[str], session: ClientSession) -> list[OpenAccount]:
        fields = dict.fromkeys(OpenAccount.model_fields, 1)
        found = self._accounts.find({"_id": {"$in": member_ids}}, fields, session=session)
        return [OpenAccount.model_validate(document) for document in found]

    def move(self, moves: list[AccountMove], session: ClientSession) -> None:
        """Set the tiers as they stand after the entries that this transaction has posted."""
        self._accounts.bulk_write([_update(move) for move in moves], session=session)
        changes = [move.tier_change.document() for move in moves if move.tier_change]
        if changes:
            self._changes.insert_many(changes, session=session)


def _update(move: AccountMove) -> UpdateOne:
    if move.review_on is None:
        return UpdateOne(
            {"_id": move.member_id}, {"$set": move.changes, "$unset": {"review_on": ""}}
        )
    return UpdateOne(
        {"_id": move.member_id}, {"$set": move.changes | {"review_on": move.review_on}}
    )
