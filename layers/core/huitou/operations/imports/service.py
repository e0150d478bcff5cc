"""Bring a till's history in: members, orders, refunds, points and tiers, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE, Store
from huitou.catalog.stores.rules import brand_day
from huitou.catalog.stores.service import Stores
from huitou.growth.referrals.binding_service import FirstOrders
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.earning.rules import history_terms
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.service import Tiers
from huitou.members.profiles.till_service import FirstOrder, TillMembers
from huitou.operations.imports.again_rules import (
    ToldBefore,
    is_same_moment,
    told_again,
    window_of,
)
from huitou.operations.imports.errors import ImportErrors
from huitou.operations.imports.models import (
    ImportedRow,
    ImportOrdersRequest,
    ImportReport,
    Reject,
)
from huitou.operations.imports.repository import ImportRepository
from huitou.operations.imports.rules import (
    Sale,
    as_refund,
    as_sold,
    is_refund_of,
    is_told_by_status,
    is_told_otherwise,
    order_of,
    refund_to,
    sale_of,
    why_no_refund,
    with_refund,
)
from huitou.operations.imports.undo_models import ImportBatch
from huitou.ordering.orders.imported_models import ImportedOrder
from huitou.ordering.orders.imported_repository import ImportedOrderRepository
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.models import NOBODY
from huitou.ordering.settlement.service import Settlement
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database, is_duplicate
from huitou.runtime.errors import Refusal, Unavailable

MOST_TRIES = 5
FEWEST_OTHERWISE = 3  # Orders that were imported under another mapping, to call it that.
MOST_TIMES = 20
SAME_NUMBER = (
    "this number was imported with other content; if the till's numbers begin anew each day, "
    "write the day before each number"
)


@dataclass
class _Batch:
    """One batch's way through the transaction; made anew each time the transaction runs."""

    import_id: str | None = None
    imported: int = 0
    refunded: int = 0
    unchanged: int = 0
    members: int = 0
    rejects: list[Reject] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    order_ids: list[str] = field(default_factory=list)
    refunded_ids: list[str] = field(default_factory=list)
    first_refund_id: str = ""
    returns: list[tuple[Sale, str]] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    own_refunds: list[Sale] = field(default_factory=list)

    def reject(self, row: ImportedRow, name: str, reason: str) -> None:
        self.rejects.append(Reject(line=row.line, field=name, reason=reason))

    def keep(self, sale: Sale, order_id: str) -> None:
        """Take in what a row says of the order that it is, which is there already."""
        if sale.row.returned_fen is not None:
            self.returns.append((sale, order_id))
        else:
            self.unchanged += 1

    def refuse(self, sale: Sale, told: ImportedOrder | None) -> None:
        """Refuse a row whose number another order has; its refund may have it, too."""
        if not sale.row.if_known:
            self.reject(sale.row, "order", SAME_NUMBER)
        elif told is not None and is_refund_of(sale, told):
            self.own_refunds.append(as_refund(sale))
        else:
            self.left_out.append(sale.row.line)

    def report(self) -> ImportReport:
        return ImportReport(
            imported=self.imported,
            refunded=self.refunded,
            unchanged=self.unchanged,
            rejected=len(self.rejects),
            members=self.members,
            rejects=sorted(self.rejects, key=lambda reject: reject.line),
            left_out=self.left_out,
        )


