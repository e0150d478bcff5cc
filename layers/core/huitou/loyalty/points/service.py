"""Read a member's points, set points aside, give them back, let them expire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pymongo.client_session import ClientSession

from huitou.catalog.stores.service import Stores
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.points.errors import ACCOUNT
from huitou.loyalty.points.models import (
    NEVER,
    Account,
    DueLot,
    LedgerEntry,
    LotMove,
    PointsRules,
    ShownPoints,
    Spendable,
)
from huitou.loyalty.points.repository import NOTHING, OtherFields, PointsRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.loyalty.points.rules import Book, day_after


class Points:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = PointsRepository(database)
        self._stores = Stores(database, clock)
        self._notices = Notices(database, clock)

    def today(self) -> str:
        """Return the day by which points expire: the business day where it ends last."""
        return self._stores.today()

    def rules(self) -> PointsRules:
        return self._repository.rules()

    def open_accounts(self, member_ids: list[str], session: ClientSession) -> None:
        self._repository.open_accounts(member_ids, session)

    def available_points(self, member_id: str) -> int:
        """Return what the member can spend now; Refusal NOT_REGISTERED if there is no account."""
        return self._as_of_now(member_id).available

    def spendable_points_of(self, account: Account) -> Spendable:
        """Return what the owner of this account can spend."""
        book = self._book(account)
        return Spendable(book.available, book.first_order_id is None)

    def rules_of_revision(self, revision: int) -> PointsRules:
        """Return one revision of the rules; the rules in force if it wasn't kept."""
        return self._repository.rules_of(revision)

    def show_points(self, member_id: str) -> ShownPoints:
        """Return the member's points as of now, and the lot that expires first."""
        book = self._as_of_now(member_id)
        soonest = min(book.lots, default=NEVER)
        return ShownPoints(
            available=book.available,
            reserved=book.reserved,
            pending=sum(book.pending.values()),
            expiring=None
            if soonest == NEVER
            else DueLot(expires_on=soonest, points=book.lots[soonest]),
        )

    def open_book(self, member_id: str, session: ClientSession) -> Book:
        """Open the member's book in a transaction, up to date; `save` writes it back.

        Raises Refusal NOT_FOUND naming `member_id` if there is no account.
        """
        account = self._repository.account(member_id, session)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return self._book(account)

    def open_book_with_order(
        self, member_id: str, order_id: str, session: ClientSession
    ) -> tuple[Book, dict[str, LedgerEntry]]:
        """Open the member's book; also return one order's entries in the ledger, by entry id."""
        account, entries = self._repository.account_and_order(member_id, order_id, session)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return self._book(account), entries

    def open_books(self, member_ids: Sequence[str], session: ClientSession) -> dict[str, Book]:
        """Open several members' books; Refusal NOT_FOUND if one of them has no account."""
        accounts = self._repository.accounts(member_ids, session)
        if len(accounts) != len(member_ids):
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return {account.id: self._book(account) for account in accounts}

    def save_books(
        self, books: Sequence[Book], session: ClientSession, other_fields: OtherFields = NOTHING
    ) -> None:
        """Write back books that this transaction opened.

        `other_fields` are fields of other areas to set in the same write, by member.
        """
        self._repository.save(books, session, other_fields)

    def reserve_points(self, member_id: str, points: int, session: ClientSession) -> list[LotMove]:
        """Set points aside and return the lots they came from, the soonest to expire first.

        Raises Refusal POINTS_NOT_ENOUGH naming `points`. If two orders want the same points, one
        conflicts on the account's version, runs again and finds too few.
        """
        if not points:
            return []
        book = self.open_book(member_id, session)
        drawn = book.draw(points)
        self.save_books([book], session)
        return drawn

    def release_points(
        self, member_id: str, drawn: Sequence[LotMove], session: ClientSession
    ) -> None:
        """Give back points that were set aside; the caller makes sure that this happens once."""
        if not drawn:
            return
        book = self.open_book(member_id, session)
        book.put_back(drawn)
        book.bring_up_to_date()
        self.save_books([book], session)

    def due_accounts(self) -> Iterator[str]:
        """Yield members whose points expire, become usable or need a notice by today."""
        return self._repository.due(self.today())

    def bring_up_to_date(self, member_id: str) -> Literal["up to date"]:
        """Post what is due in an account and note what ends soon."""
        return self.bring_all_up_to_date([member_id])[0]

    def bring_all_up_to_date(self, member_ids: Sequence[str]) -> list[Literal["up to date"]]:
        """Post what is due in these accounts and note what ends soon, in one transaction."""

        def write(session: ClientSession) -> None:
            books = list(self.open_books(member_ids, session).values())
            ending = [
                (book.account.id, day_after(day), {"points": points})
                for book in books
                for day, points in book.expiring()
            ]
            self._notices.put_notices("points-expiring", ending, session)
            self.save_books(books, session)

        self._database.transact(write)
        return ["up to date"] * len(member_ids)

    def entries_before(self, member_id: str, number: int | None, limit: int) -> list[LedgerEntry]:
        """Return up to `limit` entries of an account, the newest first; None: from the end."""
        return self._repository.entries_before(member_id, number, limit)

    def entries_after(self, member_id: str, number: int, limit: int) -> list[LedgerEntry]:
        """Return up to `limit` entries of the member after this number, the oldest first."""
        return self._repository.entries_after(member_id, number, limit)

    def entries_by_ids(self, ids: Sequence[str], session: ClientSession) -> dict[str, LedgerEntry]:
        """Return those of these entries that exist, by id."""
        return self._repository.by_ids(ids, session)

    def those_without_points(self, member_ids: Sequence[str], session: ClientSession) -> list[str]:
        """Return those of these members who have no points in any form, and owe none."""
        some = self._repository.with_points(member_ids, session)
        return [member_id for member_id in member_ids if member_id not in some]

    def entries_by_places(
        self, places: Sequence[tuple[str, int]], session: ClientSession
    ) -> list[LedgerEntry]:
        """Return entries by their members and numbers, at most some hundreds."""
        return self._repository.by_places(places, session)

    def account(self, member_id: str) -> Account:
        """Return the account as it is stored; Refusal NOT_FOUND naming `member_id`."""
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return account

    def _as_of_now(self, member_id: str) -> Book:
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_REGISTERED)
        return self._book(account)

    def _book(self, account: Account) -> Book:
        book = Book(account, self.rules(), self.today(), self._clock.now())
        book.bring_up_to_date()
        return book
