"""Take an import back whole: its orders, balances and tiers, and members who have nothing else."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.growth.referrals.binding_service import FirstOrders
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.points.service import Points
from huitou.operations.imports.balance_undo_service import BalanceUndo
from huitou.operations.imports.registered_service import RegisteredMembers
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
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._imports = ImportRepository(database)
        self._orders = ImportedOrderRepository(database)
        self._settlement = Settlement(database, clock, FirstOrders(database, clock))
        self._points = Points(database, clock)
        self._kpis = Kpis(database, clock)
        self._balances = BalanceUndo(database, clock)
        self._registered = RegisteredMembers(database, clock, brand_id)

    def list_imports(self, request: ImportsRequest) -> ImportsAnswer:
        """Return the latest imports, newest first."""
        shown = [
            ShownImport(
                import_id=one.id,
                kind=one.kind,
                file=one.file,
                at=one.at,
                imported=one.imported,
                refunded=one.refunded,
                points=one.points,
                status="undone" if one.undone_at else "in",
            )
            for one in self._imports.latest(request.limit)
        ]
        return ImportsAnswer(imports=shown)

    def undo_batch(self, request: UndoRequest) -> UndoAnswer:
        """Take back one batch of an import, in one transaction; safe to repeat, at once too.

        An order goes back as by a refund of all that is left of it, dated by its own day: the
        ledgers are append-only, so what it had earned is clawed back by an entry of its own. So
        does a balance, as far as its points are there. Refunds that the import booked on orders of
        other imports stay. Once all batches are back, the next calls erase the members whom the
        import had registered and who have nothing else, batch by batch. After that another call
        changes nothing. Refusal NOT_FOUND for an unknown id.
        """

        def write(session: ClientSession) -> UndoAnswer:
            if self._imports.find(request.import_id, session) is None:
                raise Refusal(Code.NOT_FOUND, field="import_id", detail=IMPORT)
            batch = self._imports.next_batch(request.import_id, session)
            if batch is not None:
                return self._undo(batch, session)
            batch = self._imports.next_unchecked(request.import_id, session)
            if batch is None:
                return UndoAnswer()
            answer = self._registered.let_go(batch, session)
            self._imports.mark_members_checked(batch.id, session)
            _, rest = self._imports.count_steps(batch.import_id, session)
            return answer.model_copy(update={"rest": rest})

        return self._database.transact(write)

    def _undo(self, batch: ImportBatch, session: ClientSession) -> UndoAnswer:
        if batch.kind == "balances":
            answer = self._balances.take_back(batch, session)
        else:
            answer = self._take_back(batch, session)
        self._imports.mark_batch_undone(batch.id, session)
        still_in, unchecked = self._imports.count_steps(batch.import_id, session)
        if still_in:
            return answer.model_copy(update={"rest": still_in + unchecked})
        self._imports.mark_undone(batch.import_id, self._clock.now(), session)
        ids = self._imports.refunded_ids(batch.import_id, session)
        stay = self._orders.count_of_others(ids, batch.import_id, session)
        return answer.model_copy(update={"rest": unchecked, "refunded": stay})

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
        )
