"""Compare a day with WeChat Pay's bills: each row with our books, and our books with the rows."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol, TypeVar

from huitou.catalog.stores.models import Merchant
from huitou.catalog.stores.rules import shifted
from huitou.payments.bill_check.errors import BillErrors
from huitou.payments.bill_check.models import (
    BilledPayment,
    BilledRefund,
    BillKind,
    BillReport,
    BillRun,
    BillSums,
    CheckOutcome,
    FlowRow,
    TradeRow,
)
from huitou.payments.bill_check.repository import BillRepository
from huitou.payments.bill_check.rules import (
    FLOW_FIGURES,
    ZONE,
    calendar_day,
    day_start,
    flow_differences,
    flow_rows,
    flow_sums,
    payment_differences,
    refund_differences,
    sums_by_merchant,
    total_of,
    trade_rows,
)
from huitou.payments.charges.models import BillMark
from huitou.payments.discrepancies.models import Difference, DiscrepanciesRequest, Source
from huitou.payments.discrepancies.service import Discrepancies
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal, Unavailable
from huitou.runtime.logs import log

AT_ONCE = 500  # Rows of a page; payments and refunds take one query and one write a page.
READY = timedelta(days=1, hours=10)  # From a day's midnight; WeChat Pay makes bills from 9:00.
RETRY = timedelta(minutes=30)  # WeChat Pay asks us to wait so long if it is still making a bill.
EDGE = timedelta(minutes=10)  # So near to midnight our time and theirs may fall on different days.
MOST_DAYS = 7  # The timer goes back so far; by hand any day that WeChat Pay has (three months).
MOST_SHOWN = 50
SOURCE: Source = "bill"
Read = TypeVar("Read")
Item = TypeVar("Item")


class BillGateway(Protocol):
    """What the check needs from WeChat Pay."""

    def merchant_for(self, sub_mchid: str | None) -> Merchant:
        """Return the merchant of a store; for None the chain's own merchant, or its provider."""

    def bill(self, kind: BillKind, day: str) -> bytes | None:
        """Return a bill's text, its hash checked; None if nothing happened on the day."""


