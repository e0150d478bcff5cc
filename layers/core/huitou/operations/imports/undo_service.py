"""Take an import back: its orders go back whole, with their points, spend, tiers and KPIs."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.growth.referrals.binding_service import FirstOrders
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.points.service import Points
from huitou.operations.imports.repository import ImportRepository
from huitou.operations.imports.undo_models import (
    ImportBatch,
    ImportsAnswer,
    ImportsRequest,
    ShownImport,
    UndoAnswer,
    UndoRequest,
)
from huitou.operations.imports.undo_rules import undo_refund_id, without_order
from huitou.ordering.orders.imported_repository import ImportedOrderRepository
from huitou.ordering.settlement.service import Settlement
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

IMPORT = "导入", "import"


class ImportUndo:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._imports = ImportRepository(database)
        self._orders = ImportedOrderRepository(database)
        self._settlement = Settlement(database, clock, FirstOrders(database, clock))
        self._points = Points(database, clock)
        self._kpis = Kpis(database, clock)

    def list_imports(self, request: ImportsRequest) -> ImportsAnswer:
        """Return the latest imports, newest first."""
        shown = [
            ShownImport(
                import_id=one.id,
                file=one.file,
                at=one.at,
                imported=one.imported,
                refunded=one.refunded,
                status="undone" if one.undone_at else "in",
            )
            for one in self._imports.latest(request.limit)
        ]
        return ImportsAnswer(imports=shown)

    def undo_batch(self, request: UndoRequest) -> UndoAnswer:
        """Take back one batch of an import, in one transaction; safe to repeat, at once too.

        An order goes back as by a refund of all that is left of it, dated by its own day: the
        ledgers are append-only, so what it had earned is clawed back by an entry of its own. Its
        members stay, and so do refunds that the import booked on orders of other imports. Once
        all batches are back another call changes nothing. Refusal NOT_FOUND for an unknown id.
        """

        def write(session: ClientSession) -> UndoAnswer:
            found = self._imports.find(request.import_id, session)
            if found is None:
                raise Refusal(Code.NOT_FOUND, field="import_id", detail=IMPORT)
            batch = self._imports.next_batch(request.import_id, session)
            if batch is None:
                return NOTHING
            answer = self._take_back(batch, session)
            self._imports.mark_batch_undone(batch.id, session)
            rest = self._imports.count_batches(request.import_id, session)
            if rest:
                return answer.model_copy(update={"rest": rest})
            self._imports.mark_undone(request.import_id, self._clock.now(), session)
            ids = self._imports.refunded_ids(request.import_id, session)
            stay = self._orders.count_of_others(ids, request.import_id, session)
            return answer.model_copy(update={"refunded": stay})

        return self._database.transact(write)

    def _take_back(self, batch: ImportBatch, session: ClientSession) -> UndoAnswer:
        orders = list(self._orders.orders(batch.order_ids, session).values())
        left = [order for order in orders if order.status != "refunded"]
        back = [without_order(order, batch.import_id) for order in left]
        if back:
            self._orders.refund(back, session)
            self._settlement.settle_history(back, session)
        self._orders.mark_undone(batch.order_ids, batch.import_id, session)
        days = {brand_day(order.paid_at) for order in left if order.paid_at}
        if days:
            self._kpis.mark_days_for_recount(days, session)
        names = [f"claw-back:{undo_refund_id(batch.import_id, order.id)}" for order in left]
        entries = self._points.entries_by_ids(names, session).values()
        return UndoAnswer(
            orders=len(orders),
            amount_fen=sum(order.refunds[-1].amount_fen for order in back),
            points=-sum(entry.points for entry in entries),
            owed=sum(entry.debt for entry in entries),
            kept=sum(entry.waived for entry in entries),
            refunded=0,
            rest=0,
        )


NOTHING = UndoAnswer(orders=0, amount_fen=0, points=0, owed=0, kept=0, refunded=0, rest=0)
