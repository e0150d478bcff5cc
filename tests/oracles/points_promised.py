"""What an order was promised when it was paid, and what is still earned after refunds, exactly."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

FOR_EVER = "9999-12-31"
COMPLETED = "completed"
Drawn = list[tuple[str, int]]  # The last day of a lot, and points of it.


def later(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def months_later(day: str, months: int) -> str:
    """Return the same day of a later month, or its last day if there is no such day."""
    start = date.fromisoformat(day)
    month = start.month + months
    year, month = start.year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(start.day, calendar.monthrange(year, month)[1])).isoformat()


@dataclass(frozen=True)
class Promise:
    """What an order was promised when it was paid."""

    revision: int
    last_day: str
    waits_for: str | None
    policy: str
    extend_days: int
    line_values: Sequence[Fraction]  # What each line is worth in points, exactly.
    order_cap: int | None
    day_cap: int | None
    month_cap: int | None
    bonuses: Sequence[tuple[str, int]]

    @property
    def worth(self) -> Fraction:
        whole = sum(self.line_values, Fraction(0))
        return whole if self.order_cap is None else min(whole, Fraction(self.order_cap))


def promise(
    rules: dict[str, Any],
    multipliers: Sequence[dict[str, Any]],
    bonuses: Sequence[dict[str, Any]],
    day: str,
    level: str,
    lines: Sequence[dict[str, Any]],
) -> Promise:
    """Freeze the rules for an order; each line has category, paid_fen and points_fen."""
    rate = rules["fen_per_point_by_tier"].get(level, rules["fen_per_point"])
    values = []
    for line in lines:
        counted = line["paid_fen"]
        if rules["counts_points_part"]:
            counted += line["points_fen"]
        if line["category"] in rules["excluded_categories"]:
            counted = 0
        times = Fraction(1)
        for rule in multipliers:
            if not rule["categories"] or line["category"] in rule["categories"]:
                times += Fraction(rule["multiplier_bp"], 10_000) - 1
        values.append(Fraction(counted, rate) * times)
    expiry, usable = rules["expiry"], rules["usable"]
    last_day = {
        "never": FOR_EVER,
        "end_of_next_year": f"{int(day[:4]) + 1}-12-31",
        "rolling_months": months_later(day, expiry["months"]),
    }[expiry["kind"]]
    waits_for = {
        "at_once": None,
        "on_completion": COMPLETED,
        "after_days": later(day, usable["days"]),
    }[usable["kind"]]
    caps = rules["caps"]
    return Promise(
        rules["revision"],
        last_day,
        waits_for,
        rules["claw_back"],
        rules["return_expired_days"],
        values,
        caps["order_points"],
        caps["day_points"],
        caps["month_points"],
        [(rule["_id"], rule["points"]) for rule in bonuses],
    )


@dataclass
class Refund:
    """Money that went back, and the part of it that was for single lines."""

    id: str
    fen: int
    by_line: dict[int, int]


@dataclass
class Bought:
    """One order, and how much of its life the ledger knows."""

    id: str
    day: str
    paid_fen: int = 0
    line_fen: list[int] = field(default_factory=list)
    drawn: Drawn = field(default_factory=list)
    promised: Promise | None = None
    refunds: list[Refund] = field(default_factory=list)
    is_over: bool = False  # The whole order has gone back.
    is_completed: bool = False
    given: int | None = None
    bonus: int = 0
    known_refunds: int = 0
    left: int = 0  # Points that it has earned and not lost again.
    came_back: int = 0  # How many of the points it was paid with came back.
    is_matured: bool = False

    @property
    def used(self) -> int:
        return sum(points for _, points in self.drawn)

    def still_earns(self, refunds: Sequence[Refund]) -> int:
        """Return what the rest of the order earns, rounded down."""
        assert self.promised
        assert self.given is not None
        whole = sum(self.promised.line_values, Fraction(0))
        if not whole:
            return 0
        rest = list(self.line_fen)
        for refund in refunds:
            for line, fen in refund.by_line.items():
                rest[line] -= fen
        # Money that went back for no single line reduces each line, and the delivery fee, by the
        # same share. The fee has earned nothing.
        in_lines, money = sum(rest), self.paid_fen - sum(refund.fen for refund in refunds)
        fee = self.paid_fen - sum(self.line_fen)
        if money <= 0 or in_lines + fee <= 0:
            return 0
        value, dishes = Fraction(0), sum(self.line_fen)
        for worth, left, fen in zip(self.promised.line_values, rest, self.line_fen, strict=True):
            if fen:
                value += worth * Fraction(left, fen)
            else:
                value += worth * (Fraction(in_lines, dishes) if dishes else 1)
        exact = self.promised.worth
        base = exact if exact // 1 == self.given else self.given
        return int(base * (value / whole) * Fraction(money, in_lines + fee))
