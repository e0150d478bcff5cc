"""Every query on `features` and `dish_days`, and those on `orders` that features need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import UpdateMany, UpdateOne
from pymongo.client_session import ClientSession

from huitou.marketing.features.models import FeatureLine, FeatureOrder, Features, LineShares
from huitou.marketing.features.rules import kept_fen
from huitou.runtime.database import Database
from huitou.runtime.documents import Record
from huitou.runtime.triggers import DONE, DUE

# Documents in one answer of the server. One more than a page has: then the server needn't be
# asked again whether there are more.
AT_ONCE = 1_001
MOST_ORDERS = 20_000  # The limit of one query; no member has so many orders.
_NESTED: dict[str, type[Record]] = {"lines": FeatureLine, "discounts": LineShares}
_FIELDS = {
    field.alias or name: 1
    for name, field in FeatureOrder.model_fields.items()
    if name not in _NESTED
} | {f"{name}.{field}": 1 for name, model in _NESTED.items() for field in model.model_fields}


class FeatureRepository:
    def __init__(self, database: Database) -> None:
        self._orders = database.collection("orders")
        self._features = database.collection("features")
        self._dish_days = database.collection("dish_days")

    def any_due(self) -> bool:
        """Tell whether there is an order that features may not count correctly."""
        return self._orders.find_one({"features": DUE}, {"_id": 1}) is not None

    def due_orders(self, limit: int, session: ClientSession) -> list[FeatureOrder]:
        """Return up to `limit` of these orders."""
        found = self._orders.find({"features": DUE}, _FIELDS, session=session)
        return [FeatureOrder.model_validate(order) for order in found.sort("_id", 1).limit(limit)]

    def mark_featured(self, orders: Iterable[FeatureOrder], session: ClientSession) -> None:
        """Note on each order the sum with which features count it.

        If somebody changes one of these orders at the same time, the two transactions conflict.
        """
        by_sum: dict[int, list[str]] = {}
        for order in orders:
            by_sum.setdefault(kept_fen(order), []).append(order.id)
        updates = [
            UpdateMany({"_id": {"$in": ids}}, {"$set": {"features": DONE, "featured_fen": fen}})
            for fen, ids in by_sum.items()
        ]
        self._orders.bulk_write(updates, ordered=False, session=session)

    def orders_of(self, member_ids: list[str], session: ClientSession) -> list[FeatureOrder]:
        """Return all orders of these members, also those that features don't count yet."""
        wanted = {"member_id": {"$in": member_ids}}
        found = self._orders.find(wanted, _FIELDS, session=session).limit(MOST_ORDERS)
        return [FeatureOrder.model_validate(order) for order in found]

    def among(
        self,
        member_ids: Sequence[str],
        session: ClientSession | None = None,
        *,
        visits: bool = True,
    ) -> dict[str, Features]:
        """Return the features of these members by id, with or without the single visits.

        Members who have none are left out.
        """
        wanted = {"_id": {"$in": list(member_ids)}}
        left_out = None if visits else {"visits": 0}
        found = self._features.find(wanted, left_out, session=session).batch_size(AT_ONCE)
        return {row["_id"]: Features.model_validate(row) for row in found}

    def page(self, after: str, limit: int, session: ClientSession | None = None) -> list[Features]:
        """Return the next features after an id, in the order of ids."""
        found = self._features.find({"_id": {"$gt": after}}, session=session)
        return [Features.model_validate(row) for row in found.sort("_id", 1).limit(limit)]

    def put(self, features: Iterable[Features], session: ClientSession) -> None:
        """Write features. Tags stay as they are: operators may set them at the same time."""
        updates = []
        for one in features:
            document = one.document()
            member_id = document.pop("_id")
            kept = {name: document[name] for name in document if name != "tags"}
            gone = {
                name: ""
                for name in Features.model_fields
                if name not in (*document, "id", "schema_", "tags")
            }
            change: dict[str, Any] = {"$set": kept, "$setOnInsert": {"tags": one.tags}}
            if gone:
                change["$unset"] = gone
            updates.append(UpdateOne({"_id": member_id}, change, upsert=True))
        if updates:
            self._features.bulk_write(updates, ordered=False, session=session)

    def move(self, source: Features, into: Features, session: ClientSession) -> None:
        """Write the features of a merge: the merged member keeps only `moved_to`."""
        moved = {"schema": 1, "moved_to": into.id}
        self._features.replace_one({"_id": source.id}, moved, upsert=True, session=session)
        self.put([into], session)
        tags = {"$addToSet": {"tags": {"$each": into.tags}}}
        self._features.update_one({"_id": into.id}, tags, session=session)

    def tag(
        self, tag: str, add: list[str], remove: list[str], session: ClientSession
    ) -> tuple[int, int]:
        """Give and take a tag; returns how many members got it and how many lost it."""
        added = removed = 0
        if add:
            there = {"$setOnInsert": {"schema": 1}}
            self._features.bulk_write(
                [UpdateOne({"_id": member_id}, there, upsert=True) for member_id in add],
                session=session,
            )
            here = {"_id": {"$in": add}, "moved_to": {"$exists": False}}
            added = self._features.update_many(
                here, {"$addToSet": {"tags": tag}}, session=session
            ).modified_count
        if remove:
            removed = self._features.update_many(
                {"_id": {"$in": remove}}, {"$pull": {"tags": tag}}, session=session
            ).modified_count
        return added, removed

    # --- the lowest price of each dish ----------------------------------------------------------

    def put_lowest(self, lowest: Mapping[tuple[str, str], int], session: ClientSession) -> None:
        """Keep the lowest price of one item, in fen, by dish and day."""
        updates = [
            UpdateOne(
                {"_id": f"{dish}:{day}"},
                {
                    "$min": {"lowest_fen": fen},
                    "$setOnInsert": {"schema": 1, "dish_id": dish, "day": day},
                },
                upsert=True,
            )
            for (dish, day), fen in lowest.items()
        ]
        if updates:
            self._dish_days.bulk_write(updates, ordered=False, session=session)

    def lowest(self, dish_id: str, days: list[str]) -> int | None:
        """Return the lowest price of one item on these days, in fen; None if it wasn't sold."""
        ids = [f"{dish_id}:{day}" for day in days]
        found = self._dish_days.find({"_id": {"$in": ids}}, {"lowest_fen": 1})
        return min((row["lowest_fen"] for row in found), default=None)
