"""From when to when each level is held: what the days' figures, promises and falls make of it.

The rules in words stand in functions/tier-evaluate/TIERS.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from huitou.loyalty.tiers.models import Level, Promise, TierRules
from huitou.loyalty.tiers.periods import (
    FOR_EVER,
    DaySums,
    Sums,
    cycle,
    is_by_stretches,
    iso,
    meets,
    ordinal,
    period_from,
    years_on,
)

# From when rules count: 0, or the business day on which they came into force.
Timeline = Sequence[tuple[int, TierRules]]


@dataclass
class Run:
    """A level is held from `begin`, for sure through `through`; `first` begins its last period."""

    begin: int
    through: int
    first: int


@dataclass(frozen=True)
class Keep:
    """Who holds the level on one of these days holds it through that one."""

    first: int
    last: int
    through: int


@dataclass(frozen=True)
class Fall:
    """From `day` on a level is held no more; `following` is the day after its last sure one."""

    day: int
    following: int


@dataclass(frozen=True)
class Held:
    """One level's runs under some rules; a level that is gone has no goals and no grace."""

    level: str
    rank: float
    revision: int
    grace: int
    runs: list[Run]

    def between(self, first: int, last: int) -> list[Run]:
        """Return the runs that hold the level on one of these days."""
        return [r for r in self.runs if r.begin <= last and first <= r.through + self.grace]


def rank_of(level: str, rules: TierRules, given: TierRules | None) -> float:
    """Place a level among the present ones; one that is gone stands above those below it then."""
    places = {found.level: place for place, found in enumerate(rules.levels)}
    if level in places:
        return places[level]
    of_then = [found.level for found in given.levels] if given else []
    if level not in of_then[1:]:
        return 0
    lower = of_then[: of_then.index(level)]
    return 0.5 + max((places[name] for name in lower if name in places), default=0)


