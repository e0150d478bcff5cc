"""A member's book, compared with a model that keeps each point by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huitou.loyalty.points.models import NEVER, ON_COMPLETION, Account, LotMove, PointsRules
from huitou.loyalty.points.rules import Award, Book, EntryOrigin, TakenBack, day_after
from huitou.runtime.errors import Refusal
from hunting import examples
from purse import Point, Purse

START = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)


days = st.sampled_from([0, 1, 3, 7, None])
step = st.one_of(
    st.tuples(st.just("earn"), st.integers(0, 12), days,
              st.sampled_from([None, 1, 2, ON_COMPLETION])),
    st.tuples(st.just("set aside"), st.integers(1, 15), st.just(0), st.just(0)),
    st.tuples(st.just("put back"), st.integers(0, 5), st.just(0), st.just(0)),
    st.tuples(st.just("use"), st.integers(0, 5), st.just(0), st.just(0)),
    st.tuples(st.just("return"), st.integers(0, 5), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("claw back"), st.integers(0, 5), st.integers(1, 12),
              st.sampled_from(["pending_only", "within_balance", "unlimited"])),
    st.tuples(st.just("adjust"), st.integers(-8, 8), days, st.just(0)),
    st.tuples(st.just("complete"), st.integers(0, 5), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 3), st.just(0), st.just(0)),
)  # fmt: skip


class Member:
    """Takes each step in the book and in the model (`Purse`)."""

    def __init__(self) -> None:
        self.account = Account(id="m")
        self.purse = Purse()
        self.today = START.isoformat()
        self.awards: list[Award] = []
        self.aside: list[list[LotMove]] = []
        self.used: list[list[LotMove]] = []
        self.entries: list[Any] = []

    def step(self, kind: str, number: int, more: Any, last: Any) -> None:
        if kind == "wait":
            self.today = day_after(self.today, number)
        book = Book(self.account, PointsRules(), self.today, AT)
        book.bring_up_to_date()
        self.purse.day_breaks(self.today)
        getattr(self, "_" + kind.replace(" ", "_"))(book, number, more, last)
        book.bring_up_to_date()
        self.purse.day_breaks(self.today)
        self._close(book)

    def _wait(self, *_: Any) -> None:
        """Do nothing: `step` has moved the day on already."""

    def _earn(self, book: Book, points: int, holds: int | None, usable: int | str | None) -> None:
        until = NEVER if holds is None else day_after(self.today, holds)
        waits = day_after(self.today, usable) if isinstance(usable, int) else usable
        self.awards.append(Award(until, waits))
        book.earn(self._origin("earn"), points, self.awards[-1])
        self.purse.points += [Point(until, waits) for _ in range(points)]

    def _set_aside(self, book: Book, points: int, *_: Any) -> None:
        if points > len(self.purse.open()) - self.purse.owed:
            with pytest.raises(Refusal):
                book.draw(points)
            return
        self.aside.append(book.draw(points))
        taken = self.purse.open()[:points]
        for point in taken:
            self.purse.points.remove(point)
        self.purse.set_aside.append(taken)

    def _put_back(self, book: Book, number: int, *_: Any) -> None:
        if number < len(self.aside):
            book.put_back(self.aside.pop(number))
            self.purse.points += self.purse.set_aside.pop(number)

    def _use(self, book: Book, number: int, *_: Any) -> None:
        if number < len(self.aside):
            self.used.append(self.aside.pop(number))
            book.use(self._origin("use"), self.used[-1])
            self.purse.spent.append(self.purse.set_aside.pop(number))

    def _return(self, book: Book, number: int, extend: int, *_: Any) -> None:
        if number < len(self.used):
            book.give_back(self._origin("return"), self.used.pop(number), extend)
            for point in self.purse.spent.pop(number):
                if point.expires_on < self.today and extend:
                    point.expires_on = day_after(self.today, extend)
                if point.expires_on >= self.today:
                    self.purse.points.append(point)

    def _claw_back(self, book: Book, number: int, points: int, policy: Any) -> None:
        if number < len(self.awards):
            award = self.awards[number]
            book.claw_back(self._origin("back"), TakenBack(points), award, policy)
            self.purse.take_back(points, award, policy, self.today)

    def _adjust(self, book: Book, points: int, holds: int | None, *_: Any) -> None:
        until = NEVER if holds is None else day_after(self.today, holds)
        if points < 0 and -points > len(self.purse.open()) - self.purse.owed:
            with pytest.raises(Refusal):
                book.adjust(self._origin("hand"), points, until)
        elif points:
            book.adjust(self._origin("hand"), points, until)
            for point in self.purse.open()[: max(0, -points)]:
                self.purse.points.remove(point)
            self.purse.points += [Point(until) for _ in range(points)]

    def _complete(self, book: Book, number: int, *_: Any) -> None:
        if number >= len(self.awards) or self.awards[number].usable != ON_COMPLETION:
            return
        award = self.awards[number]
        points = book.pending_of(award)
        book.mature(self._origin("done"), points, award)
        for point in self.purse.points:
            if (point.waits_for, point.expires_on) == (ON_COMPLETION, award.expires_on):
                point.waits_for = None

    def _origin(self, kind: str) -> EntryOrigin:
        return EntryOrigin(
            cause=f"{kind}{len(self.entries)}", at=AT, business_day=self.today, rules_revision=1
        )

    def _close(self, book: Book) -> None:
        self.entries += book.entries
        self.account = self.account.model_copy(
            update={
                "available": book.available,
                "reserved": book.reserved,
                "lots": book.lots,
                "pending": book.pending,
                "debt": book.debt,
                "points_on": book.due_on(),
                "entries": self.account.entries + len(book.entries),
            }
        )

    def agrees(self) -> None:
        """Check that the account agrees with the model and with the sum of its entries."""
        account, purse = self.account, self.purse
        purse.agrees(account)
        assert account.reserved == sum(map(len, purse.set_aside))
        balance = 0
        for number, entry in enumerate(self.entries, 1):
            balance += entry.points
            assert (entry.number, entry.balance) == (number, balance)
            assert entry.points == sum(move.points for move in entry.lots) - entry.debt
        waiting = sum(account.pending.values())
        assert balance == account.available + account.reserved + waiting
        assert account.points_on is None or account.points_on > self.today or self._notice_due()

    def _notice_due(self) -> bool:
        soon = (date.fromisoformat(self.today) + timedelta(7)).isoformat()
        return any(day <= soon for day in self.account.lots)


@pytest.mark.slow
@settings(max_examples=examples(400))
@given(st.lists(step, max_size=30))
def test_a_book_agrees_with_a_model_of_single_points(steps: list[Any]) -> None:
    member = Member()
    for taken in steps:
        member.step(*taken)
        member.agrees()


def test_debt_is_repaid_before_points_can_be_spent_and_lots_still_expire() -> None:
    """A negative balance together with points that expire while it is negative."""
    member = Member()
    member.step("earn", 10, 7, None)
    member.step("set aside", 10, 0, 0)
    member.step("use", 0, 0, 0)
    member.step("earn", 4, 1, 3)  # Still pending when it expires.
    member.step("claw back", 0, 10, "unlimited")
    assert (member.account.available, member.account.debt) == (-10, 10)
    member.step("wait", 2, 0, 0)
    assert (member.account.pending, member.account.debt) == ({}, 10)
    member.step("earn", 12, None, None)
    assert (member.account.lots, member.account.debt) == ({NEVER: 2}, 0)
    assert [entry.kind for entry in member.entries][-2:] == ["earn", "repay"]
