"""How rows of a file become orders: ids from the business fact, days, and why a row is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import Store
from huitou.catalog.stores.rules import business_day
from huitou.loyalty.earning.models import EarningTerms
from huitou.operations.imports.models import ImportedLine, ImportedRow, WhyNoRefund
from huitou.ordering.orders.imported_models import ImportedOrder
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.models import NOBODY, GivenBack, Moment, Order, Tender
from huitou.promotions.discounts.models import Line

NOON = time(12)  # When a row that knows only its day is taken to have happened.


BY_STATUS = "status:"  # Begins the id of a refund that a status told, not a row of its own.
LINE_OF_TILL = "till:"  # Begins the dish id of an imported line: the till's name, not the menu's.
MINUTE = timedelta(minutes=1)
REFUND_WITHIN = timedelta(days=7)  # Later rows of one number may be another order's.


@dataclass(frozen=True)
class Sale:
    """A row with its store found, its moment, its business day, and the zone it happened in."""

    row: ImportedRow
    store_id: str | None
    at: datetime
    business_day: str
    zone: str
    again: int = 0

    @property
    def id(self) -> str:
        """The order's or refund's id, made of what tells it from all others.

        With a number: the store and the number. Without: every field, and how many rows before
        it said the same; a longer file has the same ids for the rows it had before. `again`
        counts how often the order was taken back with its import: each time it has a new id, and
        so have its refunds.
        """
        return self.first_id + (f"~{self.again}" if self.again else "")

    @property
    def first_id(self) -> str:
        """The id it has as long as it was never taken back."""
        row = self.row
        if row.order is None or row.order == row.refund_of:
            return _id("refund" if row.refund_of else "order", *self._facts, row.seq)
        if row.refund_of:
            return _id("refund", self.store_id, row.refund_of, row.order)
        return _id("order", self.store_id, row.order)

    @property
    def gives_back(self) -> str:
        """The id of the order that a refund's row names."""
        return _id("order", self.store_id, self.row.refund_of)

    @property
    def digest(self) -> str:
        """What the row says; the same id with another digest is another order's number."""
        return hashlib.sha256(_plain(*self._facts)).hexdigest()[:32]

    @property
    def _facts(self) -> tuple[object, ...]:
        row = self.row
        when = row.paid_at.astimezone(UTC).isoformat() if row.paid_at else row.paid_on
        return self.store_id, row.member, when, row.amount_fen, row.refund_of


def _id(kind: str, *facts: object) -> str:
    prefix = "r" if kind == "refund" else "o"
    return prefix + hashlib.sha256(b"import\n" + _plain(kind, *facts)).hexdigest()[:24]


def _plain(*facts: object) -> bytes:
    return "\n".join("" if fact is None else f"{len(str(fact))}:{fact}" for fact in facts).encode()


def sale_of(row: ImportedRow, store: Store | None, zone: str, cut_time: str) -> Sale:
    """Place a row in its store's time, or in the given zone and cut where it names no store."""
    zone, cut_time = (store.zone, store.cut_time) if store else (zone, cut_time)
    store_id = store.id if store else None
    if row.paid_on is not None:
        at = datetime.combine(row.paid_on, NOON, ZoneInfo(zone))
        return Sale(row, store_id, at, row.paid_on.isoformat(), zone)
    assert row.paid_at is not None  # noqa: S101  # The model has one of the two.
    at = row.paid_at - timedelta(microseconds=row.paid_at.microsecond % 1000)  # As BSON keeps it.
    return Sale(row, store_id, at, business_day(at, zone, cut_time), zone)


def order_of(sale: Sale, member_id: str, brand_id: str, terms: EarningTerms) -> Order:
    """Build the stored order: paid at the till, settled with the same write, due for the KPIs."""
    at, amount_fen = sale.at, sale.row.amount_fen
    return Order(
        id=sale.id,
        brand_id=brand_id,
        store_id=sale.store_id,
        member_id=member_id,
        request_digest=sale.digest,
        channel="import",
        origin="import",
        source_id=sale.row.order,
        status="paid",
        business_day=sale.business_day,
        created_at=at,
        lines=[_line(line) for line in sale.row.lines],
        list_fen=amount_fen,
        payable_fen=amount_fen,
        tenders=[Tender(kind="till" if amount_fen else "none", amount_fen=amount_fen)],
        terms=terms,
        paid_at=at,
        settlement="done",
        rollup="due",
        features="due" if member_id != NOBODY else "done",
        timeline=[Moment(status="paid", at=at)],
    )


