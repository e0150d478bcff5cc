"""Which tier a member's figures deserve, until when it is held, and when to evaluate again.

functions/tier-evaluate/TIERS.md says the rules in words. Each evaluation finds the tier anew from
the days' figures, so it doesn't matter how often or when a member was evaluated before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from huitou.catalog.stores.rules import shifted
from huitou.loyalty.tiers.holding import Held, Run, Stage, Timeline, rank_of, stage_of
from huitou.loyalty.tiers.models import (
    LONGEST_DAYS,
    MOST_GRACE_DAYS,
    Cause,
    Figures,
    Level,
    Promise,
    Standing,
    TierAccount,
    TierBase,
    TierRules,
)
from huitou.loyalty.tiers.periods import (
    FOR_EVER,
    DaySums,
    counted,
    cycle,
    figures_of,
    is_by_stretches,
    iso,
    ordinal,
    period_from,
    years_on,
)

# Reconciliation compares this many days of an account with its entries.
MOST_DAYS = LONGEST_DAYS
# A refund is possible for 365 days, and a store's day may differ from the brand's.
SETTLED_DAYS = 373
# The base moves this many days at a time, so that not each evaluation moves it.
BASE_MOVES_DAYS = 30
# Days before the base's day count that far back: one period, with the days of grace before it.
BEFORE_BASE_DAYS = LONGEST_DAYS + MOST_GRACE_DAYS + 1
# The most days an account keeps: some 40 KB for a member who eats here every day.
MOST_DAYS_KEPT = SETTLED_DAYS + BASE_MOVES_DAYS + BEFORE_BASE_DAYS


@dataclass(frozen=True)
class Evaluation:
    """Where the member stands today, what moved them, and the next day to evaluate them.

    `figures` are those of the period that counts today. `notice` tells that the member must now
    be told what is missing. `base` is what the next evaluation starts from.
    """

    standing: Standing
    level: Level
    figures: Figures
    review_on: str | None
    base: TierBase
    cause: Cause | None = None
    notice: bool = False
    raised: bool = False

    def kept(self, by_day: dict[str, int]) -> dict[str, int]:
        """Return the days of a figure that may still count."""
        first = shifted(self.base.day, -BEFORE_BASE_DAYS) if self.base.day else ""
        return {day: count for day, count in by_day.items() if day >= first and count}


@dataclass(frozen=True)
class Case:
    """One member on one day.

    `timeline` begins with the rules in force on the day of the account's base, or of joining; then
    come the later ones, with the days from which they count. `known` are rules of other revisions,
    which gave levels that are removed now.
    """

    account: TierAccount
    timeline: Timeline
    today: str
    known: Mapping[int, TierRules] = field(default_factory=dict)

    def judged(self) -> Evaluation:
        """Evaluate the member."""
        before, standing = self.account.tier, self._standing()
        ranks = self.rank(standing), self.rank(before)
        cause: Cause | None = None
        if standing.level != before.level:
            late = before.holds_through is not None and self.today > before.holds_through
            cause = "figures" if ranks[0] > ranks[1] else "review" if late else "refund"
            # The lowest level was renamed, or rules that are new today take back a level.
            if ranks[0] == ranks[1] or (cause == "refund" and self._rules_are_new):
                cause = "rules"
        review_on, notice = self._next_review(standing)
        if notice:
            standing = standing.model_copy(update={"noticed_for": standing.holds_through})
        return Evaluation(
            standing,
            self.level(standing),
            self.figures_today(),
            review_on,
            self._moved_base(),
            cause,
            notice,
            raised=ranks[0] > ranks[1],
        )

    def _standing(self) -> Standing:
        """Return the standing at the highest level held; a level that is new counts since today."""
        before, (held, run) = self.account.tier, self.highest
        level = held.level if held else self.rules.levels[0].level
        since = before.since_day if level == before.level else self.today
        if held is None or run is None:
            same = level == before.level
            given = before.rules_revision if same else self.rules.revision
            return Standing(level=level, rules_revision=given, since_day=since)
        return Standing(
            level=level,
            rules_revision=held.revision,
            since_day=since,
            holds_through=None if run.through == FOR_EVER else iso(run.through),
            noticed_for=before.noticed_for if level == before.level else None,
        )

    @property
    def _rules_are_new(self) -> bool:
        return len(self.timeline) > 1 and self.timeline[-1][0] == self._today

    @property
    def rules(self) -> TierRules:
        """The rules in force."""
        return self.timeline[-1][1]

    @cached_property
    def base(self) -> TierBase:
        """What the evaluation starts from; made from the standing if an old account has no base."""
        if self.account.tier_base is not None:
            return self.account.tier_base
        return TierBase(promises=self._promises_of_old_standing())

    @cached_property
    def highest(self) -> tuple[Held | None, Run | None]:
        """The highest level held today, or on a store's day ahead of it; None for the lowest."""
        return self._highest(self.base)

    def _highest(self, base: TierBase) -> tuple[Held | None, Run | None]:
        today, last = self._today, self._last
        for held in self._stage(base, self._days, last, self.timeline).held():
            runs = held.between(today, last)
            if runs:
                return held, max(runs, key=lambda run: run.through)
        return None, None

    @cached_property
    def _today(self) -> int:
        return ordinal(self.today)

    @cached_property
    def _days(self) -> DaySums:
        return DaySums.of(self.account)

    @property
    def _last(self) -> int:
        """The last day that counts: a store's day may be ahead of the brand's."""
        return max([self._today, *self._days.days[-1:]])

    def _stage(self, base: TierBase, days: DaySums, last: int, timeline: Timeline) -> Stage:
        steps = [(ordinal(base.day), timeline[0][1]), *timeline[1:]]
        joined = self.account.joined_day
        return stage_of(days, steps, joined, base.promises, last, self.known)

    def given(self, standing: Standing) -> TierRules:
        """Return the rules that gave a level; the rules in force if they weren't kept."""
        for _, rules in self.timeline:
            if rules.revision == standing.rules_revision:
                return rules
        return self.known.get(standing.rules_revision, self.rules)

    def level(self, standing: Standing) -> Level:
        """Return a standing's level; a removed one as it was when it was given."""
        found = self.rules.find(standing.level) or self.given(standing).find(standing.level)
        return found or self.rules.levels[0]

    def rank(self, standing: Standing) -> float:
        """Return the place of a standing's level among the present ones."""
        return rank_of(standing.level, self.rules, self.given(standing))

    def standing_place(self) -> tuple[float, int]:
        """Return the place of the level held today and its last day, to compare two cases."""
        held, run = self.highest
        return (held.rank, run.through) if held and run else (0, 0)

    def figures_today(self) -> Figures:
        """Return the figures of the period that counts today, for reaching a level."""
        first, last = counted(self.rules, self.account.joined_day, self._today)
        return figures_of(self._days.total(first, last))

    def figures_to_keep(self, through: str | None) -> Figures:
        """Return the figures so far that decide whether a level goes on after a day."""
        last = ordinal(through) if through else self._today
        if self.rules.window == "rolling":
            on = max(last + 1, self._today)
            return figures_of(self._days.total(on - self.rules.window_days + 1, FOR_EVER))
        if is_by_stretches(self.rules):
            run = self.highest[1]
            ends_so = run is not None and run.first > 0 and run.through == last
            first = run.first if run and ends_so else years_on(last + 1, -1)
        else:
            first, last = cycle(self.rules, self.account.joined_day, last)
        return figures_of(self._days.total(first, last + self.rules.grace_days))

    def missing_to_keep(self, standing: Standing) -> dict[str, int] | None:
        """Return what is missing for the level to go on, by figure; None if nothing."""
        level = self.rules.find(standing.level)
        if level is None or standing.holds_through is None:
            return None
        return level.kept_by.missing(self.figures_to_keep(standing.holds_through))

    def notice_on(self, through: str) -> str:
        """Return the day on which a member is told how to keep a level after its last sure day.

        Not before spending can help: a rolling window that begins then must reach past that day.
        """
        ahead = self.rules.notice_days
        if self.rules.window == "rolling":
            ahead = min(ahead, self.rules.window_days - 1)
        return shifted(through, 1 - ahead)

    def _next_review(self, standing: Standing) -> tuple[str | None, bool]:
        """Return the next day to evaluate the standing, and whether a notice is due now."""
        last, rules = standing.holds_through, self.rules
        if last is None:
            return None, False
        if self.today > last:
            return shifted(last, rules.grace_days + 1), False
        no_notice = standing.noticed_for == last or rules.notice_days == 0
        if no_notice or self.missing_to_keep(standing) is None:
            return shifted(last, 1), False
        notice_on = self.notice_on(last)
        return (notice_on, False) if self.today < notice_on else (shifted(last, 1), True)

    def _moved_base(self) -> TierBase:
        """Return the base of the next evaluation; once in a while it moves to a later day."""
        oldest = self.base.day or (iso(self._days.days[0]) if self._days.days else self.today)
        if oldest >= shifted(self.today, -SETTLED_DAYS - BASE_MOVES_DAYS):
            return self.base.model_copy(update={"revision": self.rules.revision})
        day = self._today - SETTLED_DAYS
        steps = [step for step in self.timeline if step[0] <= day]
        stage = self._stage(self.base, self._days.through(day), day, steps)
        promises = self._with_imports(stage.promises_at(day), steps, day)
        return TierBase(day=iso(day), revision=self.rules.revision, promises=promises)

    def _with_imports(self, promises: list[Promise], steps: Timeline, day: int) -> list[Promise]:
        """Note on these promises of a day which of them there are only because of an import.

        What the member holds without the import is promised beside them: that stays if the
        import is taken back.
        """
        imports = [one.import_id for one in self.base.promises if one.import_id]
        if not imports:
            return promises
        own = [one for one in self.base.promises if not one.import_id]
        base = self.base.model_copy(update={"promises": own})
        earned = self._stage(base, self._days.through(day), day, steps).promises_at(day)
        brought = [
            one.model_copy(update={"import_id": imports[-1]})
            for one in promises
            if one not in earned
        ]
        return [*earned, *brought]

    # --- accounts that older versions stored ------------------------------------------------------

    def _promises_of_old_standing(self) -> list[Promise]:
        """Return the promise in a standing that an older version stored, if it is needed.

        Mostly the account's days give the same level. Then nothing is promised, so that refunds
        still count.
        """
        standing: Standing | None = self.account.tier
        while standing is not None and self.rank(standing) > 0:
            if not self._was_undone(standing):
                through = self._held_through(standing)
                held, run = self._highest(TierBase())
                found = (held.rank, run.through) if held and run else (0, 0)
                if found >= (self.rank(standing), ordinal(through)):
                    return []
                return [
                    Promise(level=standing.level, revision=standing.rules_revision, through=through)
                ]
            standing = standing.under
        return []

    def _was_undone(self, standing: Standing) -> bool:
        """Tell whether a refund undid a level, by the rules that gave it."""
        given = self.given(standing)
        level = given.find(standing.level)
        if level is None or standing.earned_through is None or self.today > standing.earned_through:
            return False
        first, last = ordinal(standing.earned_from or ""), ordinal(standing.earned_through)
        if given.window == "rolling":
            first, last = counted(given, None, self._today)
        return not level.reached(figures_of(self._days.total(first, last)))

    def _held_through(self, standing: Standing) -> str:
        if standing.holds_through is not None:
            return standing.holds_through
        if self.account.review_on is not None:
            return shifted(self.account.review_on, -1)
        return iso(period_from(self.rules, self.account.joined_day, self._today))
