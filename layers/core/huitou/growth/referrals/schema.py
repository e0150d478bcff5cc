"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("referral_codes", "until erased", [index("member_id", unique=True)]),
    Declaration(
        "referrals",
        "two years (records of promotions)",
        [
            index("look_at", partialFilterExpression={"look_at": {"$exists": True}}),
            index("inviter_id", "-bound_at", "-_id"),
            index("status", "-bound_at", "-_id"),
            index(
                "inviter_id",
                "seq",
                unique=True,
                partialFilterExpression={"seq": {"$exists": True}},
                name="one_per_seq",
            ),
            index(
                "inviter_id",
                "place",
                unique=True,
                partialFilterExpression={"place": {"$exists": True}},
                name="one_per_place",
            ),
        ],
    ),
)
