"""Take balances and tiers back that an import brought in."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.brought_in_service import BroughtTiers
from huitou.operations.imports.balance_rules import taken_back, undo_cause
from huitou.operations.imports.undo_models import ImportBatch, UndoAnswer
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class BalanceUndo:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._points = Points(database, clock)
        self._tiers = BroughtTiers(database, clock)
        self._persons = Persons(database)
        self._kpis = Kpis(database, clock)

    def take_back(self, batch: ImportBatch, session: ClientSession) -> UndoAnswer:
        """Take back the batch's balances, in the caller's transaction, which marks the batch.

        Each balance is taken back by an entry of its own, dated as the balance was, from the
        account of whoever the member is now. What isn't there any more (spent, expired, set aside
        for an order) stays as it is: the member owes nothing. Where points are spent at the same
        time, the account's version makes one of the two run again.
        """
        places = [(one.member_id, one.number) for one in batch.entries]
        entries = self._points.entries_by_places(places, session)
        named = [*(entry.member_id for entry in entries), *batch.tier_member_ids]
        now = self._persons.current_ids(named, session)
        owners = sorted({now[entry.member_id] for entry in entries})
        books = self._points.open_books(owners, session)
        points = kept = 0
        for entry in sorted(entries, key=lambda entry: entry.id):
            book = books[now[entry.member_id]]
            moves, left = taken_back(book.lots, entry.lots)
            origin = EntryOrigin(
                cause=undo_cause(entry.cause),
                at=entry.at,
                business_day=entry.business_day,
                rules_revision=entry.rules_revision,
                actor=entry.actor,
            )
            book.migrate(origin, moves, left)
            points -= sum(move.points for move in moves)
            kept += left
        self._points.save_books(list(books.values()), session)
        tiers = self._tiers.take_back_tiers(
            sorted({now[one] for one in batch.tier_member_ids}), batch.import_id, session
        )
        if entries:
            days = {brand_day(entry.at) for entry in entries}
            self._kpis.mark_days_for_recount(days, session)
        return UndoAnswer(balances=len(entries), points=points, kept=kept, tiers=tiers)