class OrderImport:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._brand_id = brand_id
        self._orders = ImportedOrderRepository(database)
        self._imports = ImportRepository(database)
        self._stores = Stores(database, clock)
        self._members = TillMembers(database, clock, brand_id)
        self._settlement = Settlement(database, clock, FirstOrders(database, clock))
        self._kpis = Kpis(database, clock)

    def run(self, request: ImportOrdersRequest) -> ImportReport:
        """Bring one batch in, in one transaction; safe to repeat, in any order, at the same time.

        What is there already stays as it is. Refunds follow the orders of their own batch, so a
        file's refunds may be sent last. Rejected rows are named with line, field and reason.
        """
        stores = self._stores.stores_by_name(self._brand_id)
        terms_on = self._terms_on(earns=request.earn_points)

        def write(session: ClientSession) -> _Batch:
            batch = _Batch(request.import_id)
            sales = list(_placed(request.rows, stores, batch))
            orders = [sale for sale in sales if not sale.row.refund_of]
            self._insert(batch, orders, terms_on, session)
            refunds = [sale for sale in sales if sale.row.refund_of]
            self._refund(batch, batch.own_refunds + refunds, session)
            self._give_back(batch, session)
            if request.import_id is not None and (batch.order_ids or batch.refunded_ids):
                self._imports.note(
                    _kept(request.import_id, batch), request.file, self._clock.now(), session
                )
            if batch.days:
                self._kpis.mark_days_for_recount(batch.days, session)
            return batch

        run = self._database.rehearse if request.dry_run else self._database.transact
        for _ in range(MOST_TRIES):
            try:
                return run(write).report()
            except (DuplicateKeyError, BulkWriteError) as error:
                if not is_duplicate(error):
                    raise
                # Another import brought some of it in just now: it is found next time.
        raise Unavailable

    def _terms_on(self, *, earns: bool) -> Callable[[str], EarningTerms]:
        """What history earns by, by day; the lowest tier (what it was then is not known)."""
        tiers = Tiers(self._database, self._clock).rules()
        points = Points(self._database, self._clock).rules()
        return cache(partial(history_terms, points, tiers.levels[0], tiers.revision, earns=earns))

    def _insert(
        self,
        batch: _Batch,
        sales: list[Sale],
        terms_on: Callable[[str], EarningTerms],
        session: ClientSession,
    ) -> None:
        if not sales:
            return
        numbers = [one for sale in sales for one in (sale.row.member, sale.row.formerly) if one]
        known = self._members.find_till_members(numbers, session)
        amounts = sorted({sale.row.amount_fen for sale in sales})
        ids = sorted({*known.values(), NOBODY})
        before = ToldBefore(
            self._orders.of_members(ids, amounts, *window_of(sales), session), known
        )
        there = self._latest([sale.first_id for sale in sales], session)
        sales = [replace(sale, again=there[sale.first_id][0]) for sale in sales]
        new: dict[str, Sale] = {}
        for sale in sales:
            told = there[sale.first_id][1]
            if sale.row.if_known and sale.row.order is None:
                told = None  # Its count is among rows that say the same, not its own.
            twin = told or (None if sale.id in new else before.find(sale))
            if twin is not None:
                same = told is None or before.same_content(sale, twin)
            elif sale.id in new:
                same = new[sale.id].digest == sale.digest
            elif sale.row.if_known:
                batch.left_out.append(sale.row.line)
                continue
            else:
                new[sale.id] = as_sold(sale)
                continue
            if same:
                batch.keep(sale, twin.id if twin else sale.id)
            else:
                batch.refuse(sale, told)
        if not new:
            return
        unchanged = {told.id for _, told in there.values() if told is not None}
        _refuse_another_mapping(new.values(), unchanged, before)
        till = {
            sale.id: _known_number(sale.row.member, sale.row.formerly, known)
            for sale in new.values()
            if sale.row.member is not None
        }
        members = self._members.register_till_members(
            _first_orders(new.values(), till), session, batch.import_id
        )
        orders = [
            order_of(
                sale,
                members.ids[till[sale.id]] if sale.id in till else NOBODY,
                self._brand_id,
                terms_on(sale.business_day),
            )
            for sale in new.values()
        ]
        self._orders.insert(orders, session)
        self._settlement.settle_history([LedgerOrder.of(order) for order in orders], session)
        batch.imported, batch.order_ids = len(orders), [order.id for order in orders]
        batch.members = len(members.new_ids)
        came_in = [(sale, sale.id) for sale in new.values() if sale.row.returned_fen]
        batch.returns = came_in + batch.returns
        batch.days |= members.days | {_entry_day(sale) for sale in new.values()}

    def _latest(
        self, first_ids: list[str], session: ClientSession
    ) -> dict[str, tuple[int, ImportedOrder | None]]:
        """Return the orders that are in, by their first ids, and how often each was taken back.

        Raises Refusal UNDONE_TOO_OFTEN where an order was brought in and taken back MOST_TIMES.
        """
        latest: dict[str, tuple[int, ImportedOrder | None]] = {}
        asked = dict.fromkeys(first_ids)
        for again in range(MOST_TIMES):
            ids = {first: first + (f"~{again}" if again else "") for first in asked}
            there = self._orders.by_ids(list(ids.values()), session)
            asked = {}
            for first, order_id in ids.items():
                order = there.get(order_id)
                if order is not None and order.undone_by is not None:
                    asked[first] = None
                else:
                    latest[first] = again, order
            if not asked:
                return latest
        raise Refusal(ImportErrors.UNDONE_TOO_OFTEN, field="rows")

    def _refund(self, batch: _Batch, sales: list[Sale], session: ClientSession) -> None:
        if not sales:
            return
        latest = self._latest([sale.gives_back for sale in sales], session)
        targets = {first: told.id for first, (_, told) in latest.items() if told is not None}
        orders = self._orders.orders(list(targets.values()), session)
        numbers = [one for sale in sales for one in (sale.row.member, sale.row.formerly) if one]
        before = ToldBefore((), self._members.find_till_members(numbers, session))
        changed: dict[str, LedgerOrder] = {}
        for told in sales:
            # Its order may have come in again: then the refund is a new one too.
            sale = replace(told, again=latest[told.gives_back][0])
            order = orders.get(targets.get(sale.gives_back, ""))
            done = told_again(sale, order) if order else None
            if (
                done
                and done.amount_fen == -sale.row.amount_fen
                and is_same_moment(done.at, sale.at)
            ):
                batch.unchanged += 1
                continue
            reason = SAME_NUMBER if done else why_no_refund(sale, order, before.members_of(sale))
            if (
                reason == "more than what is left of the order"
                and order
                and is_told_by_status(order)
            ):
                batch.unchanged += 1
                continue
            if reason and sale.row.if_known:
                batch.left_out.append(sale.row.line)
                continue
            if order is None or reason:
                batch.reject(sale.row, "order" if done else "refund_of", str(reason))
                continue
            orders[order.id] = changed[order.id] = with_refund(order, sale)
            batch.refunded += 1
            batch.first_refund_id = batch.first_refund_id or sale.id
            batch.days.add(_entry_day(sale))
        if changed:
            batch.refunded_ids += changed
            self._orders.refund(list(changed.values()), session)
            self._settlement.settle_history(list(changed.values()), session)

    def _give_back(self, batch: _Batch, session: ClientSession) -> None:
        """Book what went back of orders by the words of their own rows."""
        if not batch.returns:
            return
        now, new = self._clock.now(), set(batch.order_ids)
        orders = self._orders.orders([order_id for _, order_id in batch.returns], session)
        changed: dict[str, LedgerOrder] = {}
        for sale, order_id in batch.returns:
            came_in = order_id in new and order_id not in changed
            order = refund_to(orders[order_id], sale, sale.at if came_in else now)
            if order is not None:
                orders[order_id] = changed[order_id] = order
                batch.days.add(brand_day(order.refunds[-1].at))
            if came_in:
                continue  # It counts as imported.
            if order is None:
                batch.unchanged += 1
                continue
            batch.refunded += 1
            batch.first_refund_id = batch.first_refund_id or order.refunds[-1].refund_id
        if changed:
            batch.refunded_ids += [one for one in changed if one not in new]
            self._orders.refund(list(changed.values()), session)
            self._settlement.settle_history(list(changed.values()), session)


