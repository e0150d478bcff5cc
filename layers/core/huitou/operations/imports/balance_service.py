"""Bring balances and tiers of another system in, batch by batch, each balance once."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import assert_never

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.members.profiles.service import FirstOrder, Members
from huitou.operations.imports.balance_models import (
    BalanceRow,
    BalancesReport,
    ImportBalancesRequest,
    RejectedBalance,
)
from huitou.operations.imports.balance_rules import (
    digest,
    entry_cause,
    lots,
    under,
    why_not,
)
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database, is_duplicate
from huitou.runtime.errors import Unavailable

MOST_TRIES = 5
OTHER_CONTENT = "this balance was imported with other content"


@dataclass
class _Batch:
    """One batch's way through the transaction; made anew each time the transaction runs."""

    imported: int = 0
    unchanged: int = 0
    points: int = 0
    members: int = 0
    rejects: list[RejectedBalance] = field(default_factory=list)
    tiers: list[tuple[str, BalanceRow]] = field(default_factory=list)

    def reject(self, row: BalanceRow, name: str, reason: str) -> None:
        self.rejects.append(RejectedBalance(line=row.line, field=name, reason=reason))

    def report(self, tiers: int) -> BalancesReport:
        return BalancesReport(
            imported=self.imported,
            unchanged=self.unchanged,
            rejected=len(self.rejects),
            points=self.points,
            members=self.members,
            tiers=tiers,
            rejects=sorted(self.rejects, key=lambda reject: reject.line),
        )


class Balances:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._members = Members(database, clock, brand_id)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)

    def run(self, request: ImportBalancesRequest) -> BalancesReport:
        """Bring one batch in, in one transaction; safe to repeat, and at the same time.

        Members that are not known by their till number are registered today. Tiers follow member
        by member: should a call end in between, the same one again brings in the rest.
        """
        run = self._database.rehearse if request.dry_run else self._database.transact
        for _ in range(MOST_TRIES):
            try:
                batch = run(lambda session: self._write(request, session))
            except (DuplicateKeyError, BulkWriteError) as error:
                if not is_duplicate(error):
                    raise
                continue  # Another import brought some of it in just now: it is found next time.
            if request.dry_run:
                return batch.report(len(batch.tiers))
            return batch.report(sum(self._bring_in(request.source, *one) for one in batch.tiers))
        raise Unavailable

    def _write(self, request: ImportBalancesRequest, session: ClientSession) -> _Batch:
        batch = _Batch()
        new = self._new(request, batch, session)
        now = self._clock.now()
        first = FirstOrder(brand_day(now), now, None)
        numbers = self._numbers(list(new.values()), session)
        members = self._members.register_till_members(
            dict.fromkeys(numbers.values(), first), session
        )
        books = self._points.open_books(sorted(set(members.ids.values())), session)
        today, revision = self._points.today(), self._points.rules().revision
        for row in new.values():
            member_id = members.ids[numbers[row.member]]
            fact = EntryOrigin(
                cause=entry_cause(request.source, row),
                at=now,
                business_day=today,
                rules_revision=revision,
                actor=f"import:{request.source}",
                digest=digest(row),
            )
            books[member_id].migrate(fact, lots(row))
            books[member_id].bring_up_to_date()
            batch.points += sum(lot.points for lot in row.lots)
            if row.tier is not None:
                batch.tiers.append((member_id, row))
        self._points.save_books(list(books.values()), session)
        batch.imported, batch.members = len(new), members.registered
        return batch

    def _new(
        self, request: ImportBalancesRequest, batch: _Batch, session: ClientSession
    ) -> dict[str, BalanceRow]:
        """Return the rows that are not there yet and may go in, by their entries' ids."""
        names = [_entry_id(request.source, row) for row in request.rows]
        former = [
            _entry_id(request.source, under(row, spelling))
            for row in request.rows
            for spelling in row.formerly
        ]
        known = self._points.entries_by_ids([*names, *former], session)
        levels = [level.level for level in self._tiers.rules().levels]
        today = self._points.today()
        new: dict[str, BalanceRow] = {}
        known_tiers: list[BalanceRow] = []
        for name, row in zip(names, request.rows, strict=True):
            there = digest(new[name]) if name in new else None
            if name in known:
                there = known[name].digest
            elif (spelling := _known_spelling(request.source, row, known)) is not None:
                before = under(row, spelling)
                same = known[_entry_id(request.source, before)].digest == digest(before)
                if same and not row.is_mixed:
                    batch.unchanged += 1
                else:
                    batch.reject(row, "member", f"a part of it was imported as {spelling}")
                continue
            if there == digest(row):
                batch.unchanged += 1
                late = row.tier_review_on is None or row.tier_review_on <= today
                if name in known and not late and row.tier in levels:
                    known_tiers.append(row)
            elif there is not None:
                batch.reject(row, "id", OTHER_CONTENT)
            elif (fault := why_not(row, levels, today)) is not None:
                batch.reject(row, *fault)
            else:
                new[name] = row
        # Who they are now: members may have been merged since.
        ids = self._members.find_till_members([row.member for row in known_tiers], session)
        batch.tiers += [(ids[row.member], row) for row in known_tiers if row.member in ids]
        return new

    def _numbers(self, rows: list[BalanceRow], session: ClientSession) -> dict[str, str]:
        """Return under which number each row's member is known, or is to be registered."""
        spellings = {row.member: [row.member, *row.formerly] for row in rows}
        known = self._members.find_till_members(
            [one for spelled in spellings.values() for one in spelled], session
        )
        return {
            number: next((one for one in spelled if one in known), number)
            for number, spelled in spellings.items()
        }

    def _bring_in(self, source: str, member_id: str, row: BalanceRow) -> int:
        since = row.tier_since or self._points.today()
        through = shifted(str(row.tier_review_on), -1)
        outcome = self._tiers.bring_in_tier(member_id, str(row.tier), since, through, source)
        match outcome:
            case "brought in":
                return 1
            case "brought in before" | "stands higher":
                return 0
            case _:
                assert_never(outcome)


def _entry_id(source: str, row: BalanceRow) -> str:
    return f"migrate:{entry_cause(source, row)}"


def _known_spelling(source: str, row: BalanceRow, known: Container[str]) -> str | None:
    """Return the spelling under which (a part of) this balance came in before, or None."""
    spelled = (one for one in row.formerly if _entry_id(source, under(row, one)) in known)
    return next(spelled, None)
