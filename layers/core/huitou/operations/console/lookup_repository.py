"""Queries on `members` and `orders` that only staff ask."""

from __future__ import annotations

from huitou.members.profiles.models import Member
from huitou.operations.console.lookup_models import FindMembersRequest, FindOrdersRequest
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.models import Refund, RefundsRequest
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import newest_first


class LookupRepository:
    def __init__(self, database: Database) -> None:
        self._members = database.collection("members")
        self._orders = database.collection("orders")
        self._features = database.collection("features")
        self._refunds = database.collection("refunds")

    def member(self, member_id: str) -> Member | None:
        found = self._members.find_one({"_id": member_id})
        return Member.model_validate(found) if found else None

    def members(self, request: FindMembersRequest) -> tuple[list[Member], str | None]:
        where = {"phone_last4": request.phone_last4}
        rows, after = newest_first(self._members, where, request, "registered_at")
        return [Member.model_validate(row) for row in rows], after

    def tagged(self, tag: str, after: str, limit: int) -> list[str]:
        """Return the next members with a tag, by id."""
        found = self._features.find({"tags": tag, "_id": {"$gt": after}}, {"_id": 1})
        return [row["_id"] for row in found.sort("_id", 1).limit(limit)]

    def several(self, member_ids: list[str]) -> dict[str, Member]:
        """Return those of these members that exist, by id."""
        found = self._members.find({"_id": {"$in": member_ids}}).limit(len(member_ids) or 1)
        return {row["_id"]: Member.model_validate(row) for row in found}

    def order(self, order_id: str) -> Order | None:
        found = self._orders.find_one({"_id": order_id})
        return Order.model_validate(found) if found else None

    def orders(self, request: FindOrdersRequest) -> tuple[list[Order], str | None]:
        day = request.day.isoformat() if request.day else None
        where: Document = {"store_id": request.store_id, "business_day": day}
        narrowed = {"pickup_number": request.pickup_number, "status": request.status}
        where |= {name: value for name, value in narrowed.items() if value is not None}
        rows, after = newest_first(self._orders, where, request, "created_at")
        return [Order.model_validate(row) for row in rows], after

    def refund(self, refund_id: str) -> Refund | None:
        found = self._refunds.find_one({"_id": refund_id})
        return Refund.model_validate(found) if found else None

    def refunds(self, request: RefundsRequest) -> list[Refund]:
        """Return refunds of one status after a cursor, sorted by id."""
        where = {"status": request.status, "_id": {"$gt": request.after or ""}}
        found = self._refunds.find(where).sort("_id", 1).limit(request.limit)
        return [Refund.model_validate(document) for document in found]
