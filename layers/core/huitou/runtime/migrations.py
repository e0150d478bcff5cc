"""Forward steps of the data, each run once, in order; safe to repeat after a crash."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from huitou.runtime.database import Database, Document
from huitou.runtime.triggers import DONE, DUE

_NEVER = "9999-12-31"
_AT_ONCE = 50  # Accounts whose ledgers one transaction numbers.


@dataclass(frozen=True)
class Migration:
    """One forward step of the data; must be safe to repeat after a crash."""

    number: int
    title: str
    run: Callable[[Database], None]


def _pages(database: Database, collection: str, *fields: str) -> Iterator[list[dict[str, Any]]]:
    """Read a whole collection page by page, by id."""
    after = ""
    shown = dict.fromkeys(fields, 1)
    while page := list(
        database.collection(collection)
        .find({"_id": {"$gt": after}}, shown)
        .sort("_id", 1)
        .limit(500)
    ):
        after = page[-1]["_id"]
        yield page


def _count_old_orders(database: Database) -> None:
    for page in _pages(database, "orders", "settlement", "rollup"):
        settled = [o["_id"] for o in page if o.get("settlement") == DONE and "rollup" not in o]
        _mark_all(database, "orders", settled, "rollup", DUE)


def _feature_old_orders(database: Database) -> None:
    for page in _pages(database, "orders", "settlement", "features"):
        settled = [o["_id"] for o in page if o.get("settlement") == DONE and "features" not in o]
        _mark_all(database, "orders", settled, "features", DUE)


def _count_old_members(database: Database) -> None:
    for page in _pages(database, "members", "registered_channel"):
        old = [member["_id"] for member in page if "registered_channel" not in member]
        _mark_all(database, "members", old, "registered_channel", "mini_program")
    for page in _pages(database, "logins", "rollup"):
        old = [login["_id"] for login in page if "rollup" not in login]
        _mark_all(database, "logins", old, "rollup", DUE)


def _name_old_refunds(database: Database) -> None:
    """Refunds under way were one id on the order.

    `paid` was the end of an order's life: those of then complete a day after, by the timer.
    """
    fields = ("status", "refund_id", "payable_fen", "refunding", "refunds", "refund_status",
              "origin", "paid_at", "complete_by")  # fmt: skip
    for page in _pages(database, "orders", *fields):
        # The state read: the version still running may end a refund at this moment.
        moved = [
            UpdateOne({"_id": order["_id"], "status": order["status"]}, {"$set": changes})
            for order in page
            if (changes := _with_old_refund(order) | _with_end(order))
        ]
        if moved:
            database.collection("orders").bulk_write(moved, ordered=False)


def _with_old_refund(order: dict[str, Any]) -> dict[str, Any]:
    named = order.get("refund_id")
    if named is None or order["status"] not in ("refunding", "refunded"):
        return {}
    if order["status"] == "refunded" or "refunding" in order:
        return {} if order.get("refund_status") else {"refund_status": "refunded"}
    pending = {"refund_id": named, "amount_fen": order["payable_fen"], "lines": []}
    return {"refunding": [pending], "refund_status": "refunding", "before_refund": "paid"}


def _with_end(order: dict[str, Any]) -> dict[str, Any]:
    old = order["status"] in ("paid", "refunding") and order.get("origin", "live") == "live"
    if not old or "complete_by" in order or order.get("paid_at") is None:
        return {}
    # Whoever told WeChat of handing those over did so by hand.
    return {"complete_by": order["paid_at"] + timedelta(days=1), "shipping": "not_needed"}


def _mark_all(database: Database, collection: str, ids: list[str], name: str, value: str) -> None:
    database.collection(collection).update_many(
        {"_id": {"$in": ids}, name: {"$exists": False}}, {"$set": {name: value}}
    )


def _note_birthdays(database: Database) -> None:
    """Birthdays stood with the member only; gifts are found by the account's next one."""
    today = datetime.now(UTC).date().isoformat()
    for page in _pages(database, "members", "birthday"):
        noted = []
        for member in page:
            month_day = (member.get("birthday") or "")[5:]
            years = (f"{int(today[:4]) + ahead}-{month_day}" for ahead in (0, 1))
            following = next((day for day in years if day > today), None)
            if month_day and following:
                noted.append(UpdateOne(
                    {"_id": member["_id"], "birthday_md": {"$exists": False}},
                    {"$set": {"birthday_md": month_day, "birthday_on": following}},
                ))  # fmt: skip
        if noted:
            database.collection("accounts").bulk_write(noted, ordered=False)


def _number_old_entries(database: Database) -> None:
    """Points had no lots: what members have then holds for ever, as it was promised."""
    for page in _pages(database, "accounts", "entries"):
        old = [account["_id"] for account in page if "entries" not in account]
        for start in range(0, len(old), _AT_ONCE):
            _number_entries(database, old[start : start + _AT_ONCE])
    with suppress(OperationFailure):  # It never was there, or is gone.
        database.collection("points_entries").drop_index("member_id_1_at_-1__id_-1")


def _number_entries(database: Database, member_ids: list[str]) -> None:
    accounts = database.collection("accounts")
    entries = database.collection("points_entries")

    def write(session: ClientSession) -> None:
        # All in one snapshot: whoever settles meanwhile makes this conflict and run again.
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
    """Say what an account and its entries lack: one lot without end, and what is owed."""
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
        numbered.append({
            "number": number, "balance": balance, "orders": orders, "debt": owed,
            "lots": [{"expires_on": _NEVER, "points": points + owed}],
            "booked_on": (entry["at"] + timedelta(hours=8)).date().isoformat(),
        })  # fmt: skip
    open_lot, owes = max(0, account["available"]), max(0, -account["available"])
    if numbered:  # What was set aside while something was owed: both stand apart from now on.
        apart = owes - debt
        numbered[-1]["debt"] += apart
        numbered[-1]["lots"][0]["points"] += apart
    changes: Document = {
        "lots": {_NEVER: open_lot} if open_lot else {}, "pending": {}, "debt": owes,
        "entries": len(numbered),
        **{name: {day: n for day, n in by_day.items() if n} for name, by_day in days.items()},
    }  # fmt: skip
    return changes | ({"first_order_id": first} if first else {}), numbered


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "orders settled before the roll-ups are due for them", _count_old_orders),
    Migration(2, "members and log-ins from before the roll-ups are counted", _count_old_members),
    Migration(3, "orders list their refunds under way, and those of before end", _name_old_refunds),
    Migration(4, "accounts know the next birthday", _note_birthdays),
    Migration(5, "entries are numbered, and old points are a lot without end", _number_old_entries),
    Migration(6, "orders settled before there were features are due for them", _feature_old_orders),
)


def migrate(database: Database, migrations: tuple[Migration, ...]) -> list[str]:
    """Run those that haven't run; returns their titles."""
    meta = database.collection("meta")
    state = meta.find_one({"_id": "migrations"}) or {"number": 0}
    done = []
    for migration in sorted(migrations, key=lambda step: step.number):
        if migration.number > state["number"]:
            migration.run(database)
            meta.update_one(
                {"_id": "migrations"},
                {"$max": {"number": migration.number}, "$set": {"schema": 1}},
                upsert=True,
            )
            done.append(migration.title)
    return done
