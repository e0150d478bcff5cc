"""Every query of campaign reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from huitou.marketing.measurement.models import FollowingOrder, SeenExposure
from huitou.runtime.database import Database

_SEEN = {field.alias or name: 1 for name, field in SeenExposure.model_fields.items()}
_ORDER = {field.alias or name: 1 for name, field in FollowingOrder.model_fields.items()}


class EffectRepository:
    def __init__(self, database: Database) -> None:
        self._exposures = database.collection("exposures")
        self._orders = database.collection("orders")
        self._coupons = database.collection("coupons")

    def exposures(self, campaign_id: str) -> Iterator[list[SeenExposure]]:
        """Yield the exposures of a campaign, as one list for each member, the earliest first."""
        found = self._exposures.find({"campaign_id": campaign_id}, _SEEN)
        ordered = found.sort([("member_id", 1), ("at", 1)]).batch_size(5_000)
        rows = (SeenExposure.model_validate(row) for row in ordered)
        for _, mine in groupby(rows, key=lambda row: row.member_id):
            yield list(mine)

    def following(
        self, member_ids: Sequence[str], since: datetime, first_day: str, last_day: str
    ) -> list[FollowingOrder]:
        """Return these members' orders after a moment and on these business days, both included."""
        found = self._orders.find(
            {
                "member_id": {"$in": list(member_ids)},
                "business_day": {"$gte": first_day, "$lte": last_day},
                "counted_fen": {"$gt": 0},
                "created_at": {"$gt": since},
            },
            _ORDER,
        )
        return [FollowingOrder.model_validate(row) for row in found]

    def redeemed(self, coupon_ids: Sequence[str]) -> dict[str, int]:
        """Return by id how much the coupons among these that were used took off, in fen."""
        where = {"_id": {"$in": list(coupon_ids)}, "status": "redeemed"}
        used = {
            row["_id"]: row.get("order_id") for row in self._coupons.find(where, {"order_id": 1})
        }
        ids = [order_id for order_id in used.values() if order_id is not None]
        orders = self._orders.find(
            {"_id": {"$in": ids}}, {"discounts.source_id": 1, "discounts.amount_fen": 1}
        )
        off = {
            d["source_id"]: d["amount_fen"] for order in orders for d in order.get("discounts", ())
        }
        return {coupon_id: off.get(coupon_id, 0) for coupon_id in used}
