"""Random tier rules and orders, and one member whose tier follows them as in the functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any

from huitou.loyalty.tiers.models import Promise, TierAccount, TierBase, TierRules
from huitou.loyalty.tiers.rules import Case, Evaluation

START = date(2026, 1, 1)
WINDOWS: list[dict[str, Any]] = [
    *({"window": "rolling", "window_days": days} for days in (30, 90, 180, 365)),
    {"window": "calendar_year"},
    {"window": "anchor", "anchor": "joined"},
    {"window": "anchor", "anchor": "level_start"},
]
EDGES = [date(2026, 12, 31), date(2027, 1, 1), date(2028, 1, 1), date(2028, 2, 28),
         date(2028, 2, 29), date(2028, 3, 1)]  # fmt: skip
JOINED = [date(2026, 1, 1), date(2025, 6, 15), date(2025, 12, 31), date(2024, 2, 29)]
NAMES = ("silver", "gold", "black")


@dataclass(frozen=True)
class Paid:
    """One order: placed on the store's day `on`, and known from the brand's day `seen`."""

    on: date
    seen: date
    fen: int
    points: int = 0
    back: date | None = None
    back_fen: int = 0

    @property
    def whole(self) -> bool:
        """Tell whether the whole order is refunded."""
        return self.back is not None and self.back_fen == self.fen

    def figures(self, today: date) -> tuple[int, int, int]:
        """Return what is left of the order on a day: spend, orders, points."""
        if today < self.seen:
            return 0, 0, 0
        if self.back is None or today < self.back:
            return self.fen, 1, self.points
        if self.whole:
            return 0, 0, 0
        left = self.fen - self.back_fen
        return left, 1, self.points * left // self.fen


def some_rules(random: Random, revision: int = 1) -> TierRules:
    """Return rules with any window and with one to three levels above the lowest."""
    by_orders, by_points = random.random() < 0.3, random.random() < 0.15
    match = random.choice(["all", "any"])
    share = random.choice([None, 0.5, 0.7, 0.9])
    levels: list[dict[str, Any]] = [{"level": "basic", "name": "basic"}]
    goal = random.choice([300, 600, 1000])
    for place, name in enumerate(NAMES[: random.choice([1, 2, 2, 3])], 1):
        wanted = {"spend_fen": goal}
        wanted |= {"orders": 2 * place} if by_orders else {}
        wanted |= {"points": 3 * place} if by_points else {}
        level = {"level": name, "name": name, **wanted, "match": match}
        if share is not None:
            kept = {figure: max(1, int(count * share)) for figure, count in wanted.items()}
            level["keep"] = {**kept, "match": match}
        levels.append(level)
        goal += random.choice([200, 1000, 2000])
    return TierRules.model_validate(
        {
            "revision": revision,
            "levels": levels,
            **random.choice(WINDOWS),
            "notice_days": 0,
            "downgrade": random.choice(["to_earned", "to_earned", "one_step", "one_step", "never"]),
            "grace_days": random.choice([0, 0, 5, 15, 60]),
        }
    )


def some_order(random: Random, days: int, *, stays: bool = False) -> Paid:
    """Return an order of the next `days` days; most orders aren't refunded."""
    on = START + timedelta(days=random.randrange(days))
    if random.random() < 0.2:
        on = random.choice(EDGES)
    ahead = timedelta(days=random.random() < 0.1)
    fen = random.choice([100, 300, 400, 600, 1000, 1500, 3000])
    order = Paid(on, on - ahead, fen, random.choice([0, 1, 4]))
    if stays or random.random() < 0.6:
        return order
    later = timedelta(days=random.choice([0, 1, 3, 40, 200, 364]))
    back_fen = random.choice([fen, fen, 100])
    return replace(order, back=order.seen + later, back_fen=back_fen)


def evaluate(
    account: TierAccount,
    rules: TierRules,
    today: str,
    changes: Sequence[tuple[int, TierRules]] = (),
    known: Mapping[int, TierRules] | None = None,
) -> Evaluation:
    """Find a tier by the rules of the account's first days and by the later rules."""
    return Case(account, ((0, rules), *changes), today, known or {}).judged()


@dataclass
class Life:
    """One member, evaluated whenever an order comes, goes back, or stops counting.

    Between two evaluations the account keeps what the functions keep: the standing, the base, and
    the days that may still count.
    """

    rules: TierRules
    joined: date
    orders: list[Paid]
    changes: list[tuple[date, TierRules]] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    account: TierAccount = field(init=False)
    due: date | None = None

    def __post_init__(self) -> None:
        base = TierBase(promises=self.promises)
        self.account = TierAccount(id="m", joined_day=self.joined.isoformat(), tier_base=base)

    def look(self, today: date) -> Evaluation:
        """Evaluate the member on a day, and keep what the functions would store."""
        base = self.account.tier_base
        first = (base.day if base else "") and date.fromisoformat(base.day)  # type: ignore[union-attr]
        oldest = first - timedelta(days=427) if first else date.min
        days: dict[str, dict[str, int]] = {
            "spend_by_day": {},
            "orders_by_day": {},
            "points_by_day": {},
        }
        for order in self.orders:
            if order.on >= oldest:
                for by_day, figure in zip(days.values(), order.figures(today), strict=True):
                    day = order.on.isoformat()
                    by_day[day] = by_day.get(day, 0) + figure
        times = [(self.joined, self.rules), *self.changes]
        before = self.joined - timedelta(days=1)
        place = max(n for n, (on, _) in enumerate(times) if n == 0 or on <= (first or before))
        rules = times[place][1]
        later = [(on.toordinal(), r) for on, r in times[place + 1 :] if on <= today]
        known = [(rules.revision, rules) for _, rules in times]
        account = self.account.model_copy(update=days)
        found = evaluate(account, rules, today.isoformat(), later, dict(known))
        self.account = account.model_copy(update={"tier": found.standing, "tier_base": found.base})
        self.due = date.fromisoformat(found.review_on) if found.review_on else None
        return found

    def moments(self) -> set[date]:
        """Return the days on which an order comes or goes back."""
        found = {order.seen for order in self.orders} | {on for on, _ in self.changes}
        return found | {order.back for order in self.orders if order.back is not None}

    def go_through(self, looked_at: Iterable[date]) -> dict[date, Evaluation]:
        """Evaluate on all days on which something happens or falls due; returns each result."""
        wanted, found = set(looked_at), {}
        days, last = wanted | self.moments(), max(wanted)
        while days:
            today = min(days)
            days.discard(today)
            if today > last:
                break
            seen = self.look(today)
            if today in wanted:
                found[today] = seen
            if self.due is not None and self.due > today:
                days.add(self.due)
        return found
