"""Allow rules that give something to many: alone within a day's limits, above them by two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.roles import GiverRole
from huitou.loyalty.adjustments.errors import AdjustmentErrors
from huitou.loyalty.adjustments.models import Adjustment, AllowedRule, Given
from huitou.loyalty.adjustments.repository import AdjustmentRepository, AllowanceRepository
from huitou.loyalty.adjustments.rules import check_allowed
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal


@dataclass(frozen=True)
class RuleAsk:
    """Who wants to set which rule, and for what it counts.

    `content` is all that the rule says: something else is another ask. `sums` are the sums of the
    day for which it counts, each with its limit; None if only two people may set it. They belong
    to `counted_for`, or to the actor. `is_alone` tells that nobody else may decide.
    """

    rule: AllowedRule
    content: Mapping[str, Any]
    words: str
    sums: Mapping[Given, tuple[int, int]] | None
    actor: str
    role: GiverRole
    counted_for: str | None = None
    is_alone: bool = False

    @property
    def identity(self) -> str:
        """The id of its adjustment: the same rule with the same content is the same ask."""
        said = json.dumps(self.content, sort_keys=True, ensure_ascii=False, default=str)
        digest = hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
        return f"rule:{self.rule.kind}:{digest}"


class RuleGifts:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._adjustments = AdjustmentRepository(database)
        self._allowance = AllowanceRepository(database)

    def allow_rule(self, ask: RuleAsk, field: str) -> None:
        """Let a person of the staff set a rule; above a day's limit a second person decides.

        The same ask counts once. Raises Refusal RULE_AWAITS_APPROVAL, after the ask was stored,
        until a second person has approved it; then the same ask is allowed. ADJUSTMENT_DECIDED if
        they rejected it, GIFT_WORTH_MORE if the rule would give more by now. Each names `field`.
        """
        self._allowance.open(ask.counted_for or ask.actor, brand_day(self._clock.now()))
        adjustment = self._database.transact_once(lambda session: self._ask(ask, session))
        was, now = adjustment.rule, ask.rule
        if (
            was
            and was.most_fen is not None
            and (now.most_fen is None or now.most_fen > was.most_fen)
        ):
            raise Refusal(AdjustmentErrors.GIFT_WORTH_MORE, field=field)
        check_allowed(adjustment, field, AdjustmentErrors.RULE_AWAITS_APPROVAL)

    def _ask(self, ask: RuleAsk, session: ClientSession) -> Adjustment:
        known = self._adjustments.find(ask.identity, session)
        if known is not None:
            return known
        now = self._clock.now()
        day = brand_day(now)
        counted_for = ask.counted_for or ask.actor
        within = ask.sums is not None and self._allowance.take_all(
            ask.sums, counted_for, day, session
        )
        adjustment = Adjustment(
            id=ask.identity,
            member_id="",
            points=0,
            rule=ask.rule,
            value_fen=ask.rule.most_fen or 0,
            reason=ask.words,
            actor=ask.actor,
            role=ask.role,
            day=day,
            status="applied" if within or ask.is_alone else "awaiting_approval",
            created_at=now,
        )
        self._adjustments.insert(adjustment, session)
        return adjustment