def _line(told: ImportedLine) -> Line:
    each_fen = told.amount_fen // told.quantity if told.quantity else told.amount_fen
    return Line(
        dish_id=LINE_OF_TILL + told.dish,
        sku_id="",
        name=told.dish,
        sku_name=told.portion,
        category="",
        methods=[],
        addons=[],
        quantity=told.quantity,
        unit_fen=each_fen,
        list_fen=told.amount_fen,
    )


def is_told_otherwise(sale: Sale, twins: Iterable[ImportedOrder]) -> bool:
    """Tell whether its twins came in under another mapping: with or without store, or number.

    The same file again with another mapping makes other ids, and would double everything.
    """
    return all(
        (told.store_id is None) != (sale.store_id is None)
        or (told.source_id is None) != (sale.row.order is None)
        for told in twins
    )


def why_no_refund(
    sale: Sale, order: LedgerOrder | None, member_ids: Collection[str]
) -> WhyNoRefund | None:
    """Say why a refund can't be booked on the order it names, or None if it can.

    `member_ids` are the members that are known by its member's number, in any spelling.
    """
    if order is None:
        return "no order with this number at this store"
    if order.member_id not in member_ids:
        return "the order is another member's"
    left_fen = order.payable_fen - sum(back.amount_fen for back in order.refunds)
    if -sale.row.amount_fen > left_fen:
        return "more than what is left of the order"
    return None


def refund_to(order: LedgerOrder, sale: Sale, at: datetime) -> LedgerOrder | None:
    """Return the order with as much given back as its row says by now; None if it is already.

    The refund's id comes from what is left of the order then: a file that says the same again
    finds it. `at` is when that is known, for tills don't say when it happened.
    """
    left_fen = sale.row.amount_fen - (sale.row.returned_fen or 0)
    due_fen = order.payable_fen - sum(back.amount_fen for back in order.refunds) - left_fen
    if due_fen <= 0:
        return None
    name = f"{BY_STATUS}{order.id}:{left_fen}"
    back = GivenBack(refund_id=name, amount_fen=due_fen, at=at)
    refunds = [*order.refunds, back]
    return order.model_copy(
        update={"refunds": refunds, "status": order.status if left_fen else "refunded"}
    )


def is_refund_of(sale: Sale, there: ImportedOrder) -> bool:
    """Tell whether a row that gives back is a refund's own row, under the number of its order.

    It is later than the order. Tills whose numbers begin anew each day have other orders of this
    number: what follows much later, or another day's walk-in, isn't known to be the same order.
    """
    later = sale.at - there.created_at
    if sale.row.refund_of is not None or sale.row.amount_fen > there.payable_fen:
        return False
    if there.member_id == NOBODY and later > timedelta(hours=12):
        return False
    return timedelta() < later <= REFUND_WITHIN or (later == timedelta() and not sale.row.paid_at)


def as_refund(sale: Sale) -> Sale:
    """Return such a row as a refund of its order."""
    negative = {"amount_fen": -sale.row.amount_fen, "refund_of": sale.row.order}
    row = sale.row.model_copy(update={**negative, "returned_fen": None, "lines": []})
    return replace(sale, row=row, again=0)


def is_told_by_status(order: LedgerOrder) -> bool:
    """Tell whether a status has given the order back, so that its refund row is no second one."""
    return any(back.refund_id.startswith(BY_STATUS) for back in order.refunds)


def as_sold(sale: Sale) -> Sale:
    """Return an order of dishes without those that went back before it came in."""
    row = sale.row
    left_fen = row.amount_fen - (row.returned_fen or 0)
    if row.returned_fen is None or sum(line.amount_fen for line in row.lines) != left_fen:
        return sale
    update = {"amount_fen": left_fen, "returned_fen": None}
    return replace(sale, row=row.model_copy(update=update)) if row.lines else sale


def with_refund(order: LedgerOrder, sale: Sale) -> LedgerOrder:
    """Return the order with one more part given back; refunded when nothing is left."""
    back = GivenBack(refund_id=sale.id, amount_fen=-sale.row.amount_fen, at=sale.at)
    refunds = [*order.refunds, back]
    wholly = sum(part.amount_fen for part in refunds) == order.payable_fen
    status = "refunded" if wholly else order.status
    return order.model_copy(update={"refunds": refunds, "status": status})
