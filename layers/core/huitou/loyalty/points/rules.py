"""A member's account as a ledger of lots: every change of it is an entry."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.points.errors import PointsErrors
from huitou.loyalty.points.models import (
    NEVER,
    ON_COMPLETION,
    Account,
    ClawBack,
    EntryKind,
    LedgerEntry,
    LotMove,
    PointsRules,
    RuleRef,
)
from huitou.runtime.errors import Code, HuitouError, Refusal

Figures = Mapping[str, Mapping[str, int]]  # What tiers count, by name and business day.
NO_FIGURES: Figures = {}


@dataclass(frozen=True)
class EntryOrigin:
    """What an entry says beside its points: why, when, for which order, by whom and which rules.

    `business_day` is the day on which tiers count the entry's figures.
    """

    cause: str
    at: datetime
    business_day: str
    rules_revision: int
    order_id: str | None = None
    actor: str = "settlement"
    reason: str | None = None
    approved_by: str | None = None
    digest: str | None = None
    rules: Sequence[RuleRef] = ()
    is_test: bool = False


@dataclass(frozen=True)
class Award:
    """The lot of an award: its last day, and what it waits for while it is pending."""

    expires_on: str
    usable: str | None = None


class TakenBack(int):
    """Points to take back; never a negative number, so that no claw-back adds points."""

    def __new__(cls, points: int) -> TakenBack:
        if points < 0:
            raise ValueError(f"a claw-back of {points} points would add some")
        return super().__new__(cls, points)


def day_after(day: str, days: int = 1) -> str:
    """Return the day so many days later, as YYYY-MM-DD; NEVER stays NEVER."""
    if day == NEVER:
        return NEVER
    return shifted(day, days)


def pending_key(usable: str, expires_on: str) -> str:
    """Return the name of a pending lot in an account: what it waits for, and its last day."""
    return f"{usable}|{expires_on}"


class Book:
    """One member's account, open for writing; `entries` are the new ones.

    Bring it up to date before and after each change. Then what the calendar brings (the end of a
    wait, an expiry) has an entry of its own, and usable lots repay what is owed. The book is
    saved as a whole; the version at which it was opened guards it.
    """

    def __init__(self, account: Account, rules: PointsRules, today: str, at: datetime) -> None:
        self.account = account
        self.entries: list[LedgerEntry] = []
        self.lots = dict(account.lots)
        self.pending = dict(account.pending)
        self.reserved = account.reserved
        self.debt = account.debt
        self.first_order_id = account.first_order_id
        self.noticed_through = account.noticed_through
        self.figures: dict[str, Counter[str]] = defaultdict(Counter)
        self._balance = account.available + account.reserved + sum(account.pending.values())
        self._rules = rules
        self._today = today
        self._at = at

    @property
    def available(self) -> int:
        """What can be spent; negative while something is owed."""
        return sum(self.lots.values()) - self.debt

    @property
    def held(self) -> int:
        """All points of the account: those that can be spent, wait, or are set aside."""
        return self.available + self.reserved + sum(self.pending.values())

    def room(self, day: str, per_day: int | None, per_month: int | None) -> int | None:
        """Return how many points may still be earned on a day, None if there is no cap.

        Caps limit the day and its calendar month, and count points earned and not taken back. If
        two awards compete, the first to commit gets the room: the version guards the book.
        """
        if per_day is None and per_month is None:
            return None  # The usual case: no need to add up a month.
        earned = Counter(self.account.points_by_day) + self.figures["points_by_day"]
        left = []
        if per_day is not None:
            left.append(per_day - earned[day])
        if per_month is not None:
            left.append(per_month - sum(n for other, n in earned.items() if other[:7] == day[:7]))
        return max(0, min(left))

    def pending_of(self, award: Award) -> int:
        """Return how many points are pending in this award's lot."""
        return self.pending.get(pending_key(str(award.usable), award.expires_on), 0)

    @property
    def changed(self) -> bool:
        """Tell whether there is anything to save."""
        return bool(
            self.entries
            or self.lots != self.account.lots
            or self.noticed_through != self.account.noticed_through
            or self.due_on() != self.account.points_on
        )

    def bring_up_to_date(self) -> None:
        """Post what the calendar brings: ends of waits, then expiries; then repay what is owed."""
        for key in sorted(self.pending):
            usable, expires_on = key.split("|")
            if usable != ON_COMPLETION and usable <= self._today:
                self._mature(self._by_calendar(key), key, self.pending[key])
        for expires_on in sorted(self.lots):
            if expires_on < self._today:
                self._expire([LotMove(expires_on=expires_on, points=-self.lots[expires_on])])
        for key in sorted(self.pending):
            usable, expires_on = key.split("|")
            if expires_on < self._today:
                points = -self.pending[key]
                self._expire([LotMove(expires_on=expires_on, points=points, usable=usable)])
        owed = min(self.debt, sum(self.lots.values()))
        if owed:
            self._post("repay", self._by_calendar(""), 0, self._drawn(owed), debt=-owed)

    def earn(
        self, origin: EntryOrigin, points: int, award: Award, *, spend_fen: int = 0, orders: int = 0
    ) -> None:
        """Award points for an order; an award of 0 points still carries tiers' figures."""
        self._award("earn", origin, points, award, spend_fen=spend_fen, orders=orders)
        if self.first_order_id is None and origin.order_id is not None:
            self.first_order_id = origin.order_id

    def bonus(self, origin: EntryOrigin, points: int, award: Award) -> None:
        """Award points for an event: a first order, a review, a check-in."""
        self._award("bonus", origin, points, award)

    def mature(self, origin: EntryOrigin, points: int, award: Award) -> None:
        """Make points usable that waited for their order's completion."""
        self._mature(origin, pending_key(ON_COMPLETION, award.expires_on), points)

    def draw(self, points: int) -> list[LotMove]:
        """Set points aside, the soonest to expire first; return the lots they came from.

        Raises Refusal POINTS_NOT_ENOUGH if there are fewer.
        """
        if points > self.available:
            raise Refusal(PointsErrors.POINTS_NOT_ENOUGH, field="points")
        moves = self._drawn(points)
        self._apply(moves)
        self.reserved += points
        return [LotMove(expires_on=move.expires_on, points=-move.points) for move in moves]

    def put_back(self, drawn: Iterable[LotMove]) -> None:
        """Put points that were set aside back into their lots; the next update expires old lots."""
        for part in drawn:
            self._apply([part])
            self.reserved -= part.points

    def set_aside(self, drawn: Iterable[LotMove]) -> None:
        """Set points of exactly these lots aside: the reverse of `put_back`."""
        for part in drawn:
            self._apply([part.model_copy(update={"points": -part.points})])
            self.reserved += part.points

    def use(self, origin: EntryOrigin, drawn: Sequence[LotMove]) -> None:
        """Spend points that were set aside."""
        points = sum(part.points for part in drawn)
        moves = [LotMove(expires_on=part.expires_on, points=-part.points) for part in drawn]
        self.reserved -= points
        self._post("use", origin, -points, moves, from_reserved=True)

    def give_back(self, origin: EntryOrigin, parts: Iterable[LotMove], extend_days: int) -> None:
        """Return spent points to the lots they came from.

        Points that have expired meanwhile are valid for `extend_days` from today; if that is 0,
        they are waived.
        """
        moves, waived = [], 0
        for part in parts:
            if part.expires_on >= self._today:
                moves.append(part)
            elif extend_days:
                until = day_after(self._today, extend_days)
                moves.append(LotMove(expires_on=until, points=part.points))
            else:
                waived += part.points
        self._post("return", origin, sum(m.points for m in moves), moves, waived=waived)

    def claw_back(
        self, origin: EntryOrigin, points: TakenBack, award: Award, policy: ClawBack, *,
        spend_fen: int = 0, orders: int = 0,
    ) -> None:  # fmt: skip
        """Take back what a refunded part had earned.

        It takes the award's pending points first, then (unless by policy only those) from the
        award's lot, then from the other lots, the soonest to expire first. The rest is owed or
        waived, by policy. If the award's lot has ended, its points are used or expired already:
        nothing is taken twice. Waived points stay earned, so they make no room under a cap; tiers
        don't count them.
        """
        moves, rest = [], int(points)
        if award.usable is not None and (taken := min(rest, self.pending_of(award))):
            moves.append(LotMove(expires_on=award.expires_on, points=-taken, usable=award.usable))
            rest -= taken
        debt = 0
        if policy != "pending_only" and award.expires_on >= self._today:
            drawn = self._drawn(rest, award.expires_on)
            moves += drawn
            rest += sum(move.points for move in drawn)
            if policy == "unlimited":
                debt, rest = rest, 0
        self._post(
            "claw-back", origin, rest - points, moves, debt=debt, waived=rest,
            spend_fen=spend_fen, orders=orders, earned=rest - points,
        )  # fmt: skip

    def adjust(self, origin: EntryOrigin, points: int, expires_on: str) -> None:
        """Give or take points by hand; points are taken from the lots that expire soonest."""
        if points < 0 and -points > self.available:
            raise Refusal(PointsErrors.POINTS_NOT_ENOUGH, field="points")
        given = [LotMove(expires_on=expires_on, points=points)]
        self._post("adjust", origin, points, given if points > 0 else self._drawn(-points))

    def migrate(self, origin: EntryOrigin, lots: Sequence[LotMove], waived: int = 0) -> None:
        """Take over a balance from another system, lot by lot; negative lots take it back."""
        self._post("migrate", origin, sum(lot.points for lot in lots), lots, waived=waived)

    def transfer_out(self, origin: EntryOrigin, figures: Figures) -> LedgerEntry:
        """Hand lots, debt and figures to another account: `transfer_in` of its book takes them.

        Points that are set aside move if they are put back before; see `set_aside`.
        """
        moves = [LotMove(expires_on=day, points=-points) for day, points in self.lots.items()]
        for key, points in self.pending.items():
            usable, day = key.split("|")
            moves.append(LotMove(expires_on=day, points=-points, usable=usable))
        points = sum(move.points for move in moves) + self.debt
        return self._post(
            "transfer", origin, points, moves, debt=-self.debt, figures=_negative(figures)
        )

    def transfer_in(self, origin: EntryOrigin, out: LedgerEntry) -> None:
        """Take over what the entry `out` handed over."""
        moves = [move.model_copy(update={"points": -move.points}) for move in out.lots]
        figures = _negative(out.figures)
        self._post("transfer", origin, -out.points, moves, debt=-out.debt, figures=figures)

    def forget_before(self, day: str) -> None:
        """Drop the new entries' figures of days before this one: tiers don't count them."""
        for by_day in self.figures.values():
            for old in [other for other in by_day if other < day]:
                del by_day[old]

    def expiring(self) -> list[tuple[str, int]]:
        """Return the lots that end soon (day, points), and note that the member is told of them."""
        last = day_after(self._today, self._rules.notice_days)
        noticed = self.noticed_through or ""
        due = [(day, self.lots[day]) for day in sorted(self.lots) if noticed < day <= last]
        if due:
            self.noticed_through = due[-1][0]
        return due

    def due_on(self) -> str | None:
        """Return the next day on which the calendar brings something, None if there is none."""
        days = [key.split("|")[0] for key in self.pending]
        days = [day for day in days if day != ON_COMPLETION]
        for expires_on in (*self.lots, *(key.split("|")[1] for key in self.pending)):
            days.append(day_after(expires_on))
            if expires_on in self.lots and expires_on > (self.noticed_through or ""):
                days.append(day_after(expires_on, -self._rules.notice_days))
        soonest = min(days, default=NEVER)
        return None if soonest == NEVER else soonest

    def _award(
        self, kind: EntryKind, origin: EntryOrigin, points: int, award: Award, *,
        spend_fen: int = 0, orders: int = 0,
    ) -> None:  # fmt: skip
        lot = LotMove(expires_on=award.expires_on, points=points, usable=award.usable)
        self._post(
            kind, origin, points, [lot] if points else [],
            spend_fen=spend_fen, orders=orders, earned=points,
        )  # fmt: skip

    def _mature(self, origin: EntryOrigin, key: str, points: int) -> None:
        usable, day = key.split("|")
        out = LotMove(expires_on=day, points=-points, usable=usable)
        self._post("mature", origin, 0, [out, LotMove(expires_on=day, points=points)])

    def _expire(self, moves: list[LotMove]) -> None:
        origin = self._by_calendar(moves[0].expires_on)
        self._post("expire", origin, sum(move.points for move in moves), moves)

    def _by_calendar(self, what: str) -> EntryOrigin:
        """Return the origin of a calendar entry; its number makes the cause unique."""
        number = self.account.entries + len(self.entries) + 1
        return EntryOrigin(
            cause=f"{self.account.id}:{what}@{number}", at=self._at, business_day=self._today,
            rules_revision=self._rules.revision, actor="calendar",
        )  # fmt: skip

    def _drawn(self, points: int, first: str | None = None) -> list[LotMove]:
        """Choose up to `points` from usable lots: lot `first`, then the soonest to expire."""
        moves: list[LotMove] = []
        for day in dict.fromkeys([*([first] if first else []), *sorted(self.lots)]):
            if taken := min(points, self.lots.get(day, 0)):
                moves.append(LotMove(expires_on=day, points=-taken))
                points -= taken
        return moves

    def _post(
        self, kind: EntryKind, origin: EntryOrigin, points: int, moves: Sequence[LotMove], *,
        debt: int = 0, waived: int = 0, spend_fen: int = 0, orders: int = 0, earned: int = 0,
        from_reserved: bool = False, figures: Figures = NO_FIGURES,
    ) -> LedgerEntry:  # fmt: skip
        if points != sum(move.points for move in moves) - debt or points * _SIGN.get(kind, 0) < 0:
            raise HuitouError(Code.INTERNAL, field="points")
        if not from_reserved:  # Points set aside have left their lots before.
            self._apply(moves)
        self.debt += debt
        self._balance += points
        entry = LedgerEntry(
            id=f"{kind}:{origin.cause}", member_id=self.account.id, kind=kind, points=points,
            number=self.account.entries + len(self.entries) + 1, balance=self._balance,
            lots=list(moves), debt=debt, waived=waived, spend_fen=spend_fen, orders=orders,
            order_id=origin.order_id, business_day=origin.business_day, booked_on=self._today,
            at=origin.at, cause=origin.cause, actor=origin.actor, reason=origin.reason,
            approved_by=origin.approved_by, digest=origin.digest, rules=list(origin.rules),
            figures={name: dict(days) for name, days in figures.items()},
            rules_revision=origin.rules_revision, is_test=origin.is_test,
        )  # fmt: skip
        self.entries.append(entry)
        moved = {"spend_by_day": spend_fen, "orders_by_day": orders, "points_by_day": earned,
                 "waived_by_day": waived if kind == "claw-back" else 0}  # fmt: skip
        for name, change in moved.items():
            if change:
                self.figures[name][origin.business_day] += change
        for name, days in figures.items():
            self.figures[name].update(days)
        return entry

    def _apply(self, moves: Iterable[LotMove]) -> None:
        for move in moves:
            where, key = self.lots, move.expires_on
            if move.usable is not None:
                where, key = self.pending, pending_key(move.usable, move.expires_on)
            left = where.get(key, 0) + move.points
            if left < 0:
                raise HuitouError(Code.INTERNAL, field="lots")
            where[key] = left
            if not left:
                del where[key]


def _negative(figures: Figures) -> Figures:
    return {n: {day: -count for day, count in days.items()} for n, days in figures.items()}


_SIGN: dict[EntryKind, int] = {  # The sign of an entry's points; other kinds have either.
    "earn": 1, "bonus": 1, "return": 1, "use": -1, "expire": -1, "claw-back": -1,
}  # fmt: skip
