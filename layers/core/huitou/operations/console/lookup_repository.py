"""Queries on `members` and `orders` that only staff ask, and the count of their searches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from huitou.members.profiles.models import Member
from huitou.operations.console.lookup_models import FindOrdersRequest
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.models import Refund, RefundsRequest
from huitou.runtime.counters import count_one
from huitou.runtime.database import Database, Document
from huitou.runtime.paging import PageRequest, newest_first


class LookupRepository:
    def __init__(self, database: Database) -> None:
        self._identities = database.collection("identities")
        self._members = database.collection("members")
        self._orders = database.collection("orders")
        self._features = database.collection("features")
        self._refunds = database.collection("refunds")
        self._identities = database.collection("identities")
        self._searches = database.collection("staff_searches")

    def member(self, member_id: str) -> Member | None:
        found = self._members.find_one({"_id": member_id})
        return Member.model_validate(found) if found else None

    def known_as(self, identity: str) -> str | None:
        """Return the id of the member with this identity; None if nobody has it."""
        found = self._identities.find_one({"_id": identity}, {"member_id": 1})
        return str(found["member_id"]) if found else None

    def known_among(self, identities: Sequence[str]) -> dict[str, str]:
        """Return the ids of the members with these identities, by identity."""
        found = self._identities.find({"_id": {"$in": list(identities)}}, {"member_id": 1})
        return {str(one["_id"]): str(one["member_id"]) for one in found}

    def ordered_in(self, member_id: str, store_ids: Sequence[str]) -> bool:
        """Tell whether the member has an order of one of these stores."""
        where = {"member_id": member_id, "store_id": {"$in": list(store_ids)}}
        return self._orders.find_one(where, {"_id": 1}) is not None

    def orders_of_member(
        self, member_id: str, store_ids: Sequence[str] | None, page: PageRequest
    ) -> tuple[list[Order], str | None]:
        """Return a page of a member's orders, of these stores only, or of all if it is None."""
        where: Document = {"member_id": member_id}
        if store_ids is not None:
            where["store_id"] = {"$in": list(store_ids)}
        rows, after = newest_first(self._orders, where, page, "created_at")
        return [Order.model_validate(row) for row in rows], after

    def orders_among(self, order_ids: Sequence[str], store_ids: Sequence[str]) -> set[str]:
        """Return the ids of those of these orders that belong to one of these stores."""
        where = {"_id": {"$in": list(order_ids)}, "store_id": {"$in": list(store_ids)}}
        return {str(row["_id"]) for row in self._orders.find(where, {"_id": 1})}

    def count_search(self, staff_id: str, hour: int) -> int:
        """Count one more search of a person in this hour; returns the number with this one."""
        ends = datetime.fromtimestamp((hour + 1) * 3600, UTC)
        return count_one(self._searches, {"staff_id": staff_id, "hour": hour}, ends)

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
