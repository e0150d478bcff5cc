"""Every query on `notices`."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.notices.models import Notice
from huitou.runtime.database import Database
from huitou.runtime.paging import PageRequest, newest_first


class NoticeRepository:
    def __init__(self, database: Database) -> None:
        self._notices = database.collection("notices")

    def put(self, notice: Notice, session: ClientSession | None) -> bool:
        """Store a notice; False if its fact was noticed before: the first words stay."""
        document = notice.document()
        put = self._notices.update_one(
            {"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True, session=session
        )
        return put.upserted_id is not None

    def of_member(self, member_id: str, page: PageRequest) -> tuple[list[Notice], str | None]:
        rows, after = newest_first(self._notices, {"member_id": member_id}, page, "at")
        return [Notice.model_validate(row) for row in rows], after
