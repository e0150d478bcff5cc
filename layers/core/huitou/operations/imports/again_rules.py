"""Which rows of a file are there already, though the file no longer says quite the same.

A spreadsheet that saves a till's export drops the seconds; whoever mends a file whose numbers
begin anew each day writes the day before each number; a phone is spelled in another way. The
order behind such a row is the same one, and must not come in twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from huitou.operations.imports.rules import MINUTE, Sale
from huitou.ordering.orders.imported_models import ImportedOrder
from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.models import NOBODY, GivenBack


def minute_of(at: datetime) -> datetime:
    """Return the minute in which a moment lies."""
    return at.replace(second=0, microsecond=0)


def is_same_moment(one: datetime, other: datetime) -> bool:
    """Tell whether two moments are one, of which either may have lost its seconds."""
    if one == other:
        return True
    minute = minute_of(one)
    return minute == minute_of(other) and minute in (one, other)


class ToldBefore:
    """The imported orders that may be those of a batch's rows, by what they say.

    `members` are ids by till number, in every spelling.
    """

    def __init__(self, orders: Iterable[ImportedOrder], members: Mapping[str, str]) -> None:
        self._members = members
        self._orders: dict[tuple[str, int, datetime], list[ImportedOrder]] = defaultdict(list)
        for order in orders:
            key = order.member_id, order.payable_fen, minute_of(order.created_at)
            self._orders[key].append(order)

    def members_of(self, sale: Sale) -> Collection[str]:
        """Return the ids of the members known by a row's number, in any spelling."""
        if sale.row.member is None:
            return {NOBODY}
        spelled = (sale.row.member, sale.row.formerly)
        return {self._members[one] for one in spelled if one is not None and one in self._members}

    def same_content(self, sale: Sale, there: ImportedOrder) -> bool:
        """Tell whether the order of the same number is the row's, its spelling aside.

        Of a row of which something went back, a part may have been left out when it came in.
        """
        left_fen = sale.row.amount_fen - (sale.row.returned_fen or 0)
        return there.request_digest == sale.digest or (
            there.member_id in self.members_of(sale)
            and left_fen <= there.payable_fen <= sale.row.amount_fen
            and is_same_moment(there.created_at, sale.at)
        )

    def twins(self, sale: Sale) -> list[ImportedOrder]:
        """Return the orders of the row's member, moment and amount, of any store and number."""
        key = sale.row.amount_fen, minute_of(sale.at)
        found = [one for id_ in self.members_of(sale) for one in self._orders.get((id_, *key), ())]
        return [one for one in found if is_same_moment(one.created_at, sale.at)]

    def find(self, sale: Sale) -> ImportedOrder | None:
        """Return the row's order if it is there under another id."""
        twins = [one for one in self.twins(sale) if one.store_id == sale.store_id]
        if sale.row.order is None:
            return self._find_unnumbered(sale, [one for one in twins if one.source_id is None])
        if sale.row.member is None and sale.row.paid_at is None:
            return None  # Too many orders without guest have one day and amount.
        number, days = sale.row.order, _days_of(sale)
        with_day = (
            one
            for one in twins
            if one.source_id is not None
            and (
                _is_with_day(number, one.source_id, days)
                or _is_with_day(one.source_id, number, days)
            )
        )
        return next(with_day, None)

    def _find_unnumbered(self, sale: Sale, twins: list[ImportedOrder]) -> ImportedOrder | None:
        """Rows without numbers are told apart by their count: return the n-th of them."""
        same = [one for one in twins if one.created_at == sale.at]
        if len(same) > sale.row.seq:
            return _nth(same, sale.row.seq)
        if sale.row.paid_at is None:
            return None  # Days have lost nothing.
        minute = minute_of(sale.at)
        key = sale.row.amount_fen, minute
        in_minute = [
            one
            for id_ in self.members_of(sale)
            for one in self._orders.get((id_, *key), ())
            if one.source_id is None and one.store_id == sale.store_id
        ]
        lost = sale.at == minute or any(one.created_at == minute for one in in_minute)
        before = sale.row.seq if sale.row.seq_in_minute is None else sale.row.seq_in_minute
        return _nth(in_minute, before) if lost and len(in_minute) > before else None


def _nth(orders: list[ImportedOrder], n: int) -> ImportedOrder:
    """Return the n-th of orders that nobody can tell apart: the same one each time.

    Those that went back stand last, as the rows of a file that say so are counted last.
    """
    return sorted(orders, key=lambda one: (one.status == "refunded", one.id))[n]


def window_of(sales: Collection[Sale]) -> tuple[datetime, datetime]:
    """Return the span of time in which orders of these rows may lie."""
    moments = [sale.at for sale in sales]
    return minute_of(min(moments)), minute_of(max(moments)) + MINUTE


def told_again(sale: Sale, order: LedgerOrder) -> GivenBack | None:
    """Return the refund of the order that a row tells again, or None if it is a new one.

    A refund with a number of its own is known by that; others by their amount and moment, and by
    how many rows said the same before.
    """
    for back in order.refunds:
        if back.refund_id == sale.id:
            return back
    if sale.row.order not in (None, sale.row.refund_of):
        return None
    same = [
        back
        for back in order.refunds
        if back.amount_fen == -sale.row.amount_fen and is_same_moment(back.at, sale.at)
    ]
    before = sale.row.seq if sale.row.seq_in_minute is None else sale.row.seq_in_minute
    return same[-1] if len(same) > before else None


def _days_of(sale: Sale) -> set[str]:
    """Return the ways in which a row's day may be written before a number, without separators."""
    year, month, day = sale.business_day.split("-")
    local = sale.at.astimezone(ZoneInfo(sale.zone))
    days = {(year, month, day), (f"{local:%Y}", f"{local:%m}", f"{local:%d}")}
    found = set()
    for y, m, d in days:
        found |= {
            y + m + d,
            y[2:] + m + d,
            m + d,
            d,
            y + m.lstrip("0") + d.lstrip("0"),
            m.lstrip("0") + d.lstrip("0"),
        }
    return found


def _is_with_day(longer: str, number: str, days: Collection[str]) -> bool:
    """Tell whether one number is the other with its day written before or behind it."""
    if longer == number or number not in longer:
        return False
    if longer.endswith(number):
        rest = longer.removesuffix(number)
    elif longer.startswith(number):
        rest = longer.removeprefix(number)
    else:
        return False
    return re.sub(r"\D", "", rest) in days
