"""Every query on `shares`, `share_rules` and `share_receivers`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pymongo.client_session import ClientSession

from huitou.payments.profit_sharing.models import Share, ShareRules
from huitou.runtime.database import Database
from huitou.runtime.revisions import put_revision

DEFAULT_RULES = "default"
DUE_BATCH = 200


class ShareRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._shares = database.collection("shares")
        self._rules = database.collection("share_rules")
        self._receivers = database.collection("share_receivers")

    def find(self, order_id: str, session: ClientSession | None = None) -> Share | None:
        found = self._shares.find_one({"_id": order_id}, session=session)
        return Share.model_validate(found) if found else None

    def insert(self, share: Share, session: ClientSession) -> None:
        """Open an order's share; raises DuplicateKeyError if the order has one."""
        self._shares.insert_one(share.document(), session=session)

    def put(self, share: Share, session: ClientSession | None = None) -> Share | None:
        """Store a changed share; None if another call has changed it since it was read.

        The version in the filter makes one of two writers lose. If the timer freezes the parts
        while a refund begins, the second of them reads again and sees what the first has done.
        """
        changed = share.model_copy(update={"version": share.version + 1})
        put = self._shares.replace_one(
            {"_id": share.id, "version": share.version}, changed.document(), session=session
        )
        return changed if put.matched_count == 1 else None

    def due(self, now: datetime) -> list[str]:
        """Orders whose share the timer has to look at; one batch, the longest due first."""
        found = (
            self._shares.find({"look_at": {"$lte": now}}, {"_id": 1})
            .sort([("look_at", 1), ("_id", 1)])
            .limit(DUE_BATCH)
        )
        return [share["_id"] for share in found]

    def rules_for(self, store_id: str | None) -> list[ShareRules]:
        """The store's rules and the chain's, as far as they exist; the store's come first."""
        ids = [DEFAULT_RULES] if store_id is None else [store_id, DEFAULT_RULES]
        return self._cache.get(("share_rules", store_id), lambda: self._read_rules(ids))

    def _read_rules(self, ids: list[str]) -> list[ShareRules]:
        found = [
            ShareRules.model_validate(document)
            for document in self._rules.find({"_id": {"$in": ids}})
        ]
        return sorted(found, key=lambda rules: ids.index(rules.id))

    def put_rules(self, rules: ShareRules) -> None:
        """Store a later revision; raises Refusal RULES_CONFLICT if it isn't later."""
        put_revision(self._rules, rules.document(), "share_rules.revision")

    def added(self, receivers: Iterable[str]) -> set[str]:
        """Return which receivers (merchant|type|account) we have registered at WeChat Pay."""
        found = self._receivers.find({"_id": {"$in": list(receivers)}}, {"_id": 1})
        return {receiver["_id"] for receiver in found}

    def remember_added(self, receiver: str, at: datetime) -> None:
        self._receivers.update_one(
            {"_id": receiver}, {"$set": {"added_at": at, "schema": 1}}, upsert=True
        )

    def forget_added(self, receivers: Iterable[str]) -> None:
        self._receivers.delete_many({"_id": {"$in": list(receivers)}})
