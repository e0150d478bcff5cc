"""A model of TIERS.md that goes day by day; tests compare the real tiers with it.

It is slow and plain on purpose: it sums a list of orders anew for each day and looks at each level
by itself. If the text leaves a choice, a comment that starts with "Reading:" names the choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from huitou.loyalty.tiers.models import Level, TierRules
from tier_sums import (
    ONE_DAY,
    Ledger,
    Order,
    Stretch,
    by_stretches,
    cycle_first,
    cycle_last,
    days_from,
    keeps,
    period_from,
    reaches,
    stretch_from,
    year_ending,
)


@dataclass(frozen=True)
class Promised:
    """A tier from another system: it is held through this day."""

    level: str
    through: date


@dataclass(frozen=True)
class Answer:
    """The member's tier; `holds_through` is None for the lowest level and for one held for ever."""

    level: str
    holds_through: date | None


class Gone(NamedTuple):
    """A level that was removed from the rules, but is held through its promise."""

    level: str
    below: frozenset[str]
    through: date


# The state at the end of a day.


@dataclass
class State:
    """The levels held at the end of a day, by the rules in force.

    `held_to` is the last day known so far through which a level is held without days of grace.
    `stretches` are those of `level_start`; a stretch is settled (True) when another one follows it
    or when it has fallen. `held` and `sure` are the levels held on the last day walked, with and
    without days of grace; `last_sure` is each level's last day without grace up to now.
    """

    rules: TierRules
    joined: date
    held_to: dict[str, date] = field(default_factory=dict)
    stretches: dict[str, dict[Stretch, bool]] = field(default_factory=dict)
    for_ever: set[str] = field(default_factory=set)
    gone: list[Gone] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)
    last_sure: dict[str, date] = field(default_factory=dict)

    def copy(self) -> State:
        """Return a state that can go on without this one."""
        return State(
            self.rules,
            self.joined,
            dict(self.held_to),
            {level: dict(stretches) for level, stretches in self.stretches.items()},
            set(self.for_ever),
            list(self.gone),
            set(self.held),
            set(self.sure),
            dict(self.last_sure),
        )

    @property
    def grace(self) -> timedelta:
        """Return how long a level is held after its last sure day."""
        return timedelta(days=self.rules.grace_days)

    def order(self) -> list[str]:
        """Return all levels, lowest first; a removed level stands above those it stood above.

        Reading: it stands above no other level, except the lowest, which every member has.
        """
        names = [level.level for level in self.rules.levels]
        for gone in self.gone:
            places = [place for place, name in enumerate(names) if name in gone.below]
            names.insert(max(places, default=0) + 1, gone.level)
        return names

    def next_lower(self, name: str) -> Level | None:
        """Return the next lower level of the rules, unless that is the lowest of all."""
        order = self.order()
        under = order[1 : order.index(name)]
        found = [level for level in self.rules.levels if level.level in under]
        return found[-1] if found else None

    def hold(self, name: str, through: date) -> None:
        """Note that a level is held at least through this day."""
        self.held_to[name] = max(through, self.held_to.get(name, through))

    def begin(self, name: str, stretch: Stretch) -> None:
        """Note a stretch of a level."""
        self.stretches.setdefault(name, {}).setdefault(stretch, False)

    def promise(self, name: str, through: date, below: frozenset[str]) -> None:
        """Promise a level and all below it through this day."""
        if self.rules.find(name) is None:
            known = [one for one in self.gone if one.level == name]
            self.gone = [one for one in self.gone if one.level != name]
            longest = max([through, *(one.through for one in known)])
            self.gone.append(Gone(name, below.union(*(one.below for one in known)), longest))
            self.last_sure[name] = max(longest, self.last_sure.get(name, longest))
        order = self.order()
        for level in self.rules.levels[1:]:
            if order.index(level.level) <= order.index(name):
                self.hold(level.level, through)
                known_sure = self.last_sure.get(level.level, through)
                self.last_sure[level.level] = max(through, known_sure)
                if by_stretches(self.rules):
                    # Reading: the figures that keep a promised level are those of the 12 months
                    # that end with the promise, and of the days of grace after it.
                    self.begin(level.level, year_ending(through))


# One day.


