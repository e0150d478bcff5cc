"""Every query of the daily check: our payments and refunds, their marks, and the runs.

In payments and refunds this area writes only the field `bill`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.collection import Collection

from huitou.payments.bill_check.models import BilledPayment, BilledRefund, BillRun
from huitou.payments.charges.models import BillMark
from huitou.runtime.database import Database, Document
from huitou.runtime.documents import Record

MOST_RUNS = 400  # The most days read at once: a year and a month.


class BillRepository:
    def __init__(self, database: Database) -> None:
        self._payments = database.collection("payments")
        self._refunds = database.collection("refunds")
        self._runs = database.collection("bill_runs")

    def payments(self, ids: Sequence[str]) -> dict[str, BilledPayment]:
        found = _by_ids(self._payments, ids, _fields(BilledPayment))
        return {row["_id"]: BilledPayment.model_validate(row) for row in found}

    def refunds(self, ids: Sequence[str]) -> dict[str, BilledRefund]:
        found = _by_ids(self._refunds, ids, _fields(BilledRefund))
        return {row["_id"]: BilledRefund.model_validate(row) for row in found}

    def mark_payments(self, marks: Mapping[str, BillMark]) -> None:
        _mark(self._payments, marks)

    def mark_refunds(self, marks: Mapping[str, BillMark]) -> None:
        _mark(self._refunds, marks)

    def unshown_payments(
        self, start: datetime, end: datetime, at_once: int
    ) -> Iterator[BilledPayment]:
        """Payments of a time span that no bill has shown, read page by page by an index."""
        for row in _unshown(self._payments, start, end, at_once, _fields(BilledPayment)):
            yield BilledPayment.model_validate(row)

    def unshown_refunds(
        self, start: datetime, end: datetime, at_once: int
    ) -> Iterator[BilledRefund]:
        """Refunds of a time span that no bill has shown, without those that moved no money."""
        for row in _unshown(self._refunds, start, end, at_once, _fields(BilledRefund)):
            if row.get("out_trade_no") is not None:
                yield BilledRefund.model_validate(row)

    def payments_shown_on(self, day: str, at_once: int) -> Iterator[BilledPayment]:
        """Payments that an earlier run found in this day's bill."""
        for row in _shown_on(self._payments, day, at_once, _fields(BilledPayment)):
            yield BilledPayment.model_validate(row)

    def refunds_shown_on(self, day: str, at_once: int) -> Iterator[BilledRefund]:
        """Refunds that an earlier run found in this day's bill."""
        for row in _shown_on(self._refunds, day, at_once, _fields(BilledRefund)):
            yield BilledRefund.model_validate(row)

    def unmark(self, payment_ids: Sequence[str], refund_ids: Sequence[str]) -> None:
        """Remove their marks, because no bill shows them any more."""
        for collection, ids in ((self._payments, payment_ids), (self._refunds, refund_ids)):
            if ids:
                collection.update_many({"_id": {"$in": [*ids]}}, {"$unset": {"bill": ""}})

    def begin(self, mchid: str, day: str, now: datetime) -> None:
        """Note that we ask for a day's bill; results of an earlier run stay."""
        self._runs.update_one(
            {"_id": _run_id(mchid, day)},
            {
                "$set": {"tried_at": now},
                "$setOnInsert": {"schema": 1, "mchid": mchid, "day": day, "status": "tried"},
            },
            upsert=True,
        )

    def finish(self, run: BillRun) -> None:
        """Store the result of a check; if two run at once, both have found the same."""
        self._runs.replace_one({"_id": run.id}, run.document(), upsert=True)

    def runs(self, mchid: str, first: str, last: str) -> list[BillRun]:
        """The runs from `first` to `last`, both included, oldest first."""
        found = (
            self._runs.find({"_id": {"$gte": _run_id(mchid, first), "$lte": _run_id(mchid, last)}})
            .sort("_id", 1)
            .limit(MOST_RUNS)
        )
        return [BillRun.model_validate(row) for row in found]

    def first_day(self, mchid: str) -> str | None:
        """The first day whose bill we ever asked for; None if there was none."""
        found = self._runs.find_one(
            {"_id": {"$gt": _run_id(mchid, ""), "$lt": _run_id(mchid, "~")}}, sort=[("_id", 1)]
        )
        return str(found["day"]) if found else None


def _run_id(mchid: str, day: str) -> str:
    return f"{mchid}|{day}"


def _fields(model: type[Record]) -> Document:
    return {field.alias or name: 1 for name, field in model.model_fields.items()}


def _by_ids(
    collection: Collection[Document], ids: Sequence[str], fields: Document
) -> Iterable[Document]:
    if not ids:
        return ()
    # All in one answer: the first batch would otherwise end after 101 documents.
    return collection.find({"_id": {"$in": [*ids]}}, fields, batch_size=len(ids) + 1)


def _mark(collection: Collection[Document], marks: Mapping[str, BillMark]) -> None:
    if marks:
        collection.bulk_write(
            [
                UpdateOne({"_id": identity}, {"$set": {"bill": mark.model_dump()}})
                for identity, mark in marks.items()
            ],
            ordered=False,
        )


def _shown_on(
    collection: Collection[Document], day: str, at_once: int, fields: Document
) -> Iterator[Document]:
    yield from collection.find({"bill.day": day}, fields, batch_size=at_once)


def _unshown(
    collection: Collection[Document], start: datetime, end: datetime, at_once: int, fields: Document
) -> Iterator[Document]:
    found = collection.find(
        {"bill.day": None, "success_at": {"$gte": start, "$lt": end}}, fields, batch_size=at_once
    )
    yield from found.sort("success_at", 1)
