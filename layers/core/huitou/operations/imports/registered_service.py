"""Members whom an import registered and who have nothing else: they go with the import."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.insight.kpis.service import Kpis
from huitou.loyalty.points.service import Points
from huitou.members.profiles.till_service import TillMembers
from huitou.operations.erasures.service import Erasures
from huitou.operations.imports.repository import ImportRepository
from huitou.operations.imports.undo_models import ImportBatch, UndoAnswer
from huitou.ordering.orders.imported_repository import ImportedOrderRepository
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

REASON = "导入撤销"  # Why they are erased; nobody types it.


class RegisteredMembers:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._imports = ImportRepository(database)
        self._orders = ImportedOrderRepository(database)
        self._members = TillMembers(database, clock, brand_id)
        self._points = Points(database, clock)
        self._erasures = Erasures(database, clock, brand_id)
        self._kpis = Kpis(database, clock)

    def let_go(self, batch: ImportBatch, session: ClientSession) -> UndoAnswer:
        """Erase those of a batch's members who have nothing else, in the caller's transaction.

        A member goes if an import registered them that is taken back (this one, or one before),
        and if they have no other order, no points (owed ones included), no log-in, phone, name,
        consent or coupon, and nothing that staff gave them. Their till number is free again.
        Whoever stores something for one of them at the same time writes the member, and so
        conflicts.
        """
        orders = self._orders.orders(batch.order_ids, session).values()
        ids = {order.member_id for order in orders} | {one.member_id for one in batch.entries}
        registered = self._members.imported_members(sorted(ids), session)
        imports = sorted({str(one.registered_import) for one in registered})
        undone = self._imports.undone_among(imports, session) | {batch.import_id}
        asked = [one for one in registered if one.registered_import in undone]
        empty = self._members.those_without_names(asked, session)
        empty = self._points.those_without_points(empty, session)
        others = self._orders.who_ordered(empty, session)
        empty = [one for one in empty if one not in others]
        empty = self._erasures.those_without_documents(empty, session)
        if empty:
            self._erasures.erase_empty_members(empty, batch.import_id, REASON, session)
            gone = set(empty)
            days = {one.registered_day for one in asked if one.id in gone}
            self._kpis.mark_days_for_recount(days, session)
        return UndoAnswer(members=len(empty), members_stay=len(asked) - len(empty))