def _placed(rows: list[ImportedRow], stores: dict[str, Store], batch: _Batch) -> list[Sale]:
    """Find each row's store; a row that names none that exists is rejected."""
    sales = []
    for row in rows:
        store = stores.get(row.store) if row.store else None
        if row.store and store is None:
            batch.reject(row, "store", f"no such store: {row.store}")
        else:
            sales.append(sale_of(row, store, BRAND_ZONE, BRAND_CUT))
    return sales


def _refuse_another_mapping(
    sales: Collection[Sale], unchanged: Collection[str], before: ToldBefore
) -> None:
    """Raise Refusal IMPORTED_OTHERWISE if most twins of these orders have ids of another kind.

    A twin has the same member, moment and amount. A few such are chance (somebody's second tea of
    the day, a number left blank once); a file mapped in another way has nothing else.
    """
    told = [
        (sale, [twin for twin in before.twins(sale) if twin.id not in unchanged]) for sale in sales
    ]
    twins = [(sale, found) for sale, found in told if found]
    otherwise = sum(is_told_otherwise(sale, found) for sale, found in twins)
    if otherwise >= FEWEST_OTHERWISE and otherwise * 2 > len(twins):
        raise Refusal(ImportErrors.IMPORTED_OTHERWISE, field="rows")


def _kept(import_id: str, batch: _Batch) -> ImportBatch:
    """Return what the batch wrote, as it is kept for an undo; its id comes from what it wrote."""
    first = batch.order_ids[0] if batch.order_ids else batch.first_refund_id
    return ImportBatch(
        id=f"{import_id}:{first}",
        import_id=import_id,
        order_ids=batch.order_ids,
        refunded_ids=batch.refunded_ids,
    )


def _known_number(number: str, formerly: str | None, known: Collection[str]) -> str:
    """Return the number under which a row's member is known, or is to be registered."""
    if formerly is not None and formerly in known and number not in known:
        return formerly
    return number


def _first_orders(sales: Iterable[Sale], till: Mapping[str, str]) -> dict[str, FirstOrder]:
    """Return each member's earliest order; of two at one moment the lower store's.

    `till` are the members' numbers by the orders' ids.
    """
    of_members = (sale for sale in sales if sale.id in till)
    ordered = sorted(of_members, key=lambda sale: (sale.business_day, sale.at, sale.store_id or ""))
    return {
        till[sale.id]: FirstOrder(sale.business_day, sale.at, sale.store_id)
        for sale in reversed(ordered)
    }


def _entry_day(sale: Sale) -> str:
    return brand_day(sale.at)
