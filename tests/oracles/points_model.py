"""A model of members' points, as plain as on paper: a row for each award, debt and reservation.

It uses nothing of `huitou`. The tests give it what was bought, paid, refunded and completed, in the
order of commits, and the rules that were in force when each order was paid.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from points_promised import COMPLETED, Bought, Drawn, Promise, Refund, later

Move = tuple[str, str | None, int]  # The last day of a lot, what the points wait for, and how many.


@dataclass
class Row:
    """What is left of one award, or of points that came back."""

    award: str
    last_day: str
    waits_for: str | None
    left: int


@dataclass(frozen=True)
class Written:
    """An entry as the ledger must hold it; an entry by the calendar has no `fact`."""

    kind: str
    fact: str | None
    points: int
    lots: dict[tuple[str, str | None], int]
    debt: int = 0
    waived: int = 0
    spend_fen: int = 0
    orders: int = 0
    revision: int | None = None


@dataclass
class Purse:
    """The points of one member."""

    rows: list[Row] = field(default_factory=list)
    debts: list[int] = field(default_factory=list)
    held: dict[str, Drawn] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    spend: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    earned: Counter[str] = field(default_factory=Counter)
    first: str | None = None
    level: str = "basic"

    def lots(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for row in self.rows:
            if row.waits_for is None:
                found[row.last_day] += row.left
        return {day: points for day, points in found.items() if points}

    def pending(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for row in self.rows:
            if row.waits_for is not None:
                found[f"{row.waits_for}|{row.last_day}"] += row.left
        return {key: points for key, points in found.items() if points}

    @property
    def owed(self) -> int:
        return sum(self.debts)

    @property
    def available(self) -> int:
        return sum(self.lots().values()) - self.owed

    @property
    def reserved(self) -> int:
        return sum(points for drawn in self.held.values() for _, points in drawn)

    def as_of(self, today: str) -> Purse:
        """Return a copy to which all has happened that is due by today."""
        other = copy.deepcopy(self)
        other.dawn(today)
        return other

    def dawn(self, today: str) -> None:
        """Make points usable whose day has come, drop expired ones, repay debts."""
        waiting = [row for row in self.rows if row.waits_for not in (None, COMPLETED)]
        for key in sorted({(str(row.waits_for), row.last_day) for row in waiting}):
            if key[0] <= today:
                self._mature(None, [r for r in waiting if (r.waits_for, r.last_day) == key])
        for pending in (False, True):
            over = [
                r for r in self.rows if (r.waits_for is not None) is pending and r.last_day < today
            ]
            for key in sorted({(row.waits_for or "", row.last_day) for row in over}):
                mine = [r for r in over if (r.waits_for or "", r.last_day) == key]
                points = sum(row.left for row in mine)
                for row in mine:
                    row.left = 0
                if points:
                    where = {(key[1], key[0] or None): -points}
                    self.written.append(Written("expire", None, -points, where))
        self.rows = [row for row in self.rows if row.left]
        owed = self.owed
        if paid := self._take(owed):
            repaid = sum(points for _, points in paid)
            self.debts = [owed - repaid] if owed > repaid else []
            self._write("repay", None, 0, [(day, None, -points) for day, points in paid], -repaid)

    def set_aside(self, order_id: str, points: int, today: str) -> Drawn:
        self.dawn(today)
        self.held[order_id] = self._take(points)
        return self.held[order_id]

    def let_go(self, order_id: str, today: str) -> None:
        self.dawn(today)
        for day, points in self.held.pop(order_id, []):
            self.rows.append(Row("let go", day, None, points))
        self.dawn(today)

    def settle(self, bought: Bought, today: str) -> None:
        """Write all that follows from the order's life so far and isn't written yet."""
        self.dawn(today)
        assert bought.promised
        if bought.given is None:
            self._earn(bought, bought.promised)
        for refund in bought.refunds[bought.known_refunds :]:
            bought.known_refunds += 1
            is_last = bought.is_over and bought.known_refunds == len(bought.refunds)
            self._give_back(bought, refund, is_last, today)
            self._claw_back(bought, refund, is_last, today)
        mine = [r for r in self.rows if r.award == bought.id and r.waits_for == COMPLETED]
        if bought.is_completed and mine and not bought.is_matured:
            bought.is_matured = True
            self._mature(bought, mine)
        self.dawn(today)

    def _earn(self, bought: Bought, promised: Promise) -> None:
        bought.given = self._within_caps(bought, promised.worth // 1)
        bought.left = bought.given
        self._award(bought, "earn", bought.id, bought.given, spend=bought.paid_fen, orders=1)
        if drawn := self.held.pop(bought.id, []):
            lots = [(day, None, -points) for day, points in drawn]
            self._write("use", bought, -bought.used, lots, fact=bought.id)
        if self.first is None:
            self.first = bought.id
            for rule_id, points in promised.bonuses:
                bonus = self._within_caps(bought, points)
                self._award(bought, "bonus", f"first-order@{rule_id}:{bought.id}", bonus)
                bought.bonus, bought.left = bought.bonus + bonus, bought.left + bonus

    def _within_caps(self, bought: Bought, points: int) -> int:
        assert bought.promised
        month = sum(n for day, n in self.earned.items() if day[:7] == bought.day[:7])
        if bought.promised.day_cap is not None:
            points = min(points, max(0, bought.promised.day_cap - self.earned[bought.day]))
        if bought.promised.month_cap is not None:
            points = min(points, max(0, bought.promised.month_cap - month))
        return points

    def _award(
        self, bought: Bought, kind: str, fact: str, points: int, spend: int = 0, orders: int = 0
    ) -> None:
        promised = bought.promised
        assert promised
        lots = [(promised.last_day, promised.waits_for, points)]
        self._write(kind, bought, points, lots, fact=fact, spend=spend, orders=orders)
        self.earned[bought.day] += points
        if points:
            self.rows.append(Row(bought.id, promised.last_day, promised.waits_for, points))

    def _give_back(self, bought: Bought, refund: Refund, is_last: bool, today: str) -> None:
        """Return used points in proportion to the money; those that expire last come first."""
        if not bought.used:
            return
        assert bought.promised
        money = sum(r.fen for r in bought.refunds[: bought.known_refunds])
        until_now = bought.used if is_last else bought.used * money // max(1, bought.paid_fen)
        single = [day for day, points in sorted(bought.drawn, reverse=True) for _ in range(points)]
        back = Counter(single[bought.came_back : until_now])
        bought.came_back, lost = until_now, 0
        lots: list[Move] = []
        for day, points in back.items():
            extended = day
            if day < today:
                if not bought.promised.extend_days:
                    lost += points
                    continue
                extended = later(today, bought.promised.extend_days)
            self.rows.append(Row("came back", extended, None, points))
            lots.append((extended, None, points))
        returned = sum(points for _, _, points in lots)
        self._write("return", bought, returned, lots, fact=refund.id, waived=lost)

    def _claw_back(self, bought: Bought, refund: Refund, is_last: bool, today: str) -> None:
        promised = bought.promised
        assert promised
        so_far = bought.refunds[: bought.known_refunds]
        left = 0 if is_last else bought.still_earns(so_far) + bought.bonus
        wanted = rest = bought.left - left
        bought.left = left
        lots: list[Move] = []
        for row in self.rows:  # Points that are still pending are taken first.
            if row.award == bought.id and row.waits_for is not None:
                taken = min(rest, row.left)
                row.left -= taken
                rest -= taken
                lots.append((row.last_day, row.waits_for, -taken))
        owed = 0
        if promised.policy != "pending_only" and promised.last_day >= today:
            found = self._take(rest, first=promised.last_day)
            lots += [(day, None, -points) for day, points in found]
            rest -= sum(points for _, points in found)
            if promised.policy == "unlimited":
                owed, rest = rest, 0
                self.debts.append(owed)
        self.earned[bought.day] -= wanted - rest  # Waived points stay earned.
        self._write(
            "claw-back",
            bought,
            rest - wanted,
            lots,
            owed,
            fact=refund.id,
            waived=rest,
            spend=-refund.fen,
            orders=-1 if is_last else 0,
        )
        if is_last and self.first == bought.id and not rest:
            self.first = None

    def _mature(self, bought: Bought | None, rows: list[Row]) -> None:
        waits_for, day = rows[0].waits_for, rows[0].last_day
        points = sum(row.left for row in rows)
        for row in rows:
            row.waits_for = None
        if points:
            lots = [(day, waits_for, -points), (day, None, points)]
            self._write("mature", bought, 0, lots, fact=bought.id if bought else None)

    def _take(self, points: int, first: str | None = None) -> Drawn:
        """Take up to `points`: those whose last day is `first`, then those that expire soonest."""
        found: Counter[str] = Counter()
        usable = [row for row in self.rows if row.waits_for is None]
        for row in sorted(usable, key=lambda row: (row.last_day != first, row.last_day)):
            taken = min(points, row.left)
            row.left -= taken
            points -= taken
            found[row.last_day] += taken
        self.rows = [row for row in self.rows if row.left]
        return [(day, taken) for day, taken in found.items() if taken]

    def _write(
        self,
        kind: str,
        bought: Bought | None,
        points: int,
        lots: Sequence[Move],
        debt: int = 0,
        *,
        fact: str | None = None,
        waived: int = 0,
        spend: int = 0,
        orders: int = 0,
    ) -> None:
        moved: Counter[tuple[str, str | None]] = Counter()
        for day, waits_for, count in lots:
            moved[day, waits_for] += count
        if bought is not None:
            self.spend[bought.day] += spend
            self.orders[bought.day] += orders
        revision = bought.promised.revision if bought and bought.promised else None
        where = {key: count for key, count in moved.items() if count}
        moved_by = Written(kind, fact, points, where, debt, waived, spend, orders, revision)
        self.written.append(moved_by)


def level(spend: Counter[str], today: str) -> str:
    """Return the sample chain's tier for the spend of the 365 days that end today."""
    fen = sum(count for day, count in spend.items() if day > later(today, -365))
    return "gold" if fen >= 200_000 else "silver" if fen >= 50_000 else "basic"
