"""Bring a member's tier up to what their spend deserves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymongo.client_session import ClientSession

from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.triggers import DUE
from huitou.stores.rules import business_day
from huitou.tiers.models import Level, Standing, TierAccount, TierChange, TierRules
from huitou.tiers.repository import TierRepository
from huitou.tiers.rules import Evaluation, evaluate, to_next

MOST_TRIES = 5
BRAND_ZONE, BRAND_CUT = "Asia/Shanghai", "04:00"  # The day a tier ends; stores have their own.


class Tiers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = TierRepository(database)

    def level_of(self, member_id: str) -> tuple[Level, int]:
        """Return the member's level, as the rules now describe it, and the rules' revision."""
        standing = self._account(member_id).tier
        rules = self._repository.rules(standing.rules_revision)
        return rules.named(standing.level), rules.revision

    def rules(self) -> TierRules:
        return self._repository.rules()

    def shown(self, member_id: str) -> dict[str, Any]:
        """Return what the member sees: level, discount, and what is missing for the next."""
        rules, account = self._repository.rules(), self._account(member_id)
        level = rules.named(account.tier.level)
        spend_fen = evaluate(rules, account.spend_by_day, self._today()).spend_fen
        following = to_next(rules, level.level, spend_fen)
        answer: dict[str, Any] = level.model_dump(include={"level", "name", "discount_bp"})
        if following:
            answer["next"] = {"name": following[0].name, "missing_fen": following[1]}
        return answer

    def due(self) -> Iterator[str]:
        return self._repository.due(self._today())

    def owed(self, member_id: str) -> tuple[Level, Standing] | None:
        """Return the level whose benefits the member is still owed, or None."""
        account = self._account(member_id)
        if account.benefits != DUE:
            return None
        rules = self._repository.rules(account.tier.rules_revision)
        return rules.named(account.tier.level), account.tier

    def benefits_due(self) -> Iterator[str]:
        return self._repository.benefits_due()

    def benefits_granted(self, member_id: str, standing: Standing) -> bool:
        """Record that this standing's coupons are issued; False if it has changed since."""
        return self._repository.benefits_granted(member_id, standing)

    def evaluate(self, member_id: str) -> str:
        """Evaluate one member; safe to repeat, and against orders settled at the same time."""
        for _ in range(MOST_TRIES):
            seen = self._account(member_id)
            rules = self._repository.rules(seen.tier.rules_revision)
            evaluation = evaluate(rules, seen.spend_by_day, self._today())
            before, after = rules.named(seen.tier.level), evaluation.level
            if after.level == seen.tier.level:
                standing = seen.tier
                if self._repository.store(
                    seen, standing, evaluation, grant_benefits=False, session=None
                ):
                    return "unchanged"
            elif self._move(seen, before, evaluation, rules):
                return "raised" if after.spend_fen > before.spend_fen else "lowered"
        raise Unavailable  # Orders of this member keep coming in; the marker is still due.

    def _move(
        self, seen: TierAccount, before: Level, evaluation: Evaluation, rules: TierRules
    ) -> bool:
        raised = evaluation.level.spend_fen > before.spend_fen
        standing = Standing(
            level=evaluation.level.level, rules_revision=rules.revision, since_day=self._today()
        )
        change = TierChange(
            id=f"{seen.id}:{seen.version}",
            member_id=seen.id,
            before=before.level,
            after=evaluation.level.level,
            spend_fen=evaluation.spend_fen,
            rules_revision=rules.revision,
            at=self._clock.now(),
        )

        def write(session: ClientSession) -> bool:
            stored = self._repository.store(
                seen, standing, evaluation, grant_benefits=raised, session=session
            )
            if stored:
                self._repository.append(change, session)
            return stored

        return self._database.transact(write)

    def _account(self, member_id: str) -> TierAccount:
        account = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail="account")
        return account

    def _today(self) -> str:
        return business_day(self._clock.now(), BRAND_ZONE, BRAND_CUT)
