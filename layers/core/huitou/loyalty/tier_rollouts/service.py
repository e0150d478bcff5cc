"""Try out new tier rules on all members, then roll them out to all members."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pymongo.errors import PyMongoError

from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tier_rollouts.errors import TIER_RUN
from huitou.loyalty.tier_rollouts.models import DryRunRequest, TierRun
from huitou.loyalty.tier_rollouts.repository import TierRunRepository
from huitou.loyalty.tier_rollouts.rules import Outlook, discount_fen, outlook
from huitou.loyalty.tiers.models import EvaluationOutcome, TierAccount, TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.promotions.offers.models import Terms
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable

PAGE = 100
MOST_EXAMPLES = 5  # For each move from level to level.


class TierRuns:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = TierRunRepository(database)
        self._tiers = Tiers(database, clock)
        self._coupons = Coupons(database, clock)
        self._revision = 0
        self._interrupted = False

    def dry_run_rules(self, request: DryRunRequest) -> dict[str, Any]:
        """Return what new rules would do to a page of members; nothing is written."""
        current = self._tiers.rules()
        # Judged as a later revision: a draft that names the present one would be taken for it.
        number = max(request.rules.revision, current.revision + 1)
        new = request.rules.model_copy(update={"revision": number})
        accounts = self._tiers.list_accounts(request.after or "", request.limit)
        accounts = self._tiers.with_joined(accounts)
        outlooks = [(account, outlook(self._tiers.case(account), new)) for account in accounts]
        full = len(accounts) == request.limit
        return {
            "members": len(accounts),
            "next": accounts[-1].id if full else None,
            **_moves(outlooks),
            **self._costs([found for _, found in outlooks]),
        }

    def _costs(self, outlooks: list[Outlook]) -> dict[str, Any]:
        wanted = Counter(
            template for found in outlooks if found.raised for template in found.now.entry_coupons
        )
        templates = self._coupons.find_templates(wanted)
        known = {name: count for name, count in wanted.items() if name in templates}
        saved = [
            -discount_fen(found.spend_fen, found.now, found.at_review)
            for found in outlooks
            if found.at_review is not None
        ]
        return {
            "coupons": sum(known.values()),
            "coupon_cost_fen": sum(n * _most_off(templates[t].terms) for t, n in known.items()),
            "unknown_templates": sorted(set(wanted) - set(templates)),
            "discount_cost_fen": sum(
                discount_fen(found.spend_fen, found.before, found.now) for found in outlooks
            ),
            "discount_saved_fen": sum(saved),
        }

    def load_rules(self, rules: TierRules, field: str) -> None:
        """Store rules; if the chain has members already, begin to roll them out."""
        if self._tiers.list_accounts("", 1):
            self.apply_rules(rules, field)
        else:
            self._tiers.put_rules(rules, field)

    def apply_rules(self, rules: TierRules, field: str = "rules.revision") -> dict[str, Any]:
        """Store a later revision and begin to roll it out; a repeated call changes nothing."""
        self._tiers.put_rules(rules, field)
        run = TierRun(
            id=f"tiers@{rules.revision}", revision=rules.revision, started_at=self._clock.now()
        )
        self._repository.begin(run)
        return self._shown(self._repository.find(rules.revision))

    def show_progress(self, seconds: int = 0) -> dict[str, Any]:
        """Return how far the last roll-out is, after going on with it for `seconds`."""
        ends = time.monotonic() + seconds
        if seconds:
            for member_id in self.members_to_do():
                self.evaluate_member(member_id)
                if time.monotonic() > ends:
                    break
        return self._shown(self._repository.latest())

    def members_to_do(self) -> Iterator[str]:
        """Yield the members of each page after the stored cursor; it moves when a page is done.

        If a passing failure interrupts a page, the next call does the whole page again: that is
        safe, since evaluating is.
        """
        run = self._repository.running()
        while run is not None:
            page = self._tiers.list_accounts(run.cursor, PAGE)
            for account in page:
                self._revision = run.revision
                yield account.id
                if self._interrupted:
                    return
            if page:
                run = self._repository.advance(run, page[-1].id, len(page))
            elif self._repository.end(run, self._clock.now()):
                run = self._repository.running()
            else:
                return

    def evaluate_member(self, member_id: str) -> EvaluationOutcome:
        """Evaluate one member by the rules that are being rolled out."""
        try:
            return self._tiers.evaluate_member(member_id, applying=self._revision)
        except (Unavailable, PyMongoError):
            self._interrupted = True
            raise

    def _shown(self, run: TierRun | None) -> dict[str, Any]:
        if run is None:
            raise Refusal(Code.NOT_FOUND, field="revision", detail=TIER_RUN)
        shown = run.model_dump(include={"revision", "status", "members", "started_at"})
        ended = {} if run.ended_at is None else {"ended_at": run.ended_at}
        return shown | ended | {"raised": self._tiers.count_raised_by_rules(run.revision)}


def _moves(outlooks: list[tuple[TierAccount, Outlook]]) -> dict[str, Any]:
    """Count the moves, with a few examples of each and the day of the first fall."""
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: list[dict[str, Any]] = []
    falls: list[str] = []
    for account, found in outlooks:
        if found.raised:
            move = (found.before.level, found.now.level, "now")
        elif found.at_review is not None and found.falls_on is not None:
            move = (found.before.level, found.at_review.level, "review")
            falls.append(found.falls_on)
        else:
            continue
        counts[move] += 1
        if counts[move] <= MOST_EXAMPLES:
            example = {"member_id": account.id, "before": move[0], "after": move[1]}
            examples.append(example | ({"on": found.falls_on} if found.falls_on else {}))
    moves = [
        {"before": before, "after": after, "when": when, "members": members}
        for (before, after, when), members in sorted(counts.items())
    ]
    first = {"first_fall_on": min(falls)} if falls else {}
    return {"moves": moves, "examples": examples, **first}


def _most_off(terms: Terms) -> int:
    """Return the most that a coupon takes off, in fen; 0 if that depends on the dish."""
    return terms.off_fen or terms.cap_fen or 0