def look_at_window(state: State, level: Level, day: date, ledger: Ledger, held: bool) -> None:
    """Rolling window: find whether this day's window reaches the level, or keeps what was held.

    Reading: the day after the last day of grace "falls" only if it does not keep the level either.
    """
    first = day - timedelta(days=state.rules.window_days - 1)
    sums = ledger.total(first, day)
    if reaches(level, sums) or (held and keeps(level, sums)):
        state.hold(level.level, day)


def look_at_cycle(state: State, level: Level, day: date, ledger: Ledger, held: bool) -> None:
    """Cycles: find whether the figures of this day's cycle reach or keep the level."""
    rules, joined = state.rules, state.joined
    first = cycle_first(rules, joined, day)
    sums = ledger.total(first, day)
    if reaches(level, sums) or (held and keeps(level, sums)):
        state.hold(level.level, cycle_last(rules, joined, cycle_last(rules, joined, day) + ONE_DAY))
    # Reading: the first `grace_days` of a cycle count for the cycle before too, if the level is
    # held on them for any reason.
    ended = first - ONE_DAY
    if held and day <= ended + state.grace:
        sums = ledger.total(cycle_first(rules, joined, ended), day)
        if keeps(level, sums):
            state.hold(level.level, cycle_last(rules, joined, day))


def look_at_stretches(
    state: State, level: Level, day: date, ledger: Ledger, *, changed: bool
) -> None:
    """`level_start`: begin the stretches of this day, and end those that are not kept."""
    name = level.level
    if any(ledger.total(day, day)) or changed:
        first, last = year_ending(day)
        if reaches(level, ledger.total(first, last)):
            state.begin(name, stretch_from(day))
    waiting = [stretch for stretch, done in state.stretches.get(name, {}).items() if not done]
    while waiting:
        stretch = waiting.pop()
        if day > stretch.last + state.grace:
            if not changed:  # What the old rules held on the day of change ends the day after.
                state.stretches[name][stretch] = True
                one_step_down(state, name, stretch.last + ONE_DAY)
        elif stretch.first <= day and keeps(level, ledger.total(stretch.first, day)):
            state.stretches[name][stretch] = True
            follows = stretch_from(stretch.last + ONE_DAY)
            if follows not in state.stretches[name]:
                state.begin(name, follows)
                waiting.append(follows)  # The day may keep this one too.


def one_step_down(state: State, name: str, day: date) -> None:
    """With `one_step`, hold the next lower level for a period from this day on."""
    lower = state.next_lower(name)
    if state.rules.downgrade != "one_step" or lower is None:
        return
    if by_stretches(state.rules):
        state.begin(lower.level, stretch_from(day))
    else:
        state.hold(lower.level, period_from(state.rules, state.joined, day))


def held_by_itself(state: State, name: str, day: date, grace: timedelta) -> bool:
    """Tell whether a level is held on this day, with so many days of grace."""
    if name in state.for_ever:
        return True
    if name in state.held_to and day <= state.held_to[name] + grace:
        return True
    stretches = state.stretches.get(name, {})
    return any(stretch.first <= day <= stretch.last + grace for stretch in stretches)


def walk_day(state: State, day: date, ledger: Ledger, *, changed: bool = False) -> None:
    """Go through one day, from the highest level down: each one depends on those above it.

    On a day of change the new rules go through it again; `state.held` is what the old ones held.
    """
    before = state.held
    held: set[str] = set()
    sure: set[str] = set()
    order = state.order()
    gone = {one.level: one.through for one in state.gone}
    for name in reversed(order[1:]):
        kept_over = changed and name in before
        if name in gone:
            # Reading: no rules keep it, so no days of grace follow its promise.
            now, surely = day <= gone[name], day <= gone[name]
        else:
            level = state.rules.named(name)
            if by_stretches(state.rules):
                look_at_stretches(state, level, day, ledger, changed=changed)
            elif state.rules.window == "rolling":
                look_at_window(state, level, day, ledger, bool(held) or name in before)
            else:
                now = bool(held) or kept_over or held_by_itself(state, name, day, state.grace)
                look_at_cycle(state, level, day, ledger, now)
            now = held_by_itself(state, name, day, state.grace)
            surely = held_by_itself(state, name, day, timedelta())
        if now or kept_over or (held and name not in gone):
            held.add(name)  # A member who holds a level holds all below it.
            if state.rules.downgrade == "never" and name not in gone:
                state.for_ever.add(name)
                surely = True
        elif name in before and (name in gone or not by_stretches(state.rules)):
            one_step_down(state, name, day)
        if surely or (sure and name not in gone):
            sure.add(name)
            state.last_sure[name] = day
    state.held, state.sure = held, sure


