"""Every collection of the product: its indexes, the validators that guard money, its retention.

`declare` applies all of it and runs the migrations that haven't run; safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import CollectionInvalid

from huitou.runtime.database import Database
from huitou.runtime.triggers import DONE, DUE

_WHOLE = {"bsonType": ["int", "long"]}
_NOT_NEGATIVE = {"bsonType": ["int", "long"], "minimum": 0}


@dataclass(frozen=True)
class Declaration:
    """One collection; `retention` says in words when documents go."""

    name: str
    retention: str
    indexes: list[IndexModel] = field(default_factory=list)
    validator: dict[str, Any] | None = None


def _due(marker: str, *order: str) -> IndexModel:
    # Holds only what is due, so finding it costs the same however many documents there are.
    keys = [(key, ASCENDING) for key in (marker, *order, "_id")]
    return IndexModel(keys, partialFilterExpression={marker: DUE}, name=f"{marker}_due")


def _by_day(name: str) -> IndexModel:
    """Index on the next day on which something falls due, where anything does."""
    only = {name: {"$exists": True}}
    return _index(name, "_id", partialFilterExpression=only, name=f"{name}_due")


def _index(*keys: str, **options: Any) -> IndexModel:
    """Index on fields in order; a leading minus means descending."""
    fields = [(key.lstrip("-"), DESCENDING if key[0] == "-" else ASCENDING) for key in keys]
    return IndexModel(fields, **options)


DECLARATIONS = (
    Declaration("stores", "for ever", [_index("brand_id", "_id")]),
    Declaration("dishes", "for ever"),
    Declaration("store_dishes", "for ever", [_index("store_id", "listed", "_id")]),
    Declaration("rules", "for ever"),
    Declaration("earning_rules", "for ever", [_index("valid_until")]),
    Declaration("rule_revisions", "for ever"),
    Declaration(
        "members",
        "until erased",
        [_index("registered_day"), _index("registered_channel", "registered_day")],
    ),
    Declaration("identities", "until erased", [_index("member_id")]),
    Declaration(
        "logins",
        "two years",
        [_due("rollup", "business_day"), _index("member_id", "business_day")],
    ),
    Declaration(
        "accounts",
        "until erased",
        [
            _due("tier_review"),
            _due("benefits"),
            _by_day("review_on"),
            _by_day("monthly_on"),
            _by_day("birthday_on"),
            _by_day("points_on"),
        ],
        validator={
            "required": ["available", "reserved", "version"],
            "properties": {
                "available": _WHOLE,
                "reserved": _NOT_NEGATIVE,
                "debt": _NOT_NEGATIVE,
                "lots": {"additionalProperties": _NOT_NEGATIVE},
                "pending": {"additionalProperties": _NOT_NEGATIVE},
            },
        },
    ),
    Declaration(
        "points_entries",
        "for ever",
        [
            _index("member_id", "-number"),
            _index("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
            _index("at", "kind", "points", "is_test"),
        ],
        validator={
            "required": ["member_id", "kind", "points", "spend_fen"],
            "properties": {"points": _WHOLE, "spend_fen": _WHOLE},
        },
    ),
    Declaration(
        "tier_changes",
        "for ever",
        [
            _index("member_id", "-at"),
            _index(
                "cause",
                "rules_revision",
                partialFilterExpression={"cause": "rules"},
                name="moved_by_rules",
            ),
        ],
    ),
    Declaration("tier_runs", "for ever", [_index("status", "_id"), _index("-revision")]),
    Declaration("notices", "two years", [_index("member_id", "-at", "-_id")]),
    Declaration("coupon_templates", "for ever"),
    Declaration("scenes", "for ever"),
    Declaration(
        "coupons",
        "two years after their end",
        [
            _index("member_id", "status", "valid_until"),
            _index("member_id", "-issued_at", "-_id"),
            _index("status", "valid_until"),
            _index(
                "template_id",
                "member_id",
                "seq",
                unique=True,
                partialFilterExpression={"seq": {"$exists": True}},
                name="one_per_seq",
            ),
            _index("template_id", "member_id"),
            _index("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
        ],
    ),
    Declaration(
        "orders",
        "for ever (accounting law)",
        [
            _due("settlement"),
            _due("rollup", "business_day"),
            _index("member_id", "-created_at", "-_id"),
            _index(  # Answers "when else was this member here" by itself.
                "member_id",
                "business_day",
                "store_id",
                "channel",
                "counted_fen",
                partialFilterExpression={"counted_fen": {"$gt": 0}},
                name="counted",
            ),
            _index("status", "expires_at"),
            _index("complete_by", partialFilterExpression={"complete_by": {"$exists": True}}),
            _due("shipping"),
        ],
        validator={
            "required": ["member_id", "status", "payable_fen", "points_used", "version"],
            "properties": {"payable_fen": _NOT_NEGATIVE, "points_used": _NOT_NEGATIVE},
        },
    ),
    Declaration(
        "payments",
        "for ever (accounting law)",
        [
            _index("order_id", "attempt", unique=True),
            _index(
                "order_id",
                unique=True,
                partialFilterExpression={"status": "open"},
                name="one_open_attempt",
            ),
            _index("member_id"),
            _index("ask_at", partialFilterExpression={"ask_at": {"$exists": True}}),
            _index("bill.day", "success_at", "_id"),  # Which no bill has shown yet.
        ],
        validator={
            "required": ["order_id", "amount_fen", "status"],
            "properties": {"amount_fen": {"bsonType": ["int", "long"], "minimum": 1}},
        },
    ),
    Declaration(
        "refunds",
        "for ever (accounting law)",
        [
            _index("status", "_id"),
            _index("member_id"),
            _index("order_id"),
            _index("bill.day", "success_at", "_id"),  # Which no bill has shown yet.
        ],
        validator={
            "required": ["order_id", "amount_fen", "status"],
            "properties": {"amount_fen": _NOT_NEGATIVE},
        },
    ),
    Declaration("pickup_numbers", "30 days"),
    Declaration(
        "shares",
        "for ever (accounting law)",
        [
            # Holds only what is under way, so finding it costs the same however many there are.
            _index(
                "look_at",
                "_id",
                partialFilterExpression={"look_at": {"$exists": True}},
                name="look_at_due",
            ),
            _index("member_id"),
        ],
        validator={
            "required": ["paid_fen", "refunded_fen", "fee_fen", "kept_fen", "status", "version"],
            "properties": {
                "paid_fen": {"bsonType": ["int", "long"], "minimum": 1},
                "refunded_fen": _NOT_NEGATIVE,
                "fee_fen": _NOT_NEGATIVE,
                "kept_fen": _WHOLE,
            },
        },
    ),
    Declaration("share_rules", "for ever"),
    Declaration("share_receivers", "for ever"),
    Declaration("platform_certificates", "until they expire", [_index("expires_at")]),
    Declaration(
        "discrepancies",
        "for ever (accounting law)",
        [
            _index("status", "-last_at", "-_id"),
            _index("day", "status", "-last_at", "-_id"),
            _index("reference", "status"),
        ],
    ),
    Declaration("bill_runs", "for ever (accounting law)"),
    Declaration(
        "kpi_days",
        "for ever",
        [
            _index("store_id", "channel", "day"),
            _index("day", partialFilterExpression={"new_members": {"$gt": 0}}, name="day_joined"),
        ],
    ),
    Declaration("kpi_marks", "until counted again"),
    Declaration("kpi_state", "overwritten"),
    Declaration("api_tokens", "overwritten"),
    Declaration("leases", "overwritten"),
    Declaration("relay_state", "overwritten"),
    Declaration("dead_letters", "until replayed"),
    Declaration("meta", "for ever"),
)


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


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "orders settled before the roll-ups are due for them", _count_old_orders),
    Migration(2, "members and log-ins from before the roll-ups are counted", _count_old_members),
    Migration(3, "orders list their refunds under way, and those of before end", _name_old_refunds),
    Migration(4, "accounts know the next birthday", _note_birthdays),
)


def declare(database: Database, migrations: tuple[Migration, ...] = MIGRATIONS) -> dict[str, Any]:
    """Make collections, validators and indexes as declared, then migrate forward."""
    for declaration in DECLARATIONS:
        schema = {"$jsonSchema": declaration.validator} if declaration.validator else {}
        try:
            database.mongo.create_collection(declaration.name, validator=schema)
        except CollectionInvalid:
            database.mongo.command("collMod", declaration.name, validator=schema)
        if declaration.indexes:
            database.collection(declaration.name).create_indexes(declaration.indexes)
    return {"collections": len(DECLARATIONS), "migrated": _migrate(database, migrations)}


def _migrate(database: Database, migrations: tuple[Migration, ...]) -> list[str]:
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
