"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from pymongo import IndexModel

from huitou.runtime.declarations import Declaration, index


def _one_per(name: str) -> IndexModel:
    """Make an index under which a member can have each place of a limited template only once."""
    return index(
        "template_id",
        "member_id",
        name,
        unique=True,
        partialFilterExpression={name: {"$exists": True}},
        name=f"one_per_{name}",
    )


DECLARATIONS = (
    Declaration("coupon_templates", "for ever"),
    Declaration("scenes", "for ever"),
    Declaration(
        "coupons",
        "two years after their end",
        [
            index("member_id", "status", "valid_until"),
            index("member_id", "-issued_at", "-_id"),
            index("status", "valid_until", "_id"),
            _one_per("seq"),
            _one_per("day_seq"),
            _one_per("month_seq"),
            index("template_id", "member_id"),
            index(
                "template_id",
                "redeemed_at",
                partialFilterExpression={"redeemed_at": {"$exists": True}},
            ),
            index("order_id", partialFilterExpression={"order_id": {"$exists": True}}),
        ],
    ),
)
