"""Every query on `points_entries`, and on the points in `accounts`."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.points.models import Account, LedgerEntry, PointsRules
from huitou.points.rules import AccountChange
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError, Refusal
from huitou.runtime.paging import PageRequest, newest_first
from huitou.runtime.triggers import DUE


class PointsRepository:
    def __init__(self, database: Database) -> None:
        self._recent = database.recent
        self._entries = database.collection("points_entries")
        self._accounts = database.collection("accounts")
        self._rules = database.collection("rules")

    def open_accounts(self, member_ids: list[str], session: ClientSession) -> None:
        """Insert empty accounts; a second one for a member is a DuplicateKeyError."""
        accounts = [Account(id=member_id).document() for member_id in member_ids]
        self._accounts.insert_many(accounts, session=session)

    def account(self, member_id: str) -> Account | None:
        found = self._accounts.find_one({"_id": member_id})
        return Account.model_validate(found) if found else None

    def posted(self, ids: list[str], session: ClientSession) -> set[str]:
        """Return which of these entries the ledger already holds."""
        found = self._entries.find({"_id": {"$in": ids}}, {"_id": 1}, session=session)
        return {entry["_id"] for entry in found}

    def post(
        self, entries: list[LedgerEntry], change: AccountChange, session: ClientSession
    ) -> None:
        """Append entries of one member and move the account by their sum, tier review due.

        Two settlements of one order meet at the order's own update before this; two orders of
        one member meet here, at the account, and one of them is retried.
        """
        if len(entries) == 1:  # Nearly always, and a third cheaper than a bulk of one.
            self._entries.insert_one(entries[0].document(), session=session)
        else:
            self._entries.insert_many([entry.document() for entry in entries], session=session)
        moved = self._accounts.update_one(
            {"_id": entries[0].member_id},
            {
                "$inc": {
                    "available": change.available,
                    "reserved": change.reserved,
                    f"spend_by_day.{change.business_day}": change.spend_fen,
                    "version": 1,
                },
                "$set": {"tier_review": DUE},
            },
            session=session,
        )
        if moved.matched_count == 0:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")

    def reserve(self, member_id: str, points: int, session: ClientSession) -> bool:
        """Set points aside for an order; False if the member hasn't that many.

        The filter guards the race of two orders for the same points: one finds too few.
        """
        moved = self._accounts.update_one(
            {"_id": member_id, "available": {"$gte": points}},
            {"$inc": {"available": -points, "reserved": points, "version": 1}},
            session=session,
        )
        return moved.matched_count == 1

    def release(self, member_id: str, points: int, session: ClientSession) -> None:
        """Give set-aside points back; the order's own transition lets this happen once."""
        released = self._accounts.update_one(
            {"_id": member_id, "reserved": {"$gte": points}},
            {"$inc": {"available": points, "reserved": -points, "version": 1}},
            session=session,
        )
        if released.matched_count == 0:
            raise HuitouError(Code.INTERNAL, field="reserved")

    def entries_of(self, member_id: str, page: PageRequest) -> tuple[list[LedgerEntry], str | None]:
        """A page of the member's entries, newest first, and the next cursor."""
        rows, after = newest_first(self._entries, {"member_id": member_id}, page, "at")
        return [LedgerEntry.model_validate(row) for row in rows], after

    def rules(self) -> PointsRules:
        """The chain's points rules, or the defaults before any were set."""

        def read() -> PointsRules:
            found = self._rules.find_one({"_id": "points"})
            return PointsRules.model_validate(found) if found else PointsRules()

        return self._recent.get("points rules", read)
