"""Writing many members' history."""

from __future__ import annotations

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.points.models import LedgerEntry
from huitou.runtime.database import Database, Document
from huitou.settlement.models import AccountMove, OpenAccount


class HistoryRepository:
    """Entries and accounts of many members in a few writes, inside the importer's transaction."""

    def __init__(self, database: Database) -> None:
        self._entries = database.collection("points_entries")
        self._accounts = database.collection("accounts")
        self._changes = database.collection("tier_changes")

    def accounts(self, member_ids: list[str], session: ClientSession) -> list[OpenAccount]:
        fields = dict.fromkeys(OpenAccount.model_fields, 1)
        found = self._accounts.find({"_id": {"$in": member_ids}}, fields, session=session)
        return [OpenAccount.model_validate(document) for document in found]

    def append(
        self, entries: list[LedgerEntry], moves: list[AccountMove], session: ClientSession
    ) -> None:
        """Append the entries and move the accounts by them.

        The whole of `spend_by_day` is set: an order settled since the accounts were read in this
        snapshot makes the write conflict, and the transaction runs again on what is there then.
        """
        self._entries.insert_many([entry.document() for entry in entries], session=session)
        self._accounts.bulk_write([_update(move) for move in moves], session=session)
        changes = [move.tier_change.document() for move in moves if move.tier_change]
        if changes:
            self._changes.insert_many(changes, session=session)


def _update(move: AccountMove) -> UpdateOne:
    update: Document = {
        "$inc": {"available": move.available, "version": 1},
        "$set": move.changes,
    }
    if move.review_on is None:
        update["$unset"] = {"review_on": ""}
    else:
        update["$set"] = move.changes | {"review_on": move.review_on}
    return UpdateOne({"_id": move.member_id}, update)
