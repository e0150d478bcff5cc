"""Send a file's orders to `maintenance` in batches; refunds last: they must find their orders."""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.imports.cells import BadRow, Row, Table
from cli.imports.dishes import Dishes
from cli.imports.hints import Hints
from cli.imports.preview import net_fen
from cli.imports.reading import Entry, Normal, Reading
from cli.imports.rejects import Rejects
from cli.imports.repeats import Repeats
from cli.imports.rows import NotSold, Rows
from cli.place import Place
from huitou.runtime.errors import Unavailable
from localcloud.client import LocalCloudClient

AT_ONCE = 1_000  # Orders of one call.
MOST_LINES_AT_ONCE = 2_500  # Lines of one call, so that it stays well under a megabyte.
MOST_TRIES = 7
# Of orders with several dishes: so many with the same amount in each row are no chance.
FEWEST_SAME, SAME_PART, ENOUGH_ORDERS = 2, 0.95, 15
LONGEST_NAME = 200  # Of a file.
STOPPED = 3  # Exit code of an import that did not come to its end.
SUMS = ("imported", "refunded", "unchanged", "members")

_AGAIN = "\nRun it again: what is in already stays as it is."


class Sending:
    """One import's way through its file; `sums` says what became of the rows."""

    def __init__(
        self,
        cloud: Place,
        rows: Rows,
        rejects: Rejects,
        *,
        file: str,
        dry_run: bool,
        earn_points: bool,
    ) -> None:
        self.import_id = new_import_id()
        self._file = file[:LONGEST_NAME]
        self.warnings: list[str] = []
        self.reading = Reading(rows, rejects, repeats=Repeats(rows.columns))
        self.sums = self.reading.sums
        self._cloud, self._rows, self._rejects, self._dry_run = cloud, rows, rejects, dry_run
        self._earn_points = earn_points
        self._numbers: set[tuple[str | None, str]] = set()

    def sample(self, table: Table) -> None:
        """Try rows from all over the file, writing none: the server refuses another mapping.

        Newest first, a file's first thousand rows may all be new, and the mapping yet wrong.
        Columns that were overlooked are noted in `warnings`; a file with one row per dish that
        is read as one row per order is stopped here.
        """
        every = 1 if self._rows.adds_up else max(1, table.lines // AT_ONCE)
        hints = Hints(self._rows.columns)
        tried = []
        for number, row in enumerate(table.rows):
            if not self._rows.adds_up:
                self.reading.repeats.look_at(row)
            if number >= AT_ONCE * every:
                if self._rows.adds_up or "order" not in self._rows.columns:
                    break
                continue
            hints.look_at(row.cells)
            if number % every == 0 and not row.fault:
                tried.append(row)
        self.warnings = hints.warnings()
        if hints.has_several_rows_an_order:
            raise stopped(
                "many rows have the number, member and time of the row before them, so this file "
                "has one row per dish or payment; nothing is written.\nSay which columns hold the "
                "dish and how many of it, and their amounts are added up: --map dish=COLUMN,"
                "quantity=COLUMN. For payments of one order: --map payment=COLUMN"
            )
        rows = replace(self._rows, seen=Counter())
        orders = [
            one for one in _tried(rows, tried) if "refund_of" not in one and "if_known" not in one
        ]
        self._stop_if_each_row_has_the_orders_amount(orders)
        if orders:
            numbered = [{**one, "line": line} for line, one in enumerate(orders[:AT_ONCE], start=1)]
            self._answer(
                {"action": "import_orders", "lang": "en", "dry_run": True, "rows": numbered}
            )

    def all(self, table: Table, console: Console) -> list[str]:
        """Send every row of the table; returns the warnings that only the whole file gives."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            what = "checking" if self._dry_run else "importing"
            task = progress.add_task(what, total=max(0, table.lines - 1) or None)
            orders: list[Entry] = []
            refunds: list[Entry] = []
            back: list[Entry] = []
            lines = 0
            for rows, normal in self.reading.entries(table.rows):
                progress.update(task, completed=self.sums["rows"])
                if normal.get("refund_of") is not None:
                    refunds.append((rows, normal))
                    continue
                if "if_known" in normal:
                    back.append((rows, normal))
                    continue
                lines += len(normal.get("lines", ()))
                if orders and lines > MOST_LINES_AT_ONCE:
                    self._send_orders(orders)
                    orders, lines = [], len(normal["lines"])
                orders.append((rows, normal))
                if len(orders) == AT_ONCE:
                    self._send_orders(orders)
                    orders, lines = [], 0
            self._send_orders(orders)
            # Only now it is known how many rows that were sold say the same.
            counts = self._rows.counted
            refunds = [(rows, counts(n) if "if_known" in n else n) for rows, n in refunds]
            refunds += [(rows, counts(normal)) for rows, normal in back]
            refunds = [entry for entry in refunds if not self._is_foreseen(entry[1])]
            for start in range(0, len(refunds), AT_ONCE):
                self._send(refunds[start : start + AT_ONCE])
            progress.update(task, total=self.sums["rows"], completed=self.sums["rows"])
        if not self.reading.twice:
            return []
        found = f"{self.reading.twice:,} rows say in every column what another row says: taken once"
        self.warnings.append(found)
        return [found]

    def _is_foreseen(self, normal: Normal) -> bool:
        """In a dry run: whether a refund's order is in the file, though not in the database."""
        of = normal.get("store"), normal.get("refund_of")
        if not self._dry_run or of not in self._numbers:
            return False
        self.sums["refunded"] += 1
        return True

    def _send_orders(self, orders: list[Entry]) -> None:
        if self._dry_run:
            self._numbers |= {(n.get("store"), n["order"]) for _, n in orders if "order" in n}
        if not self.sums["sent"] and orders:
            self._stop_if_days_look_like_moments(orders)
            if not self._dry_run and isinstance(self._cloud, LocalCloudClient):
                self._cloud.control("mark", sample=False)  # The demo must not wipe it any more.
        self.sums["sent"] += len(orders)
        self._send(orders)

    def _stop_if_each_row_has_the_orders_amount(self, orders: list[Normal]) -> None:
        """An order's amount that stands beside each of its dishes would be added up many times."""
        lines = [one["lines"] for one in orders if len(one.get("lines", ())) > 1]
        amounts = [{line["amount_fen"] for line in of_order} for of_order in lines]
        same = [next(iter(of_order)) for of_order in amounts if len(of_order) == 1]
        if len(same) < max(FEWEST_SAME, SAME_PART * len(lines)):
            return
        what = "all dishes of an order have the same amount"
        hint = "if it is the order's, it is added up once for each dish: map the dish's own amount"
        # Where all dishes have one price, all orders have that amount in each row.
        if len(lines) >= ENOUGH_ORDERS and len(set(same)) > FEWEST_SAME:
            raise stopped(f"{what}; nothing is written.\nMost likely it is the order's; {hint}")
        self.warnings.append(f"{what}; {hint}")

    def _stop_if_days_look_like_moments(self, orders: list[Entry]) -> None:
        """A day that an export wrote as 00:00:00 would count for the business day before."""
        if self._rows.date_format:
            return
        if all(self._rows.is_midnight(normal) for _, normal in orders):
            raise stopped(
                "every time is 00:00:00, which belongs to the business day before; nothing is "
                "written.\nIf these are days: --date-format '%Y-%m-%d 00:00:00' (in a workbook "
                "%Y-%m-%d). If they are moments: --date-format '%Y-%m-%d %H:%M:%S'."
            )

    def _send(self, batch: list[Entry]) -> None:
        if not batch:
            return
        event = {
            "action": "import_orders",
            "lang": "en",
            "dry_run": self._dry_run,
            "earn_points": self._earn_points,
            "import_id": self.import_id,
            "file": self._file,
            "rows": [
                {
                    **{name: value for name, value in normal.items() if name != "status"},
                    "line": line,
                }
                for line, (_, normal) in enumerate(batch, start=1)
            ],
        }
        report = self._answer(event)
        for name in SUMS:
            self.sums[name] += report[name]
        for reject in report["rejects"]:
            rows, normal = batch[reject["line"] - 1]
            self.sums["amount_fen"] -= net_fen(normal)
            name, reason = reject["field"], reject["reason"]
            if name == "refund_of" and normal.get("refund_of") == normal.get("order"):
                name, reason = "amount", f"negative, and under its own number: {reason}"
            for row in rows:
                self._rejects.add(row, name, reason)

        for line in report["left_out"]:
            rows, normal = batch[line - 1]
            self.sums["amount_fen"] -= net_fen(normal)
            self.reading.leave_out(normal["status"], len(rows))

    def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        return answered(self._cloud, event)


def new_import_id() -> str:
    """Return an id for one run of an import, by which it can be taken back."""
    return f"i{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def print_undo(console: Console, import_id: str) -> None:
    """Tell how to take an import back."""
    undo = f"scripts/huitou import undo {import_id}"
    console.print(f"to take it back: {undo}", highlight=False, soft_wrap=True)


def _tried(rows: Rows, sample: Iterable[Row]) -> Iterator[Normal]:
    """Yield what can be read of a sample."""
    if rows.adds_up:
        dishes = Dishes(rows)
        for row in sample:
            with suppress(BadRow, NotSold):
                dishes.add(row)
        for _, order in dishes.orders():
            if isinstance(order, dict):
                order.pop("dropped", None)
                yield order
        return
    for row in sample:
        with suppress(BadRow, NotSold):
            yield rows.read(row.line, row.cells)


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
