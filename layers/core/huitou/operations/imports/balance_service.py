"""Bring balances and tiers of another system in, batch by batch, each balance once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.loyalty.points.models import LedgerEntry
from huitou.loyalty.points.rules import Book, EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.brought_in_service import BroughtTier, BroughtTiers
from huitou.loyalty.tiers.service import Tiers
from huitou.members.profiles.till_service import FirstOrder, TillMembers
from huitou.operations.imports.balance_models import (
    BalanceRow,
    BalancesReport,
    ImportBalancesRequest,
    RejectedBalance,
)
from huitou.operations.imports.balance_rules import (
    digest,
    entry_id,
    lots,
    source_again,
    under,
    undo_id,
    why_not,
)
from huitou.operations.imports.errors import ImportErrors
from huitou.operations.imports.repository import ImportRepository
from huitou.operations.imports.undo_models import EntryPlace, ImportBatch
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database, is_duplicate
from huitou.runtime.errors import Refusal, Unavailable

MOST_TRIES = 5
MOST_TIMES = 20  # A balance can be brought in and taken back so often.
OTHER_CONTENT = "this balance was imported with other content"


@dataclass
class _Batch:
    """One batch's way through the transaction; made anew each time the transaction runs."""

    imported: int = 0
    unchanged: int = 0
    points: int = 0
    members: int = 0
    rejects: list[RejectedBalance] = field(default_factory=list)
    tiers: dict[str, BroughtTier] = field(default_factory=dict)
    note_id: str | None = None

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
        self._members = TillMembers(database, clock, brand_id)
        self._points = Points(database, clock)
        self._tiers = Tiers(database, clock)
        self._brought = BroughtTiers(database, clock)
        self._imports = ImportRepository(database)

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
            return batch.report(
                sum(self._bring_in(*one, batch.note_id) for one in batch.tiers.items())
            )
        raise Unavailable

    def _write(self, request: ImportBalancesRequest, session: ClientSession) -> _Batch:
        batch = _Batch()
        new = self._new(request, batch, session)
        now = self._clock.now()
        first = FirstOrder(brand_day(now), now, None)
        numbers = self._numbers([row for row, _ in new.values()], session)
        members = self._members.register_till_members(
            dict.fromkeys(numbers.values(), first), session, request.import_id
        )
        books = self._points.open_books(sorted(set(members.ids.values())), session)
        today, revision = self._points.today(), self._points.rules().revision
        for row, again in new.values():
            member_id = members.ids[numbers[row.member]]
            fact = EntryOrigin(
                cause=f"{source_again(request.source, again)}:{row.id}",
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
                batch.tiers[member_id] = self._tier(request, row, again)
        self._points.save_books(list(books.values()), session)
        batch.imported, batch.members = len(new), len(members.new_ids)
        self._note(request, batch, list(books.values()), session)
        return batch

    def _note(
        self,
        request: ImportBalancesRequest,
        batch: _Batch,
        books: list[Book],
        session: ClientSession,
    ) -> None:
        """Note what the batch brings in, so that it can be taken back."""
        if request.import_id is None or not (batch.imported or batch.tiers):
            return
        entries = [
            EntryPlace(member_id=book.account.id, number=entry.number)
            for book in books
            for entry in book.entries
            if entry.kind == "migrate"
        ]
        # Its id comes from what it brings in. A call that runs again, because it ended before all
        # tiers were in, finds the note of its tiers.
        first = f"{entries[0].member_id}@{entries[0].number}" if entries else ""
        batch.note_id = f"{request.import_id}:{first or 'tier ' + min(batch.tiers)}"
        if self._imports.has_batch(batch.note_id, session):
            return
        note = ImportBatch(
            id=batch.note_id,
            import_id=request.import_id,
            entries=entries,
            points=batch.points,
            tier_member_ids=sorted(batch.tiers),
        )
        self._imports.note(note, request.file, self._clock.now(), session)

    def _new(
        self, request: ImportBalancesRequest, batch: _Batch, session: ClientSession
    ) -> dict[str, tuple[BalanceRow, int]]:
        """Return the rows that are not there yet and may go in, by their entries' ids.

        With each row stands how often its balance was taken back.
        """
        spelled = [one for row in request.rows for one in (row.id, *row.formerly)]
        there = self._latest(request.source, spelled, session)
        levels = [level.level for level in self._tiers.rules().levels]
        today = self._points.today()
        new: dict[str, tuple[BalanceRow, int]] = {}
        known_tiers: dict[str, BroughtTier] = {}
        for row in request.rows:
            again, known = there[row.id]
            name = entry_id(request.source, row.id, again)
            if known is None and (spelling := _known_spelling(row, there)) is not None:
                _, before = there[spelling]
                assert before is not None  # noqa: S101  # It is known.
                same = before.digest == digest(under(row, spelling))
                if same and not row.is_mixed:
                    batch.unchanged += 1
                else:
                    batch.reject(row, "member", f"a part of it was imported as {spelling}")
                continue
            told = known.digest if known else digest(new[name][0]) if name in new else None
            if told == digest(row):
                batch.unchanged += 1
                late = row.tier_review_on is None or row.tier_review_on <= today
                if known and not late and row.tier in levels:
                    known_tiers[row.member] = self._tier(request, row, again)
            elif told is not None:
                batch.reject(row, "id", OTHER_CONTENT)
            elif (fault := why_not(row, levels, today)) is not None:
                batch.reject(row, *fault)
            else:
                new[name] = row, again
        # Who they are now: members may have been merged since.
        ids = self._members.find_till_members(list(known_tiers), session)
        wanted = {ids[number]: tier for number, tier in known_tiers.items() if number in ids}
        batch.tiers |= self._brought.those_missing(wanted, session) if wanted else {}
        return new

    def _latest(
        self, source: str, row_ids: list[str], session: ClientSession
    ) -> dict[str, tuple[int, LedgerEntry | None]]:
        """Return how often these balances were taken back, and the entries that are in.

        Raises Refusal UNDONE_TOO_OFTEN where one was brought in and taken back MOST_TIMES.
        """
        latest: dict[str, tuple[int, LedgerEntry | None]] = {}
        asked = dict.fromkeys(row_ids)
        for again in range(MOST_TIMES):
            names = {row_id: entry_id(source, row_id, again) for row_id in asked}
            both = [one for name in names.values() for one in (name, undo_id(name))]
            known = self._points.entries_by_ids(both, session)
            asked = {}
            for row_id, name in names.items():
                if name in known and undo_id(name) in known:
                    asked[row_id] = None
                else:
                    latest[row_id] = again, known.get(name)
            if not asked:
                return latest
        raise Refusal(ImportErrors.UNDONE_TOO_OFTEN, field="rows")

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

    def _tier(self, request: ImportBalancesRequest, row: BalanceRow, again: int) -> BroughtTier:
        return BroughtTier(
            level=str(row.tier),
            since_day=row.tier_since or self._points.today(),
            holds_through=shifted(str(row.tier_review_on), -1),
            source=source_again(request.source, again),
            import_id=request.import_id,
        )

    def _bring_in(self, member_id: str, tier: BroughtTier, note_id: str | None) -> int:
        def is_still_in(session: ClientSession) -> bool:
            return note_id is None or self._imports.touch_batch(note_id, session)

        outcome = self._brought.bring_in_tier(member_id, tier, is_still_in)
        match outcome:
            case "brought in":
                return 1
            case "brought in before" | "stands higher" | "taken back":
                return 0
            case _:
                assert_never(outcome)


def _known_spelling(
    row: BalanceRow, there: Mapping[str, tuple[int, LedgerEntry | None]]
) -> str | None:
    """Return the spelling under which (a part of) this balance came in before, or None."""
    return next((one for one in row.formerly if there[one][1] is not None), None)
