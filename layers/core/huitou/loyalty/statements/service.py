"""A member's points, movement by movement."""

from __future__ import annotations

from huitou.loyalty.points.service import Points
from huitou.loyalty.statements.models import StatementAnswer, StatementRequest, WholeStatementAnswer
from huitou.loyalty.statements.rules import lots_of, pending_of, shown, shown_to_staff
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang
from huitou.runtime.paging import PageRequest

AT_ONCE = 200  # Entries of one page.


class Statements:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._points = Points(database, clock)

    def list_movements(self, member_id: str, page: PageRequest, lang: Lang) -> StatementAnswer:
        """Return a page of the member's own movements, the newest first."""
        entries, after = self._points.latest_entries(member_id, page)
        return StatementAnswer(entries=[shown(entry, lang) for entry in entries], next=after)

    def whole_statement(self, request: StatementRequest, lang: Lang) -> WholeStatementAnswer:
        """Return a page of the whole statement, the oldest first, and what the account holds.

        What the calendar brings by today is posted first, so that the last balance is today's.
        Raises Refusal NOT_FOUND naming `member_id`.
        """
        member_id = request.member_id
        if request.after == 0:
            self._points.bring_accounts_up_to_date(member_id)
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
