"""Reconciliation: check that the books agree."""

from __future__ import annotations

import time
from typing import Any

from huitou.catalog.stores.rules import brand_day
from huitou.operations.reconciliation.repository import BooksRepository
from huitou.operations.reconciliation.rules import differences, totals
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

MOST_DIFFERENCES = 200  # Shown of one page; more than that have one cause, not many.


class Reconciliation:
    """Checks that the books agree, one range of members at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._books = BooksRepository(database)
        self._clock = clock

    def reconcile_page(self, after: str | None, limit: int) -> dict[str, Any]:
        """Check one range of members; `next` is the cursor of the next one, None at the end.

        Shows `MOST_DIFFERENCES` differences at most; `found` counts all.
        """
        books = self._books.of_range(after, limit)
        today = brand_day(self._clock.now())
        found = list(differences(books, today, time.time()))
        accounts = books.accounts
        return {
            "totals": totals(books),
            "differences": found[:MOST_DIFFERENCES],
            "found": len(found),
            "next": accounts[-1]["_id"] if len(accounts) == limit else None,
        }
