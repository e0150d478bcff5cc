"""A member's points, movement by movement."""

from __future__ import annotations

from huitou.loyalty.points.service import Points
from huitou.loyalty.statements.models import StatementAnswer, StatementRequest, WholeStatementAnswer
from huitou.loyalty.statements.rules import (
    lots_of,
    newest_of,
    pending_of,
    read_cursor,
    shown,
    shown_to_staff,
)
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang
from huitou.runtime.paging import PageRequest

AT_ONCE = 200  # Entries of one page.


class Statements:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._points = Points(database, clock)
        self._persons = Persons(database)

    def list_movements(self, member_id: str, page: PageRequest, lang: Lang) -> StatementAnswer:
        """Return a page of the member's movements under all their ids, the newest first.

        Each account that a merge has emptied ends with the transfer of its balance.
        """
        ids = self._persons.ids_of(member_id)
        before = read_cursor(page.after, len(ids))
        accounts = [
            self._points.entries_before(one, number, page.limit + 1)
            for one, number in zip(ids, before, strict=True)
        ]
        entries, after = newest_of(accounts, before, page.limit)
        return StatementAnswer(entries=[shown(entry, lang) for entry in entries], next=after)

    def whole_statement(self, request: StatementRequest, lang: Lang) -> WholeStatementAnswer:
        """Return a page of the whole statement, the oldest first, and what the account holds.

        What the calendar brings by today is posted first, so that the last balance is today's.
        Raises Refusal NOT_FOUND naming `member_id`.
        """
        member_id = request.member_id
        if request.after == 0:
            self._points.bring_up_to_date(member_id)
        entries = self._points.entries_after(member_id, request.after, AT_ONCE)
        account = self._points.account(member_id)
        return WholeStatementAnswer(
            member_id=member_id,
            entries=[shown_to_staff(entry, lang) for entry in entries],
            available=account.available,
            reserved=account.reserved,
            debt=account.debt,
            lots=lots_of(account),
            pending=pending_of(account),
            next=entries[-1].number if len(entries) == AT_ONCE else None,
        )
