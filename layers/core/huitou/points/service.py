"""Points as orders and members meet them: read, set aside, give back, let expire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pymongo.client_session import ClientSession

from huitou.points.models import (
    NEVER,
    Account,
    DueLot,
    LotMove,
    PointsRules,
    ShownEntry,
    ShownPoints,
    StatementAnswer,
)
from huitou.points.repository import PointsRepository
from huitou.points.rules import Book
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest
from huitou.stores.service import Stores

AT_ONCE = 100  # Accounts that one transaction of the sweep brings up to date.


class Points:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = PointsRepository(database)
        self._stores = Stores(database, clock)

    def today(self) -> str:
        """The day by which points expire: it is over nowhere where the chain has a store."""
        return self._stores.today()

    def rules(self) -> PointsRules:
        return self._repository.rules()

    def open_accounts(self, member_ids: list[str], session: ClientSession) -> None:
        self._repository.open_accounts(member_ids, session)

    def available(self, member_id: str) -> int:
        """Return what the member can spend now; Refusal NOT_REGISTERED without an account."""
        return self._as_of_now(member_id).available

    def shown(self, member_id: str) -> ShownPoints:
        """Return what the member has, as of now, and what of it expires first."""
        book = self._as_of_now(member_id)
        soonest = min(book.lots, default=NEVER)
        return ShownPoints(
            available=book.available,
            reserved=book.reserved,
            pending=sum(book.pending.values()),
            expiring=None if soonest == NEVER
            else DueLot(expires_on=soonest, points=book.lots[soonest]),
        )  # fmt: skip

    def open(self, member_id: str, session: ClientSession) -> Book:
        """Open the member's book in a transaction, up to date; `save` writes it back.

        Refusal NOT_FOUND naming `member_id` where there is no account.
        """
        account = self._repository.account(member_id, session)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        return self._book(account)

    def open_many(self, member_ids: Sequence[str], session: ClientSession) -> dict[str, Book]:
        """Open several members' books; Refusal NOT_FOUND where one of them has no account."""
        accounts = self._repository.accounts(member_ids, session)
        if len(accounts) != len(member_ids):
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        return {account.id: self._book(account) for account in accounts}

    def save(self, books: Sequence[Book], session: ClientSession) -> None:
        """Write books back that this transaction opened."""
        self._repository.save(books, session)

    def reserve(self, member_id: str, points: int, session: ClientSession) -> list[LotMove]:
        """Set points aside and return the lots they came from, the soonest to expire first.

        Refusal POINTS_NOT_ENOUGH naming `points`: of two orders for the same points one comes
        second, at the account's version.
        """
        if not points:
            return []
        book = self.open(member_id, session)
        drawn = book.draw(points)
        self.save([book], session)
        return drawn

    def release(self, member_id: str, drawn: Sequence[LotMove], session: ClientSession) -> None:
        """Give back what was set aside; the caller's own transition lets this happen once."""
        if not drawn:
            return
        book = self.open(member_id, session)
        book.put_back(drawn)
        book.bring_up_to_date()
        self.save([book], session)

    def due(self) -> Iterator[list[str]]:
        """Yield groups of members in whose accounts something falls due by itself."""
        group: list[str] = []
        for member_id in self._repository.due(self.today()):
            group.append(member_id)
            if len(group) == AT_ONCE:
                yield group
                group = []
        if group:
            yield group

    def bring_up_to_date(self, member_ids: Sequence[str]) -> int:
        """Post what is due in these accounts, in one transaction; returns how many entries."""

        def write(session: ClientSession) -> int:
            books = list(self.open_many(member_ids, session).values())
            self.save(books, session)
            return sum(len(book.entries) for book in books)

        return self._database.transact(write)

    def statement(self, member_id: str, page: PageRequest) -> StatementAnswer:
        """Return a page of the member's entries, each with its cause and rule revision."""
        entries, after = self._repository.entries_of(member_id, page)
        shown = [ShownEntry.model_validate(e, from_attributes=True) for e in entries]
        return StatementAnswer(entries=shown, next=after)

    def _as_of_now(self, member_id: str) -> Book:
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_REGISTERED)
        return self._book(account)

    def _book(self, account: Account) -> Book:
        book = Book(account, self.rules(), self.today(), self._clock.now())
        book.bring_up_to_date()
        return book
