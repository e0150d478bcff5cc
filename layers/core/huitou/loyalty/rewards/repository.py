"""Every query on `mall_items`, `mall_stock` and `mall_exchanges`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from huitou.loyalty.rewards.models import Exchange, MallItem, Stock
from huitou.runtime.database import Database
from huitou.runtime.revisions import put_revision

MOST_LISTED = 200  # Items that are shown; a mall has tens.


class MallRepository:
    def __init__(self, database: Database) -> None:
        self._items = database.collection("mall_items")
        self._stock = database.collection("mall_stock")
        self._exchanges = database.collection("mall_exchanges")

    def put(self, item: MallItem) -> None:
        """Store a later revision; exchanges are counted from the first one that has a stock."""
        if item.stock is not None:
            self._stock.update_one(
                {"_id": item.id}, {"$setOnInsert": {"schema": 1, "taken": 0}}, upsert=True
            )
        put_revision(self._items, item.document(), f"mall_items.{item.id}.revision")

    def listed(self) -> list[MallItem]:
        found = self._items.find({"listed": True}).limit(MOST_LISTED)
        return [MallItem.model_validate(item) for item in found]

    def item(self, item_id: str, session: ClientSession | None = None) -> MallItem | None:
        found = self._items.find_one({"_id": item_id}, session=session)
        return MallItem.model_validate(found) if found else None

    def taken(
        self, item_ids: Sequence[str], session: ClientSession | None = None
    ) -> dict[str, int]:
        """Return how many of each of these items are exchanged already."""
        found = self._stock.find({"_id": {"$in": list(item_ids)}}, session=session)
        return {stock.id: stock.taken for stock in map(Stock.model_validate, found)}

    def take(self, item: MallItem, session: ClientSession) -> bool:
        """Take one of an item that has a stock; False if none is left.

        The filter compares what is taken with the stock. If two members want the last one, one of
        them conflicts here, runs again and finds none.
        """
        one = self._stock.update_one(
            {"_id": item.id, "taken": {"$lt": item.stock}}, {"$inc": {"taken": 1}}, session=session
        )
        return one.matched_count == 1

    def had(
        self, member_id: str, item_ids: Sequence[str], session: ClientSession | None = None
    ) -> dict[str, int]:
        """Return how many of each of these items the member has had."""
        found = self._exchanges.aggregate(
            [
                {"$match": {"member_id": member_id, "item_id": {"$in": list(item_ids)}}},
                {"$group": {"_id": "$item_id", "had": {"$max": "$seq"}}},
            ],
            session=session,
        )
        return {row["_id"]: int(row["had"]) for row in found}

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give one member's exchanges to another, in a merge; they get the numbers that follow."""
        mine = {"member_id": source_id}
        found = [
            Exchange.model_validate(row) for row in self._exchanges.find(mine, session=session)
        ]
        had = self.had(into_id, sorted({one.item_id for one in found}), session)
        for one in sorted(found, key=lambda one: one.seq):
            had[one.item_id] = had.get(one.item_id, 0) + 1
            self._exchanges.update_one(
                {"_id": one.id},
                {"$set": {"member_id": into_id, "seq": had[one.item_id]}},
                session=session,
            )

    def exchange(self, exchange_id: str, session: ClientSession | None = None) -> Exchange | None:
        found = self._exchanges.find_one({"_id": exchange_id}, session=session)
        return Exchange.model_validate(found) if found else None

    def insert(self, exchange: Exchange, session: ClientSession) -> None:
        """Insert; raises DuplicateKeyError if the exchange or the member's `seq` exists already."""
        self._exchanges.insert_one(exchange.document(), session=session)
