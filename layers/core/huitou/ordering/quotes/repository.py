"""Reads what a price needs in one round trip: the account, the store's dishes, the coupons.

This is the only query that reads the collections of three areas. With a query for each, a guest
who orders would wait twice as long.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from huitou.catalog.menu.models import StoreDish
from huitou.coupons.issuing.rules import MOST_HELD
from huitou.loyalty.points.models import Account
from huitou.loyalty.tiers.models import Standing
from huitou.runtime.database import Database, Document
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.issuing.models import Coupon

# Without the figures by day that tiers need: an account may have hundreds of them.
_FIELDS = dict.fromkeys(
    ("schema", "tier", *(set(Account.model_fields) - {"id", "schema_", "points_by_day"})), 1
)


class Read(NamedTuple):
    """A member's account and tier, the cart's dishes at the store, and coupons.

    The coupons are those that were named, or all that the member holds. A named coupon may belong
    to another member: the caller must check that.
    """

    account: Account
    standing: Standing
    store_dishes: list[StoreDish]
    coupons: list[Coupon]


class PricingRepository:
    def __init__(self, database: Database) -> None:
        self._accounts = database.collection("accounts")

    def read(
        self,
        member_id: str,
        store_id: str,
        dish_ids: Collection[str],
        coupon_ids: Sequence[str] | None,
    ) -> Read | None:
        """Return what a price needs, None if the member has no account.

        If `coupon_ids` is None, the coupons are the member's usable ones, ordered by their end.
        """
        rows = {"_id": {"$in": [f"{store_id}:{dish_id}" for dish_id in dish_ids]}, "listed": True}
        pipeline: list[Document] = [
            {"$match": {"_id": member_id}},
            {"$project": _FIELDS},
            _with("store_dishes", {"$match": rows}),
        ]
        if coupon_ids is None:
            usable = {"member_id": member_id, "status": "issued"}
            pipeline.append(
                _with(
                    "coupons",
                    {"$match": usable},
                    {"$sort": {"valid_until": 1}},
                    {"$limit": MOST_HELD},
                )
            )
        elif coupon_ids:
            pipeline.append(_with("coupons", {"$match": {"_id": {"$in": list(coupon_ids)}}}))
        of: dict[str, list[Document]] = {"accounts": [], "store_dishes": [], "coupons": []}
        for document in self._accounts.aggregate(pipeline):
            of[document.pop("of", "accounts")].append(document)
        if not of["accounts"]:
            return None
        account = of["accounts"][0]
        return Read(
            Account.model_validate(account),
            Standing.model_validate(account.get("tier", {})),
            [StoreDish.model_validate(row) for row in of["store_dishes"]],
            [Coupon.model_validate(coupon) for coupon in of["coupons"]],
        )


def _with(collection: str, *stages: Document) -> Document:
    pipeline = [*stages, {"$set": {"of": collection}}]
    return {"$unionWith": {"coll": collection, "pipeline": pipeline}}
