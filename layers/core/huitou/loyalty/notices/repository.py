"""Every query on `notices`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from huitou.runtime.database import Database
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest, newest_first

with late_imports():
    from huitou.loyalty.notices.models import Notice


class NoticeRepository:
    def __init__(self, database: Database) -> None:
        self._notices = database.collection("notices")

    def put(self, notice: Notice) -> bool:
        """Store a notice; False if it exists already: then the first one stays as it is."""
        document = notice.document()
        put = self._notices.update_one(
            {"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True
        )
        return put.upserted_id is not None

    def put_all(self, notices: Sequence[Notice], session: ClientSession) -> None:
        """Store many notices in one write; those that exist already stay as they are."""
        documents = [notice.document() for notice in notices]
        self._notices.bulk_write(
            [
                UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True)
                for document in documents
            ],
            session=session,
        )

    def of_member(self, member_id: str, page: PageRequest) -> tuple[list[Notice], str | None]:
        rows, after = newest_first(self._notices, {"member_id": member_id}, page, "at")
        return [Notice.model_validate(row) for row in rows], after
