"""Tiers of another system: bring them in, and take them back with their import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.loyalty.points.errors import ACCOUNT
from huitou.loyalty.tiers.errors import LEVEL
from huitou.loyalty.tiers.models import (
    BringInOutcome,
    Promise,
    Standing,
    TierAccount,
    TierBase,
    TierChange,
)
from huitou.loyalty.tiers.repository import TierRepository
from huitou.loyalty.tiers.service import Tiers
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.triggers import DONE, DUE

if TYPE_CHECKING:
    from huitou.loyalty.tiers.rules import Case

MOST_TRIES = 5


@dataclass(frozen=True)
class BroughtTier:
    """A tier as another system has it: since when, and the last day on which it surely holds.

    `source` names the system; `import_id` the import that brings it in, None for one that can't
    be taken back.
    """

    level: str
    since_day: str
    holds_through: str
    source: str
    import_id: str | None = None

    def change_id(self, member_id: str) -> str:
        """Name the change by which the member came to this tier."""
        return f"migrate:{self.source}:{member_id}"

    def is_in(self, base: TierBase, revision: int | None = None) -> bool:
        """Tell whether a base has this promise; of this revision of the rules, if one is named."""
        return any(
            (one.level, one.through) == (self.level, self.holds_through)
            and revision in (None, one.revision)
            for one in base.promises
        )


class BroughtTiers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = TierRepository(database)
        self._tiers = Tiers(database, clock)

    def bring_in_tier(
        self,
        member_id: str,
        tier: BroughtTier,
        is_still_in: Callable[[ClientSession], bool] = lambda _: True,
    ) -> BringInOutcome:
        """Take over a tier from another system, with its last day; safe to repeat.

        It brings no entry coupons, and no refund ends it before that day. A member who stands
        higher keeps the higher level, and until that day falls no lower than this one.
        `is_still_in` tells, in the transaction that writes the tier, whether the tier's import is
        still in; nothing is written if it is not. Raises Refusal NOT_FOUND naming `level` or
        `member_id`.
        """
        rules = self._repository.rules()
        if rules.find(tier.level) is None:
            raise Refusal(Code.NOT_FOUND, field="level", detail=LEVEL)
        promise = Promise(
            level=tier.level,
            revision=rules.revision,
            through=tier.holds_through,
            import_id=tier.import_id,
        )
        for _ in range(MOST_TRIES):
            case = self._case(member_id)
            if tier.is_in(case.base, rules.revision):
                return "brought in before"
            base = case.base.model_copy(update={"promises": [*case.base.promises, promise]})

            def write(
                session: ClientSession, case: Case = case, base: TierBase = base
            ) -> BringInOutcome:
                if not is_still_in(session):
                    return "taken back"
                return self._write(case, base, tier, session)

            try:
                return self._database.transact(write)
            except DuplicateKeyError:
                return "brought in before"
            except Unavailable:
                continue  # Nothing was written: read the account again.
        raise Unavailable

    def _write(
        self, case: Case, base: TierBase, tier: BroughtTier, session: ClientSession
    ) -> BringInOutcome:
        """Write the account with its new promise; Unavailable if it has changed since."""
        seen = case.account
        standing = _standing_with(case, base)
        if standing.level != tier.level:
            if not self._repository.promise(seen, base, session):
                raise Unavailable
            return "stands higher"
        standing = standing.model_copy(update={"since_day": tier.since_day})
        change = TierChange(
            id=tier.change_id(seen.id),
            member_id=seen.id,
            before=seen.tier.level,
            after=tier.level,
            cause="migration",
            spend_fen=0,
            rules_revision=case.rules.revision,
            at=self._clock.now(),
        )
        if not self._repository.bring_in(seen, standing, base, change, session):
            raise Unavailable
        return "brought in"

    def those_missing(
        self, wanted: Mapping[str, BroughtTier], session: ClientSession
    ) -> dict[str, BroughtTier]:
        """Return those of these tiers, by member, that are not brought in yet."""
        names = {tier.change_id(member_id): member_id for member_id, tier in wanted.items()}
        there = {names[name] for name in self._repository.changes_there(list(names), session)}
        for account in self._repository.accounts(wanted, session):
            base = account.tier_base
            if account.forgotten or (base is not None and wanted[account.id].is_in(base)):
                there.add(account.id)
        return {member_id: tier for member_id, tier in wanted.items() if member_id not in there}

    def take_back_tiers(
        self, member_ids: Iterable[str], import_id: str, session: ClientSession
    ) -> int:
        """Take back what an import brought these members; returns from how many it was taken.

        Each falls to the level that their figures, and other imports, give them today; the review
        that is due then brings the rest. Coupons that a tier has brought meanwhile stay.
        """
        changes, count = [], 0
        for case in self._tiers.cases(member_ids, session).values():
            promises = [one for one in case.base.promises if one.import_id != import_id]
            if case.account.forgotten or len(promises) == len(case.base.promises):
                continue
            count += 1
            seen = case.account
            base = case.base.model_copy(update={"promises": promises})
            standing = _standing_with(case, base)
            fields = {
                "tier": standing.model_dump(exclude_none=True),
                "tier_base": base.model_dump(exclude_none=True),
                "tier_review": DUE,
                "review_on": None,
            }
            if standing.level != seen.tier.level:
                # A member who falls before the coupons are issued is owed none of the lost level.
                fields |= {"benefits": DONE} if seen.benefits == DUE else {}
                changes.append(
                    TierChange(
                        id=f"undo:{import_id}:{seen.id}",
                        member_id=seen.id,
                        before=seen.tier.level,
                        after=standing.level,
                        cause="migration",
                        spend_fen=0,
                        rules_revision=case.rules.revision,
                        at=self._clock.now(),
                    )
                )
            # The account was read in this transaction: whoever else writes it conflicts here.
            self._repository.set_fields([seen.id], fields, session)
        self._repository.append_many(changes, session)
        return count

    def _case(self, member_id: str) -> Case:
        account: TierAccount | None = self._repository.account(member_id)
        if account is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=ACCOUNT)
        return self._tiers.case(account)


def _standing_with(case: Case, base: TierBase) -> Standing:
    """Return where the member would stand today with this base."""
    account = case.account.model_copy(update={"tier_base": base})
    return replace(case, account=account).judged().standing
