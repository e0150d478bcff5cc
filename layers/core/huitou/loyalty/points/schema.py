"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from huitou.runtime.database import Database, Document
from huitou.runtime.declarations import (
    NOT_NEGATIVE,
    WHOLE,
    Declaration,
    ShardKey,
    day_due,
    hashed,
    index,
    marked_due,
)
from huitou.runtime.migrations import Migration, pages

DECLARATIONS = (
    Declaration(
        "accounts",
        "until erased",
        [
            marked_due("tier_review"),
            marked_due("benefits"),
            day_due("review_on"),
            day_due("monthly_on"),
            day_due("birthday_on"),
            day_due("birthday_md"),
            day_due("points_on"),
        ],
        validator={
            "required": ["available", "reserved", "version"],
            "properties": {
                "available": WHOLE,
                "reserved": NOT_NEGATIVE,
                "debt": NOT_NEGATIVE,
                "lots": {"additionalProperties": NOT_NEGATIVE},
                "pending": {"additionalProperties": NOT_NEGATIVE},
            },
        },
        shard_key=ShardKey("_id", "a list of the members who are due on a day asks every shard"),
    ),
    Declaration(
        "points_entries",
        "for ever",
        [
            index("member_id", "-number"),
            hashed("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
            index("at", "kind", "points", "is_test"),
            # Holds all that the liability report's daily sums need, so no entry is read.
            index("booked_on", "kind", "points", "debt", "is_test"),
        ],
        validator={
            "required": ["member_id", "kind", "points", "spend_fen"],
            "properties": {"points": WHOLE, "spend_fen": WHOLE},
        },
        shard_key=ShardKey(
            "_id",
            "a member's statement and the entries of an order ask every shard; "
            "before MongoDB 8 a transaction may not `$lookup` here",
        ),
        gone=("order_id_1",),
    ),
)


_NEVER = "9999-12-31"
_AT_ONCE = 50  # Accounts whose ledgers one transaction numbers.


def _note_birthdays(database: Database) -> None:
    """Copy birthdays from members to accounts: the timer for gifts looks for them there."""
    today = datetime.now(UTC).date().isoformat()
    for page in pages(database, "members", "birthday"):
        noted = []
        for member in page:
            month_day = (member.get("birthday") or "")[5:]
            years = (f"{int(today[:4]) + ahead}-{month_day}" for ahead in (0, 1))
            following = next((day for day in years if day > today), None)
            if month_day and following:
                noted.append(
                    UpdateOne(
                        {"_id": member["_id"], "birthday_md": {"$exists": False}},
                        {"$set": {"birthday_md": month_day, "birthday_on": following}},
                    )
                )
        if noted:
            database.collection("accounts").bulk_write(noted, ordered=False)


def _number_old_entries(database: Database) -> None:
    """Number old entries; put old points into one lot without end, since they had no expiry."""
    for page in pages(database, "accounts", "entries"):
        old = [account["_id"] for account in page if "entries" not in account]
        for start in range(0, len(old), _AT_ONCE):
            _number_entries(database, old[start : start + _AT_ONCE])
    with suppress(OperationFailure):  # It never existed, or is dropped already.
        database.collection("points_entries").drop_index("member_id_1_at_-1__id_-1")


def _number_entries(database: Database, member_ids: list[str]) -> None:
    accounts = database.collection("accounts")
    entries = database.collection("points_entries")

    def write(session: ClientSession) -> None:
        # One snapshot: if an order settles meanwhile, this transaction conflicts and runs again.
        ledger: dict[str, list[Document]] = defaultdict(list)
        for entry in entries.find({"member_id": {"$in": member_ids}}, session=session):
            ledger[entry["member_id"]].append(entry)
        moved, numbered = [], []
        for account in accounts.find({"_id": {"$in": member_ids}}, session=session):
            if "entries" in account:
                continue
            own = sorted(ledger[account["_id"]], key=lambda entry: (entry["at"], entry["_id"]))
            changes, of_entries = _with_lots(account, own)
            moved.append(
                UpdateOne({"_id": account["_id"]}, {"$set": changes, "$inc": {"version": 1}})
            )
            numbered += [
                UpdateOne({"_id": entry["_id"]}, {"$set": fields})
                for entry, fields in zip(own, of_entries, strict=True)
            ]
        if numbered:
            entries.bulk_write(numbered, session=session)
        if moved:
            accounts.bulk_write(moved, session=session)

    database.transact(write)


def _with_lots(account: Document, entries: Iterable[Document]) -> tuple[Document, list[Document]]:
    """Return what an account and its entries lack: one lot without end, and the debt."""
    lot = debt = balance = 0
    left_fen: Counter[str] = Counter()
    days: dict[str, Counter[str]] = {"orders_by_day": Counter(), "points_by_day": Counter()}
    numbered: list[Document] = []
    first = None
    for number, entry in enumerate(entries, 1):
        points, order_id, day = entry["points"], entry["order_id"], entry["business_day"]
        owed = -min(debt, points) if points > 0 else max(0, -points - lot)
        lot, debt, balance = lot + points + owed, debt + owed, balance + points
        orders = 0
        left_fen[order_id] += entry["spend_fen"]
        if entry["kind"] == "earn":
            orders, first = 1, first or order_id
        elif entry["kind"] == "claw-back" and left_fen[order_id] == 0:
            orders, first = -1, None if first == order_id else first
        days["orders_by_day"][day] += orders
        if entry["kind"] in ("earn", "claw-back"):
            days["points_by_day"][day] += points
        numbered.append(
            {
                "number": number,
                "balance": balance,
                "orders": orders,
                "debt": owed,
                "lots": [{"expires_on": _NEVER, "points": points + owed}],
                "booked_on": (entry["at"] + timedelta(hours=8)).date().isoformat(),
            }
        )
    open_lot, owes = max(0, account["available"]), max(0, -account["available"])
    if numbered:  # Points set aside no longer lower the debt: the last entry books the difference.
        apart = owes - debt
        numbered[-1]["debt"] += apart
        numbered[-1]["lots"][0]["points"] += apart
    changes: Document = {
        "lots": {_NEVER: open_lot} if open_lot else {},
        "pending": {},
        "debt": owes,
        "entries": len(numbered),
        **{name: {day: n for day, n in by_day.items() if n} for name, by_day in days.items()},
    }
    return changes | ({"first_order_id": first} if first else {}), numbered


MIGRATIONS = (
    Migration(4, "accounts know the next birthday", _note_birthdays),
    Migration(5, "entries are numbered, and old points are a lot without end", _number_old_entries),
)
