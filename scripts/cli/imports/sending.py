"""Send a file's rows to `maintenance` in batches; refunds last, so that they find their orders."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.imports.rejects import Rejects
from cli.imports.rows import BadRow, Rows
from cli.imports.table import Row, Table
from cli.place import Place
from huitou.runtime.errors import Unavailable
from localcloud.client import LocalCloudClient

AT_ONCE = 1_000  # Rows of one call.
MOST_TRIES = 7
STOPPED = 3  # Exit code of an import that did not come to its end.
SUMS = ("imported", "refunded", "unchanged", "members")

_AGAIN = "\nRun it again: what is in already stays as it is."

Normal = dict[str, Any]


class Sending:
    """One import's way through its file; `sums` says what became of the rows."""

    def __init__(
        self, cloud: Place, rows: Rows, rejects: Rejects, *, dry_run: bool, earn_points: bool
    ) -> None:
        self.sums: Counter[str] = Counter()
        self.first_day, self.last_day = "", ""
        self._cloud, self._rows, self._rejects, self._dry_run = cloud, rows, rejects, dry_run
        self._earn_points = earn_points
        self._numbers: set[tuple[str | None, str]] = set()

    def sample(self, rows: Rows, table: Table) -> None:
        """Try rows from all over the file, writing none: the server refuses another mapping.

        Newest first, a file's first thousand rows may all be new, and the mapping yet wrong.
        """
        every = max(1, table.lines // AT_ONCE)
        normal = []
        for row in islice(table.rows, 0, AT_ONCE * every, every):
            with suppress(BadRow):
                normal.append(rows.read(row.line, row.cells))
        orders = [row for row in normal if "refund_of" not in row]
        if orders:
            self._answer({"action": "import_orders", "lang": "en", "dry_run": True, "rows": orders})

    def all(self, table: Table, console: Console) -> None:
        """Send every row of the table."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   TextColumn("rows"), TimeElapsedColumn())  # fmt: skip
        with Progress(*columns, console=console) as progress:
            what = "checking" if self._dry_run else "importing"
            task = progress.add_task(what, total=max(0, table.lines - 1) or None)
            orders: list[tuple[Row, Normal]] = []
            refunds: list[tuple[Row, Normal]] = []
            for row, normal in self._normal(table.rows):
                progress.update(task, completed=row.line - 1)
                (refunds if "refund_of" in normal else orders).append((row, normal))
                if len(orders) == AT_ONCE:
                    self._send_orders(orders)
                    orders = []
            self._send_orders(orders)
            refunds = [(row, normal) for row, normal in refunds if not self._is_foreseen(normal)]
            for start in range(0, len(refunds), AT_ONCE):
                self._send(refunds[start : start + AT_ONCE])
            progress.update(task, total=self.sums["rows"], completed=self.sums["rows"])

    def _normal(self, rows: Iterator[Row]) -> Iterator[tuple[Row, Normal]]:
        for row in rows:
            self.sums["rows"] += 1
            if row.fault:
                self._rejects.add(row, "row", row.fault)
                continue
            try:
                normal = self._rows.read(row.line, row.cells)
            except BadRow as bad:
                self._rejects.add(row, bad.field, bad.reason)
                continue
            day = self._rows.day_of(normal)
            self.first_day = min(self.first_day or day, day)
            self.last_day = max(self.last_day, day)
            self.sums["amount_fen"] += normal["amount_fen"]
            yield row, normal

    def _is_foreseen(self, normal: Normal) -> bool:
        """In a dry run: whether a refund's order is in the file, though not in the database."""
        if not self._dry_run or (normal.get("store"), normal["refund_of"]) not in self._numbers:
            return False
        self.sums["refunded"] += 1
        return True

    def _send_orders(self, orders: list[tuple[Row, Normal]]) -> None:
        if self._dry_run:
            self._numbers |= {(n.get("store"), n["order"]) for _, n in orders if "order" in n}
        if not self.sums["sent"] and orders:
            self._stop_if_days_look_like_moments(orders)
            if not self._dry_run and isinstance(self._cloud, LocalCloudClient):
                self._cloud.control("mark", sample=False)  # The demo must not wipe it any more.
        self.sums["sent"] += len(orders)
        self._send(orders)

    def _stop_if_days_look_like_moments(self, orders: list[tuple[Row, Normal]]) -> None:
        """A day that an export wrote as 00:00:00 would count for the business day before."""
        if self._rows.date_format:
            return
        if all(self._rows.is_midnight(normal) for _, normal in orders):
            raise stopped(
                "every time is 00:00:00, which belongs to the business day before; nothing is "
                "written.\nIf these are days: --date-format '%Y-%m-%d 00:00:00' (in a workbook "
                "%Y-%m-%d). If they are moments: --date-format '%Y-%m-%d %H:%M:%S'."
            )

    def _send(self, batch: list[tuple[Row, Normal]]) -> None:
        if not batch:
            return
        event = {"action": "import_orders", "lang": "en", "dry_run": self._dry_run,
                 "earn_points": self._earn_points,
                 "rows": [{**normal, "line": line}
                          for line, (_, normal) in enumerate(batch, start=1)]}  # fmt: skip
        report = self._answer(event)
        for name in SUMS:
            self.sums[name] += report[name]
        for reject in report["rejects"]:
            row, normal = batch[reject["line"] - 1]
            self.sums["amount_fen"] -= normal["amount_fen"]
            self._rejects.add(row, reject["field"], reject["reason"])

    def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        return answered(self._cloud, event)


def answered(cloud: Place, event: dict[str, Any]) -> dict[str, Any]:
    """Call until it gets through: what went in the first time is found unchanged."""
    problem = ""
    for number in range(MOST_TRIES):
        if number:
            time.sleep(random.uniform(0.5, 1) * min(8, 2**number))
        try:
            answer = cloud.internal_call("maintenance", event)
        except Unavailable as unavailable:
            problem = f"{unavailable.detail}{_AGAIN}"
            continue
        if answer["ok"]:
            return dict(answer["data"])
        problem = f"{answer['error']['code']} {answer['error']['message']}"
        if answer["error"]["code"] != "UNAVAILABLE":
            break
        problem += _AGAIN
    raise stopped(problem)


def stopped(why: str) -> SystemExit:
    print(f"import stopped: {why}", file=sys.stderr)
    return SystemExit(STOPPED)
