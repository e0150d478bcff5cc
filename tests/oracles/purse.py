"""A model of points that knows nothing but single points: slow, and hard to get wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from huitou.loyalty.points.models import ON_COMPLETION, Account
from huitou.loyalty.points.rules import Award


@dataclass
class Point:
    """One point: until when it holds, and what it waits for."""

    expires_on: str
    waits_for: str | None = None


@dataclass
class Purse:
    """Every point of a member, one by one."""

    points: list[Point] = field(default_factory=list)
    set_aside: list[list[Point]] = field(default_factory=list)
    spent: list[list[Point]] = field(default_factory=list)
    owed: int = 0

    def open(self) -> list[Point]:
        usable = [point for point in self.points if point.waits_for is None]
        return sorted(usable, key=lambda point: point.expires_on)

    def day_breaks(self, today: str) -> None:
        for point in self.points:
            if point.waits_for not in (None, ON_COMPLETION) and str(point.waits_for) <= today:
                point.waits_for = None
        self.points = [point for point in self.points if point.expires_on >= today]
        self.repay()

    def repay(self) -> None:
        while self.owed and (usable := self.open()):
            self.points.remove(usable[0])
            self.owed -= 1

    def take_back(self, count: int, award: Award, policy: str, today: str) -> None:
        for _ in range(count):
            waiting = [
                point
                for point in self.points
                if award.usable
                and (point.waits_for, point.expires_on) == (award.usable, award.expires_on)
            ]
            own = [point for point in self.open() if point.expires_on == award.expires_on]
            if waiting:
                self.points.remove(waiting[0])
            elif policy == "pending_only" or award.expires_on < today:
                return
            elif taken := own or self.open():
                self.points.remove(taken[0])
            elif policy == "unlimited":
                self.owed += 1

    def agrees(self, account: Account) -> None:
        """Hold an account against what is in the purse, lot by lot."""
        assert account.lots == Counter(point.expires_on for point in self.open())
        assert account.pending == Counter(
            f"{point.waits_for}|{point.expires_on}" for point in self.points if point.waits_for
        )
        assert account.debt == self.owed
