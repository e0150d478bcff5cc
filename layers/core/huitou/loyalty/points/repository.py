"""Every query on `points_entries`, and on the points in `accounts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.loyalty.points.models import Account, LedgerEntry, PointsRules
from huitou.runtime.database import Database, Document
from huitou.runtime.errors import Code, HuitouError
from huitou.runtime.revisions import revision_of
from huitou.runtime.triggers import DUE

if TYPE_CHECKING:
    from huitou.loyalty.points.rules import Book

# Fields of other areas to write into accounts along with points, by member; None removes one.
OtherFields = Mapping[str, Document]
NOTHING: OtherFields = MappingProxyType({})
_FIELDS = dict.fromkeys(
    ("schema", *(name for name in Account.model_fields if name not in ("id", "schema_"))), 1
)


class PointsRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._entries = database.collection("points_entries")
        self._accounts = database.collection("accounts")
        self._followers = database.followers
        self._rules = database.collection("rules")

    def open_accounts(self, member_ids: list[str], session: ClientSession) -> None:
        """Insert empty accounts; raises DuplicateKeyError if a member already has one."""
        accounts = [Account(id=member_id).document() for member_id in member_ids]
        self._accounts.insert_many(accounts, session=session)

    def account(self, member_id: str, session: ClientSession | None = None) -> Account | None:
        found = self._accounts.find_one({"_id": member_id}, _FIELDS, session=session)
        return Account.model_validate(found) if found else None

    def accounts(self, member_ids: Sequence[str], session: ClientSession) -> list[Account]:
        found = self._accounts.find({"_id": {"$in": list(member_ids)}}, _FIELDS, session=session)
        return [Account.model_validate(account) for account in found]

    def account_and_order(
        self, member_id: str, order_id: str, session: ClientSession
    ) -> tuple[Account | None, dict[str, LedgerEntry]]:
        """Return an account, and the few entries of one order by id, in one round trip."""
        of_order = {
            "from": "points_entries",
            "pipeline": [{"$match": {"order_id": order_id}}],
            "as": "of_order",
        }
        found = self._accounts.aggregate(
            [{"$match": {"_id": member_id}}, {"$project": _FIELDS}, {"$lookup": of_order}],
            session=session,
        )
        account = next(iter(found), None)
        if account is None:
            return None, {}
        entries = {e["_id"]: LedgerEntry.model_validate(e) for e in account.pop("of_order")}
        return Account.model_validate(account), entries

    def of_orders(
        self, order_ids: Sequence[str], session: ClientSession
    ) -> dict[str, dict[str, LedgerEntry]]:
        """Return the entries of several orders, by order id and entry id."""
        known: dict[str, dict[str, LedgerEntry]] = {order_id: {} for order_id in order_ids}
        for entry in self._entries.find({"order_id": {"$in": list(known)}}, session=session):
            known[entry["order_id"]][entry["_id"]] = LedgerEntry.model_validate(entry)
        return known

    def save(
        self, books: Sequence[Book], session: ClientSession, other_fields: OtherFields = NOTHING
    ) -> None:
        """Append the books' new entries and update their accounts.

        Each filter names the version at which the book was opened. If two transactions open the
        same book, one of them conflicts here, runs again and reads what the other one wrote.
        """
        changed = [book for book in books if book.changed]
        entries = [entry.document() for book in changed for entry in book.entries]
        if len(entries) == 1:  # The usual case, a third cheaper than a bulk write.
            self._entries.insert_one(entries[0], session=session)
        elif entries:
            self._entries.insert_many(entries, session=session)
        updates = [_update(book, other_fields) for book in changed]
        if len(updates) == 1:
            matched = self._accounts.update_one(*updates[0], session=session).matched_count
        elif updates:
            writes = [UpdateOne(*update) for update in updates]
            matched = self._accounts.bulk_write(writes, session=session).matched_count
        else:
            return
        if matched != len(changed):
            raise HuitouError(Code.INTERNAL, field="version")
        for where, update in updates:
            self._followers.written("accounts", [where["_id"]], update.get("$set", {}))

    def due(self, today: str) -> Iterator[str]:
        """Yield members whose accounts have something due by today, the longest due first."""
        due = self._accounts.find({"points_on": {"$lte": today}}, {"_id": 1}).sort("points_on", 1)
        yield from (account["_id"] for account in due)  # Streamed: a sweep stops in time.

    def entries_before(self, member_id: str, number: int | None, limit: int) -> list[LedgerEntry]:
        """Return up to `limit` entries of an account below this number, the newest first."""
        where: Document = {"member_id": member_id}
        if number is not None:
            where["number"] = {"$lt": number}
        rows = self._entries.find(where).sort("number", -1).limit(limit)
        return [LedgerEntry.model_validate(row) for row in rows]

    def entries_after(self, member_id: str, number: int, limit: int) -> list[LedgerEntry]:
        """Return up to `limit` entries of the member after this number, the oldest first."""
        where = {"member_id": member_id, "number": {"$gt": number}}
        rows = self._entries.find(where).sort("number", 1).limit(limit)
        return [LedgerEntry.model_validate(row) for row in rows]

    def by_ids(self, ids: Sequence[str], session: ClientSession) -> dict[str, LedgerEntry]:
        """Return those of these entries that exist, by id."""
        found = self._entries.find({"_id": {"$in": list(ids)}}, session=session)
        return {entry["_id"]: LedgerEntry.model_validate(entry) for entry in found}

    def with_points(self, member_ids: Sequence[str], session: ClientSession) -> set[str]:
        """Return those of these members who have points in any form, or owe some."""
        something = [{"available": {"$ne": 0}}, {"reserved": {"$ne": 0}}, {"debt": {"$gt": 0}}]
        found = self._accounts.find(
            {
                "_id": {"$in": list(member_ids)},
                "$or": [*something, {"pending": {"$nin": [{}, None]}}],
            },
            {"_id": 1},
            session=session,
        )
        return {account["_id"] for account in found}

    def by_places(
        self, places: Sequence[tuple[str, int]], session: ClientSession
    ) -> list[LedgerEntry]:
        """Return entries by their members and numbers, at most some hundreds."""
        wanted = [{"member_id": member_id, "number": number} for member_id, number in places]
        if not wanted:
            return []
        found = self._entries.find({"$or": wanted}, session=session)
        return [LedgerEntry.model_validate(entry) for entry in found]

    def rules(self) -> PointsRules:
        """Return the chain's points rules; the defaults if none are stored."""

        def read() -> PointsRules:
            found = self._rules.find_one({"_id": "points"})
            return PointsRules.model_validate(found) if found else PointsRules()

        return self._cache.get("points rules", read)

    def rules_of(self, revision: int) -> PointsRules:
        """Return one revision of the rules; the rules in force if it wasn't kept."""
        found = revision_of(self._rules, "points", revision)
        return PointsRules.model_validate(found) if found else self.rules()


def _update(book: Book, other_fields: OtherFields) -> tuple[Document, Document]:
    """Return filter and update of a book's account: points are set, tiers' figures incremented."""
    before = book.account
    values = {
        "available": book.available,
        "reserved": book.reserved,
        "lots": book.lots,
        "pending": book.pending,
        "debt": book.debt,
        "entries": before.entries + len(book.entries),
        "first_order_id": book.first_order_id,
        "points_on": book.due_on(),
        "noticed_through": book.noticed_through,
    }
    changes: dict[str, Any] = {
        name: value for name, value in values.items() if value != getattr(before, name)
    }
    moved = {
        f"{name}.{day}": change
        for name, days in book.figures.items()
        for day, change in days.items()
        if change
    }
    update: Document = {"$inc": {"version": 1, **moved}, "$set": {}, "$unset": {}}
    if moved:
        changes["tier_review"] = DUE
    for name, value in (changes | other_fields.get(before.id, {})).items():
        update["$unset" if value is None else "$set"][name] = "" if value is None else value
    where = {"_id": before.id, "version": before.version}
    return where, {operator: fields for operator, fields in update.items() if fields}