class BillCheck:
    """The daily check of the chain's own merchant; a provider's bill includes its stores' rows."""

    def __init__(self, database: Database, clock: Clock, gateway: BillGateway) -> None:
        self._clock = clock
        self._gateway = gateway
        self._own = gateway.merchant_for(None)
        self._mchid = self._own.mchid
        self._repository = BillRepository(database)
        self._discrepancies = Discrepancies(database, clock)

    def due_days(self) -> list[str]:
        """Return the days of the last week that the timer has to check, up to yesterday.

        A day is due once its bill should be there, and again half an hour after a failed try. A
        chain that never checked a day begins with yesterday.
        """
        now = self._clock.now()
        last = calendar_day(now - READY)
        first = max(shifted(last, 1 - MOST_DAYS), self._repository.first_day(self._mchid) or last)
        runs = {run.day: run for run in self._repository.runs(self._mchid, first, last)}
        days = (shifted(first, number) for number in range(MOST_DAYS))
        return [day for day in days if day <= last and _due(runs.get(day), now)]

    def check_due_day(self, day: str) -> CheckOutcome:
        """Check a day for the timer; returns the outcome instead of raising a Refusal."""
        try:
            self.check_day(day)
        except Refusal as refused:
            if refused.code is BillErrors.BILL_NOT_READY:
                return "bill not ready"
            if refused.code is BillErrors.BILL_DAMAGED:
                return "bill damaged"
            raise
        return "checked"

    def last_day(self) -> str:
        """Return the last day whose bill should be there by now."""
        return calendar_day(self._clock.now() - READY)

    def check_day(self, day: str) -> BillReport:
        """Check one calendar day (Asia/Shanghai). Safe to repeat; two runs at once find the same.

        Notes each difference, and clears those of earlier runs that it doesn't find any more. Marks
        the payment or refund of each row as shown, on whatever day it was made. Raises Refusal
        BILL_NOT_READY (naming from when it is) or BILL_DAMAGED (then nothing was compared).
        """
        now = self._clock.now()
        ready_at = day_start(day) + READY
        if now < ready_at:
            raise _not_ready(ready_at)
        self._repository.begin(self._mchid, day, now)
        trade, flow = self._bill("trade", day), self._bill("fundflow", day)
        # Both are read completely before anything is compared, so a damaged bill changes nothing.
        sums = self._read_whole("trade", day, lambda: sums_by_merchant(_rows(trade, day)))
        moved = self._read_whole("fundflow", day, lambda: flow_sums(_flows(flow)))
        counts: Counter[str] = Counter()
        seen: set[str] = set()
        for page in _pages(_rows(trade, day)):
            references = [_reference(row) for row in page]
            self._record(counts, self._compare(day, page), references)
            seen.update(references)
        for missing in _pages(self._missing(day)):
            self._record(counts, missing, [])
        self._note_gone(day, seen, counts)
        # A provider's account doesn't receive its stores' money: only its own rows count here.
        differing = self._flow_differences(day, flow_differences(sums.get(None, BillSums()), moved))
        self._record(counts, differing, [f"{self._mchid}:{day}:{name}" for name in FLOW_FIGURES])
        total = total_of(sums.values())
        run = BillRun(
            id=f"{self._mchid}|{day}",
            mchid=self._mchid,
            day=day,
            status="checked",
            tried_at=now,
            at=now,
            rows=total.payments + total.refunds,
            sums=total,
            differences=counts["found"],
            fund_flow="differs" if differing else "agrees",
        )
        self._repository.finish(run)
        return self._report(run, counts)

    def _bill(self, kind: BillKind, day: str) -> bytes | None:
        try:
            return self._gateway.bill(kind, day)
        except Unavailable as passing:
            if passing.detail == "STATEMENT_CREATING":
                raise _not_ready(self._clock.now() + RETRY) from passing
            raise

    def _read_whole(self, kind: BillKind, day: str, read: Callable[[], Read]) -> Read:
        """Read a bill to its end; if it is damaged, note that for the operators too."""
        reference = f"{self._mchid}:{day}:{kind}"
        try:
            result = read()
        except Refusal as damaged:
            difference = Difference(
                kind="bill damaged", reference=reference, found=damaged.detail, day=day
            )
            self._discrepancies.note_differences(SOURCE, [difference])
            raise
        self._discrepancies.clear_discrepancy("bill damaged", reference)
        return result

    def _record(
        self, counts: Counter[str], differences: Sequence[Difference], references: Sequence[str]
    ) -> None:
        """Note differences, and clear other ones that earlier runs noted for these references."""
        counts["found"] += len(differences)
        counts["new"] += self._discrepancies.note_differences(SOURCE, differences)
        counts["cleared"] += self._discrepancies.clear_discrepancies(
            SOURCE, references, differences
        )

    def _compare(self, day: str, rows: Sequence[TradeRow]) -> list[Difference]:
        """Compare one page of rows with our payments and refunds, and mark these as shown."""
        # The payments of refunds as well: their rate decides which fee comes back.
        payments = self._repository.payments(list({row.out_trade_no for row in rows}))
        refunds = self._repository.refunds([row.out_refund_no for row in rows if row.out_refund_no])
        differences: list[Difference] = []
        payment_marks: dict[str, BillMark] = {}
        refund_marks: dict[str, BillMark] = {}
        for row in rows:
            mark = BillMark(day=day, fee_fen=row.fee_fen)
            payment = payments.get(row.out_trade_no)
            if row.out_refund_no is None:
                differences += payment_differences(row, payment, self._own, day)
                if payment is not None and payment.bill != mark:
                    payment_marks[payment.id] = mark
                continue
            refund = refunds.get(row.out_refund_no)
            differences += refund_differences(row, refund, payment, self._own, day)
            if refund is not None and refund.bill != mark:
                refund_marks[refund.id] = mark
        self._repository.mark_payments(payment_marks)
        self._repository.mark_refunds(refund_marks)
        return differences

    def _note_gone(self, day: str, seen: Set[str], counts: Counter[str]) -> None:
        """Note what an earlier run found in this day's bill and this run doesn't."""
        payments = [p for p in self._repository.payments_shown_on(day, AT_ONCE) if p.id not in seen]
        refunds = [r for r in self._repository.refunds_shown_on(day, AT_ONCE) if r.id not in seen]
        gone = [_missing("payment", payment, day) for payment in payments]
        self._record(counts, gone + [_missing("refund", refund, day) for refund in refunds], [])
        # Last, so that a run after a crash finds them again. From now on they count as missing.
        self._repository.unmark([p.id for p in payments], [r.id for r in refunds])

    def _missing(self, day: str) -> Iterator[Difference]:
        """Return our payments and refunds of the day that a bill should have shown and none has.

        Near midnight a row may be in the neighbouring day's bill, so the check of the second of the
        two days looks at these moments. A refund is in the bill of the day on which WeChat Pay
        accepted it, a day between its creation and its success: all these days must be checked.
        """
        around = self._checked(shifted(day, -1), shifted(day, 1))
        before, after = shifted(day, -1) in around, shifted(day, 1) in around
        start = day_start(day) + (-EDGE if before else EDGE)
        end = day_start(shifted(day, 1)) + (EDGE if after else -EDGE)
        for payment in self._repository.unshown_payments(start, end, AT_ONCE):
            yield _missing("payment", payment, day)
        for refunds in _pages(self._repository.unshown_refunds(start, end, AT_ONCE)):
            first = min(calendar_day(refund.created_at) for refund in refunds)
            checked = self._checked(first, day) | {day}
            for refund in refunds:
                if _days(calendar_day(refund.created_at), day) <= checked:
                    yield _missing("refund", refund, day)

    def _checked(self, first: str, last: str) -> set[str]:
        runs = self._repository.runs(self._mchid, first, last)
        return {run.day for run in runs if run.status == "checked"}

    def _flow_differences(
        self, day: str, figures: Sequence[tuple[str, int, int]]
    ) -> list[Difference]:
        return [
            Difference(
                kind="fund flow",
                reference=f"{self._mchid}:{day}:{name}",
                expected=expected,
                found=found,
                day=day,
            )
            for name, expected, found in figures
        ]

    def _report(self, run: BillRun, counts: Counter[str]) -> BillReport:
        sums = run.sums
        log("bill_checked", day=run.day, rows=run.rows, **counts)
        page = self._discrepancies.list_discrepancies(
            DiscrepanciesRequest(day=run.day, limit=MOST_SHOWN)
        )
        return BillReport(
            day=run.day,
            mchid=run.mchid,
            rows=run.rows,
            payments=sums.payments,
            refunds=sums.refunds,
            taken_fen=sums.taken_fen,
            given_back_fen=sums.given_back_fen,
            fees_fen=sums.fees_fen - sums.fees_back_fen,
            kept_fen=sums.kept_fen,
            fund_flow=run.fund_flow or "differs",
            found=counts["found"],
            new=counts["new"],
            cleared=counts["cleared"],
            open=self._discrepancies.count_open_discrepancies(run.day),
            differences=page.discrepancies,
        )


def _rows(content: bytes | None, day: str) -> Iterator[TradeRow]:
    return trade_rows(io.BytesIO(content), day) if content is not None else iter(())


def _flows(content: bytes | None) -> Iterator[FlowRow]:
    return flow_rows(io.BytesIO(content)) if content is not None else iter(())


def _pages(items: Iterator[Item]) -> Iterator[list[Item]]:
    while page := list(islice(items, AT_ONCE)):
        yield page


def _reference(row: TradeRow) -> str:
    return row.out_refund_no or row.out_trade_no


def _missing(what: str, ours: BilledPayment | BilledRefund, day: str) -> Difference:
    return Difference(
        kind=f"{what} missing in bill",
        reference=ours.id,
        expected=ours.amount_fen,
        day=day,
        store_id=ours.store_id,
    )


def _days(first: str, last: str) -> set[str]:
    count = (day_start(last) - day_start(first)).days
    return {shifted(first, number) for number in range(count + 1)}


def _due(run: BillRun | None, now: datetime) -> bool:
    return run is None or (run.status != "checked" and now - run.tried_at >= RETRY)


def _not_ready(ready_at: datetime) -> Refusal:
    when = ready_at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
    return Refusal(BillErrors.BILL_NOT_READY, field="day", detail=when)
