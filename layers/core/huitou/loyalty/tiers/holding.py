"""From which day to which each level is held, by the days' figures, promises and falls.

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
    """A level is held from `begin`, surely through `through`; its last period begins on `first`."""

    begin: int
    through: int
    first: int


@dataclass(frozen=True)
class Keep:
    """A member who holds the level on a day from `first` to `last` holds it through `through`."""

    first: int
    last: int
    through: int


@dataclass(frozen=True)
class Fall:
    """A level is lost on `day`; `following` is the day after its last sure day."""

    day: int
    following: int


@dataclass(frozen=True)
class Held:
    """One level's runs under one set of rules; a removed level has no goals and no grace days."""

    level: str
    rank: float
    revision: int
    grace: int
    runs: list[Run]

    def between(self, first: int, last: int) -> list[Run]:
        """Return the runs that hold the level on one of these days."""
        return [r for r in self.runs if r.begin <= last and first <= r.through + self.grace]


def rank_of(level: str, rules: TierRules, given: TierRules | None) -> float:
    """Return a level's place among the present ones.

    A removed level stands above those that stood below it by `given`, the rules that gave it.
    """
    places = {found.level: place for place, found in enumerate(rules.levels)}
    if level in places:
        return places[level]
    old_levels = [found.level for found in given.levels] if given else []
    if level not in old_levels[1:]:
        return 0
    lower = old_levels[: old_levels.index(level)]
    return 0.5 + max((places[name] for name in lower if name in places), default=0)


@dataclass(frozen=True)
class Stage:
    """One member's days under one revision of the rules.

    `since` is the first day on which these rules count; `are_new` tells that others were in force
    before. `last` is the last day on which a fall counts. `known` are rules of other revisions,
    which gave levels that are removed now.
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
            promised += own  # A member who holds a level holds those below it too.
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
        """Return the levels held on a day as promises, from which the same rules go on."""
        by_stretches = is_by_stretches(self.rules)
        return [
            Promise(
                level=held.level,
                revision=held.revision,
                through=iso(run.through),
                first=iso(run.first) if by_stretches and run.first else "",
            )
            for held in self.held()
            for run in held.between(day, day)
        ]

    def promised_to_new_rules(self, day: int) -> list[Promise]:
        """Return the levels held on the day of change, and how long new rules can't end them.

        For a level in its days of grace that is the day of change; the new days of grace follow.
        """
        return [
            Promise(
                level=held.level,
                revision=held.revision,
                through=iso(max([day, *(run.through for run in runs)])),
            )
            for held in self.held()
            if (runs := held.between(day, day))
        ]

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
            # A rolling window may still keep a level on the day after its days of grace.
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
        """Return the first days that reach a level, and the spans of days that keep it."""
        reaches, keeps = meets(level), meets(level.kept_by)
        reached, kept = list[int](), list[Keep]()
        fresh = True  # No day of the present span has reached the level yet.
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
        """Cycles that have figures: last day, last day of the next cycle, sums day by day."""
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
        """Return the days that reach a level, and the days on which a cycle's figures keep it."""
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
        """Return a run for each stretch that begins, prolonged by the stretches that follow it."""
        reaches, keeps = meets(level), meets(level.kept_by)
        begun = {
            (run.first or years_on(run.through, -1) + 1, run.through): run.begin
            for run in self._promised_runs(promises)
        }
        starts = [day for day in self.days.days if day >= self.since]
        starts += [self.since] if self.are_new else []
        starts = [d for d in starts if reaches(self.days.total(years_on(d, -1) + 1, d))]
        # A fall begins a stretch right after the last sure day, not after the days of grace: so
        # all stretches stay in step.
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
    """Join runs that touch, days of grace included, and prolong each while figures keep it.

    Figures may keep a level up to `late` days after its last sure day.
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
    """Go through all rules of the timeline; return the stage of the last ones.

    What the rules before hold on a day of change is promised to the rules after. Figures after
    `last` count too, but for a day of change only the figures through that day.
    """
    known = {**known, **{rules.revision: rules for _, rules in timeline}}
    for number, ((since, rules), (ends, _)) in enumerate(pairwise(timeline)):
        through = days.through(ends)
        stage = Stage(rules, since, number > 0, ends, through, joined_day, promises, known)
        promises = stage.promised_to_new_rules(ends)
    since, rules = timeline[-1]
    return Stage(rules, since, len(timeline) > 1, last, days, joined_day, promises, known)
