"""Every collection of the product: its indexes, the validators that guard money, its retention.

`declare` applies all of it and runs the migrations that haven't run; safe to repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid

from huitou.runtime.database import Database
from huitou.runtime.migrations import MIGRATIONS, Migration, migrate
from huitou.runtime.triggers import DUE

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


def _one_per(name: str) -> IndexModel:
    """Index that lets a member have each place of a limited template once."""
    return _index(
        "template_id", "member_id", name, unique=True,
        partialFilterExpression={name: {"$exists": True}}, name=f"one_per_{name}",
    )  # fmt: skip


DECLARATIONS = (
    Declaration("stores", "for ever", [_index("brand_id", "_id")]),
    Declaration("dishes", "for ever"),
    Declaration(
        "store_dishes",
        "for ever",
        [
            _index("store_id", "listed", "_id"),
            _index("store_id", partialFilterExpression={"sold_out": True}, name="sold_out"),
        ],
    ),
    Declaration("rules", "for ever"),
    Declaration("earning_rules", "for ever", [_index("valid_until")]),
    Declaration("offers", "for ever", [_index("valid_until")]),
    Declaration(
        "limit_pools",
        "for ever",
        [_index("due_at", partialFilterExpression={"due_at": {"$exists": True}})],
        validator={
            "required": ["left", "left_fen"],
            "properties": {"left": _WHOLE, "left_fen": _WHOLE},
        },
    ),
    Declaration("limit_uses", "until erased", [_index("member_id")]),
    Declaration("rule_revisions", "for ever"),
    Declaration(
        "members",
        "until erased",
        [
            _index("registered_day"),
            _index("registered_channel", "registered_day"),
            _index("registered_channel", "registered_at", "_id"),
            _index(
                "phone_last4",
                "-registered_at",
                "-_id",
                partialFilterExpression={"phone_last4": {"$exists": True}},
            ),
        ],
    ),
    Declaration("identities", "until erased", [_index("member_id"), _index("before", sparse=True)]),
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
            _by_day("birthday_md"),
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
            # Answers by itself what became of points on a day: the liability report.
            _index("booked_on", "kind", "points", "debt", "is_test"),
        ],
        validator={
            "required": ["member_id", "kind", "points", "spend_fen"],
            "properties": {"points": _WHOLE, "spend_fen": _WHOLE},
        },
    ),
    Declaration("points_months", "for ever (accounting law)"),
    Declaration(
        "points_adjustments",
        "for ever (accounting law)",
        [_index("member_id", "actor", "day"), _index("status", "-created_at", "-_id")],
    ),
    Declaration("merges", "for ever"),
    Declaration("erasures", "for ever (proof of erasure)"),
    Declaration(
        "points_holds",
        "for ever (entries name them)",
        [
            # Holds only those that wait, so finding what is due costs the same for ever.
            _index(
                "expires_at",
                "_id",
                partialFilterExpression={"status": "held"},
                name="held_until",
            ),
            _index("member_id"),
        ],
        validator={
            "required": ["member_id", "points", "status", "version"],
            "properties": {"points": {"bsonType": ["int", "long"], "minimum": 1}},
        },
    ),
    Declaration("mall_items", "for ever", [_index("listed", "_id")]),
    Declaration(
        "mall_stock",
        "for ever",
        validator={"required": ["taken"], "properties": {"taken": _NOT_NEGATIVE}},
    ),
    Declaration(
        "mall_exchanges",
        "for ever (entries name them)",
        [_index("member_id", "item_id", "seq", unique=True, name="one_per_seq")],
        validator={
            "required": ["member_id", "item_id", "seq", "points", "coupon_id"],
            "properties": {"points": _NOT_NEGATIVE},
        },
    ),
    Declaration(
        "tier_changes",
        "for ever",
        [
            _index("member_id", "-at"),
            _index("at", "_id"),
            _index(
                "cause",
                "rules_revision",
                partialFilterExpression={"cause": "rules"},
                name="moved_by_rules",
            ),
        ],
    ),
    Declaration("tier_runs", "for ever", [_index("status", "_id"), _index("-revision")]),
    Declaration(
        "notices", "two years", [_index("member_id", "-at", "-_id"), _index("kind", "at", "_id")]
    ),
    Declaration("coupon_templates", "for ever"),
    Declaration("scenes", "for ever"),
    Declaration("code_batches", "for ever", [_index("number", unique=True)]),
    Declaration("code_uses", "for ever", [_index("batch"), _index("member_id")]),
    Declaration("code_tries", "until erased"),
    Declaration(
        "coupons",
        "two years after their end",
        [
            _index("member_id", "status", "valid_until"),
            _index("member_id", "-issued_at", "-_id"),
            _index("status", "valid_until", "_id"),
            _one_per("seq"),
            _one_per("day_seq"),
            _one_per("month_seq"),
            _index("template_id", "member_id"),
            _index(
                "template_id",
                "redeemed_at",
                partialFilterExpression={"redeemed_at": {"$exists": True}},
            ),
            _index("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
        ],
    ),
    Declaration(
        "orders",
        "for ever (accounting law)",
        [
            _due("settlement"),
            _due("rollup", "business_day"),
            _due("features"),
            _index("member_id", "-created_at", "-_id"),
            _index("store_id", "business_day", "-created_at", "-_id"),
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
            _index(
                "completed_at",
                "_id",
                partialFilterExpression={"completed_at": {"$exists": True}},
            ),
            _index("complete_by", partialFilterExpression={"complete_by": {"$exists": True}}),
            _due("shipping"),
            _due("card"),
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
        "features",
        "until erased",
        [
            _index("last_order_day", "_id"),
            _index("overdue_on", "_id", partialFilterExpression={"overdue_on": {"$exists": True}}),
            _index(
                "first_order_at",
                "_id",
                partialFilterExpression={"first_order_at": {"$exists": True}},
            ),
            _index("usual_store_id", "_id"),
            _index("night_guest", "_id", partialFilterExpression={"night_guest": True}),
            _index("tags", "_id"),
        ],
    ),
    Declaration("dish_days", "30 days"),
    Declaration("consents", "for ever (proof of consent)", [_index("member_id", "purpose", "n")]),
    Declaration("campaigns", "for ever (records of promotions)"),
    Declaration("campaign_states", "for ever", [_index("status", "-priority", "_id")]),
    Declaration(
        "campaign_runs",
        "two years (records of promotions)",
        [
            _index(
                "status",
                "campaign_id",
                "_id",
                partialFilterExpression={"status": "due"},
                name="runs_due",
            ),
            _index("campaign_id", "-day", "part"),
            _index(
                "-day",
                "campaign_id",
                partialFilterExpression={"status": "skipped"},
                name="runs_skipped",
            ),
        ],
    ),
    Declaration("deliveries", "until given", [_index("since")]),
    Declaration(
        "campaign_waiting",
        "until served",
        [_index("campaign_id", "due_at", "_id"), _index("member_id")],
    ),
    Declaration(
        "exposures",
        "two years (records of promotions)",
        [
            _index("campaign_id", "member_id", "at"),
            _index("member_id", "day", "campaign_id"),
            _index("member_id", "delivery", "-at", "-_id"),
            _index(
                "member_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_per_place",
            ),
            _due("push"),
            _index(
                "push", "sent_at", partialFilterExpression={"push": "sending"}, name="push_sending"
            ),
        ],
    ),
    Declaration(
        "subscriptions",
        "until erased",
        [_index("member_id")],
        validator={"required": ["left"], "properties": {"left": _NOT_NEGATIVE}},
    ),
    Declaration(
        "positions",
        "24 hours",
        # Real time, when the cell was written: what must go can't wait for a driven clock.
        [_index("delete_at", expireAfterSeconds=0)],
    ),
    Declaration(
        "arrivals",
        "two years",
        [
            _index("at", "_id"),
            _index("member_id", "day"),
            _index(
                "member_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_arrival_per_place",
            ),
        ],
    ),
    Declaration("referral_codes", "until erased", [_index("member_id", unique=True)]),
    Declaration(
        "referrals",
        "two years (records of promotions)",
        [
            _index("look_at", partialFilterExpression={"look_at": {"$exists": True}}),
            _index("inviter_id", "-bound_at", "-_id"),
            _index("status", "-bound_at", "-_id"),
            _index(
                "inviter_id",
                "seq",
                unique=True,
                partialFilterExpression={"seq": {"$exists": True}},
                name="one_per_seq",
            ),
            _index(
                "inviter_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_per_place",
            ),
        ],
    ),
    Declaration("weather_days", "two years", [_index("day")]),
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
    Declaration("staff", "until removed", [_index("role", "status")]),
    Declaration(
        "staff_sessions",
        "half a day",
        [_index("expires_at", expireAfterSeconds=0), _index("staff_id")],
    ),
    Declaration("sign_in_tries", "an hour", [_index("expires_at", expireAfterSeconds=0)]),
    Declaration(
        "staff_changes",
        "two years (who did what)",
        [
            _index("-at", "-_id"),
            _index("target", "-at", "-_id"),
            _index("staff_id", "-at", "-_id"),
        ],
    ),
    Declaration("api_tokens", "overwritten"),
    Declaration("leases", "overwritten"),
    Declaration("relay_state", "overwritten"),
    Declaration("dead_letters", "until replayed"),
    Declaration("meta", "for ever"),
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
    return {"collections": len(DECLARATIONS), "migrated": migrate(database, migrations)}
