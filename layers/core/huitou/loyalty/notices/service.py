"""Store notices to members, and show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.client_session import ClientSession

from huitou.loyalty.notices.repository import NoticeRepository
from huitou.loyalty.notices.rules import words
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest

with late_imports():
    from huitou.loyalty.notices.models import Notice, NoticeKind


class Notices:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = NoticeRepository(database)
        self._clock = clock

    def put_notice(
        self, kind: NoticeKind, member_id: str, for_day: str, data: Mapping[str, str | int]
    ) -> bool:
        """Store a notice of what will happen on a day; False if it exists already."""
        return self._repository.put(self._notice(kind, member_id, for_day, data))

    def put_notices(
        self,
        kind: NoticeKind,
        notices: Iterable[tuple[str, str, Mapping[str, str | int]]],
        session: ClientSession,
    ) -> None:
        """Store many notices (member, day, data) of a kind, in the caller's transaction."""
        documents = [self._notice(kind, *notice) for notice in notices]
        if documents:
            self._repository.put_all(documents, session)

    def _notice(
        self, kind: NoticeKind, member_id: str, for_day: str, data: Mapping[str, str | int]
    ) -> Notice:
        return Notice(
            id=f"{kind}:{member_id}:{for_day}" + (f":{data['level']}" if "level" in data else ""),
            member_id=member_id,
            kind=kind,
            for_day=for_day,
            data=dict(data),
            at=self._clock.now(),
        )

    def list_notices(self, member_id: str, page: PageRequest, lang: Lang) -> dict[str, Any]:
        """Return one page of the member's notices, newest first, in the member's language."""
        notices, after = self._repository.of_member(member_id, page)
        shown = [
            {"notice_id": notice.id, "text": words(notice.kind, notice.data, notice.for_day, lang)}
            | notice.model_dump(include={"kind", "for_day", "at"})
            for notice in notices
        ]
        return {"notices": shown, "next": after}