@dataclass(frozen=True)
class Stage:
    """One member's days under one revision of the rules.

    `since` is the first day on which these rules reach and keep, and `are_new` tells that others
    were in force before. `last` is the last day on which a fall counts. `known` are rules of other
    revisions, by which levels that are gone were given.
    """

    rules: TierRules
    since: int
    are_new: bool
    last: int
    days: DaySums
    joined_day: str | None
    promises: Sequence[Promise]
    known: Mapping[int, TierRules] = field(default_factory=dict)

    def held(self) -> list[Held]:
        """Return the runs of each level above the lowest, the highest first."""
        places: dict[str, float] = {
            level.level: place for place, level in enumerate(self.rules.levels) if place
        }
        revisions = dict.fromkeys(places, self.rules.revision)
        for promise in self.promises:
            given = self.known.get(promise.revision)
            if promise.level not in places and (rank := rank_of(promise.level, self.rules, given)):
                places[promise.level], revisions[promise.level] = rank, promise.revision
        found, promised, falls = [], list[Promise](), list[Fall]()
        for name in sorted(places, key=lambda name: -places[name]):
            own = [promise for promise in self.promises if promise.level == name]
            promised += own  # Who holds a level holds those below it.
            level = self.rules.find(name)
            if level is None:
                held = Held(name, places[name], revisions[name], 0, self._promised_runs(own))
            else:
                runs = self._runs(level, promised, falls)
                held = Held(name, places[name], revisions[name], self.rules.grace_days, runs)
                falls = []
            found.append(held)
            if self.rules.downgrade == "one_step":
                ended = [Fall(run.through + held.grace + 1, run.through + 1) for run in held.runs]
                falls += [fall for fall in ended if fall.day <= self.last]
        return found

    def promises_at(self, day: int) -> list[Promise]:
        """Return what holds on a day as promises: what the same rules go on from."""
        by_stretches = is_by_stretches(self.rules)
        return [
            Promise(level=held.level, revision=held.revision, through=iso(run.through),
                    first=iso(run.first) if by_stretches and run.first else "")
            for held in self.held()
            for run in held.between(day, day)
        ]  # fmt: skip

    def promised_to_new_rules(self, day: int) -> list[Promise]:
        """Return how long what holds on the day of change is held whatever the new rules say.

        Of a level in its days of grace that is the day of change; the new days of grace follow.
        """
        return [
            Promise(level=held.level, revision=held.revision,
                    through=iso(max([day, *(run.through for run in runs)])))
            for held in self.held()
            if (runs := held.between(day, day))
        ]  # fmt: skip

    def _runs(self, level: Level, promises: Sequence[Promise], falls: Sequence[Fall]) -> list[Run]:
        if is_by_stretches(self.rules):
            runs = self._stretches(level, promises, falls)
        else:
            given = self._promised_runs(promises)
            given += [Run(fall.day, self._period_from(fall.day), fall.day) for fall in falls]
            reached, kept = (
                self._by_window(level) if self.rules.window == "rolling" else self._by_cycle(level)
            )
            given += [Run(day, day, day) for day in reached]
            # The day after the days of grace is one on which a window may keep a level.
            late = self.rules.grace_days + (self.rules.window == "rolling")
            runs = _joined(given, kept, self.rules.grace_days, late)
        if self.rules.downgrade == "never" and runs:
            begin = min(run.begin for run in runs)
            return [Run(begin, FOR_EVER, begin)]
        return runs

    def _promised_runs(self, promises: Iterable[Promise]) -> list[Run]:
        found = []
        for promise in promises:
            first, through = ordinal(promise.first), ordinal(promise.through)
            gone = self.rules.find(promise.level) is None
            if through == FOR_EVER and (gone or self.rules.downgrade != "never"):
                first, through = self.since, self._period_from(self.since)
            found.append(Run(min(self.since, through), through, first))
        return found

    def _period_from(self, day: int) -> int:
        return period_from(self.rules, self.joined_day, day)

    @cached_property
    def _windows(self) -> list[tuple[int, int, Sums]]:
        return self.days.windows(self.rules.window_days, self.since)

    def _by_window(self, level: Level) -> tuple[list[int], list[Keep]]:
        """Return the first days that reach a level, and the stretches that keep it."""
        reaches, keeps = meets(level), meets(level.kept_by)
        reached, kept = list[int](), list[Keep]()
        fresh = True  # Nothing of the present stretch has reached it yet.
        for first, last, sums in self._windows:
            if not keeps(sums):
                continue
            if kept and kept[-1].last == first - 1:
                kept[-1] = Keep(kept[-1].first, last, last)
            else:
                kept.append(Keep(first, last, last))
                fresh = True
            if fresh and reaches(sums):
                reached.append(first)
                fresh = False
        return reached, kept

    @cached_property
    def _cycles(self) -> list[tuple[int, int, list[tuple[int, Sums]]]]:
        """The cycles with figures: last day, last day of the next one, sums day by day."""
        found, end = [], 0
        for day in self.days.days:
            if day <= end:
                continue
            first, end = cycle(self.rules, self.joined_day, day)
            following = cycle(self.rules, self.joined_day, end + 1)[1]
            running = list(self.days.running(first, end + self.rules.grace_days))
            found.append((end, following, running))
        return found

    def _by_cycle(self, level: Level) -> tuple[list[int], list[Keep]]:
        """Return the days that reach a level, and those on which a cycle's figures keep it."""
        reaches, keeps = meets(level), meets(level.kept_by)
        reached, kept = list[int](), list[Keep]()
        for end, following, running in self._cycles:
            last = end + self.rules.grace_days
            if last < self.since:
                continue
            kept += [
                Keep(max(day, self.since), last, following) for day, sums in running if keeps(sums)
            ][:1]
            days = (max(day, self.since) for day, sums in running if reaches(sums))
            reached += [day for day in days if day <= end][:1]
        return reached, kept

    def _stretches(
        self, level: Level, promises: Sequence[Promise], falls: Sequence[Fall]
    ) -> list[Run]:
        """Return each stretch that begins, with all that follow it."""
        reaches, keeps = meets(level), meets(level.kept_by)
        begun = {
            (run.first or years_on(run.through, -1) + 1, run.through): run.begin
            for run in self._promised_runs(promises)
        }
        starts = [day for day in self.days.days if day >= self.since]
        starts += [self.since] if self.are_new else []
        starts = [d for d in starts if reaches(self.days.total(years_on(d, -1) + 1, d))]
        # From the end of the stretch, days of grace or not: so all stretches stay in step.
        for first, day in [*((d, d) for d in starts), *((f.following, f.day) for f in falls)]:
            begun.setdefault((first, years_on(first, 1) - 1), day)
        runs = []
        for (first, through), begin in begun.items():
            if through == FOR_EVER:
                return [Run(begin, FOR_EVER, begin)]
            while self.since <= (last := through + self.rules.grace_days) and keeps(
                self.days.total(first, last)
            ):
                first, through = through + 1, years_on(through + 1, 1) - 1
            runs.append(Run(begin, through, first))
        return runs


def _joined(given: list[Run], kept: Sequence[Keep], grace: int, late: int) -> list[Run]:
    """Join runs that touch (days of grace included), each as long as the figures keep it.

    Figures may keep a level until so many days `late`.
    """
    runs: list[Run] = []
    for run in sorted(given, key=lambda run: run.begin):
        if not runs or run.begin > runs[-1].through + grace + 1:
            runs.append(run)
        mine = runs[-1]
        mine.through = max(mine.through, run.through)
        for keep in kept:
            if keep.first <= mine.through + late and keep.last >= mine.begin:
                mine.through = max(mine.through, keep.through)
    return runs


def stage_of(
    days: DaySums,
    timeline: Timeline,
    joined_day: str | None,
    promises: Sequence[Promise],
    last: int,
    known: Mapping[int, TierRules],
) -> Stage:
    """Go through the rules of each time; return the last ones' stage, with what was held before.

    Figures after `last` count, but on a day of change only those through it.
    """
    known = {**known, **{rules.revision: rules for _, rules in timeline}}
    for number, ((since, rules), (ends, _)) in enumerate(pairwise(timeline)):
        through = days.through(ends)
        stage = Stage(rules, since, number > 0, ends, through, joined_day, promises, known)
        promises = stage.promised_to_new_rules(ends)
    since, rules = timeline[-1]
    return Stage(rules, since, len(timeline) > 1, last, days, joined_day, promises, known)