# Many days.


def run_out(state: State, day: date, ledger: Ledger, names: Iterable[str]) -> dict[str, date]:
    """Find through which day each of these levels holds if nothing more is ordered.

    That is the last sure day of the days in a row on which it is held.
    """
    state, nothing_more = state.copy(), ledger.through(day)
    if state.rules.downgrade == "one_step":  # A level that a later fall would give isn't promised.
        state.rules = state.rules.model_copy(update={"downgrade": "to_earned"})
    found = {name: state.last_sure[name] for name in names}
    going_on = set(found)
    while going_on:
        day += ONE_DAY
        walk_day(state, day, nothing_more)
        going_on &= state.held
        for name in going_on & state.sure:
            found[name] = day
    return found


def change(state: State, day: date, ledger: Ledger, rules: TierRules) -> State:
    """Bring new rules into force: promise the levels held, then go through the day by new rules.

    Reading: the old lowest level was not earned, so it is not promised.
    """
    order = state.order()
    found = run_out(state, day, ledger, state.held - state.for_ever)
    lasting = {name: max(day, through) for name, through in found.items()}
    new = State(rules, state.joined, last_sure=dict(state.last_sure))
    for place, name in enumerate(order):
        if name in state.for_ever:
            new.promise(name, period_from(rules, state.joined, day), frozenset(order[:place]))
        elif name in lasting:
            new.promise(name, lasting[name], frozenset(order[:place]))
    new.held = set(state.held)
    walk_day(new, day, ledger, changed=True)
    return new


def answer(state: State, day: date, ledger: Ledger) -> Answer:
    """Return the highest level held on the day just walked, and through which day it holds."""
    highest = [name for name in state.order() if name in state.held][-1:]
    if not highest:
        return Answer(state.rules.levels[0].level, None)
    name = highest[0]
    if name in state.for_ever:
        return Answer(name, None)
    return Answer(name, run_out(state, day, ledger, [name])[name])


def walk(
    orders: Iterable[Order],
    timeline: Sequence[tuple[date | None, TierRules]],
    last: date,
    joined: date,
    promises: Iterable[Promised] = (),
) -> Iterator[tuple[date, State, Ledger]]:
    """Yield each day through the last one, with the state at its end and the ledger."""
    ledger, promises = Ledger(orders), list(promises)
    changes = {on: rules for on, rules in timeline[1:] if on is not None}  # The last ones of a day.
    state = State(timeline[0][1], joined)
    for promised in promises:
        state.promise(promised.level, promised.through, frozenset())
    begins = [order.on for order in ledger.orders] + [promised.through for promised in promises]
    for day in days_from(min([*begins, *changes, last]), last):
        walk_day(state, day, ledger)
        if day in changes:
            state = change(state, day, ledger, changes[day])
        yield day, state, ledger


def held_on(
    orders: Iterable[Order],
    timeline: Sequence[tuple[date | None, TierRules]],
    today: date,
    joined: date,
    promises: Iterable[Promised] = (),
) -> Answer:
    """Return the member's tier today.

    Orders may lie after today, if a store is a day ahead of the brand: then it is the highest
    tier held from today through the last order's day. Rules that come into force later do not
    count.
    """
    orders = list(orders)
    in_force = [(on, rules) for on, rules in timeline if on is None or on <= today]
    last = max([today, *(order.on for order in orders)])
    best, rank = None, (0, date.min)
    for day, state, ledger in walk(orders, in_force, last, joined, promises):
        if day >= today:
            found = answer(state, day, ledger)
            place = state.order().index(found.level)
            if best is None or (place, found.holds_through or date.max) > rank:
                best, rank = found, (place, found.holds_through or date.max)
    if best is None:
        raise ValueError("no day was walked")
    return best
