"""`import orders`: the till's orders and refunds become members, orders, points and tiers."""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Picture

from cli.imports.rows import FIELDS, NEEDED, BadRow, Rows
from cli.imports.table import NotATable, Row, Table, open_table
from cli.up import data_option
from huitou.runtime.errors import Unavailable
from localcloud.client import LocalCloudClient, connected

AT_ONCE = 1_000  # Rows of one call.
MOST_TRIES = 4
MOST_SHOWN = 10
SUMS = ("imported", "refunded", "unchanged", "members")


def _mapping(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in given:
        for pair in re.split(r",(?=[a-z_]+=)", text):  # Column names may hold commas.
            name, _, column = pair.partition("=")
            if name not in FIELDS or not column.strip():
                raise click.BadParameter(f"{pair!r}; write FIELD=COLUMN, {', '.join(FIELDS)}")
            columns[name] = column.strip()
    if missing := [name for name in NEEDED if name not in columns]:
        raise click.BadParameter(f"also needed: {', '.join(missing)}")
    return columns


def _zone(_: click.Context, __: click.Parameter, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise click.BadParameter(f"no such zone: {name}") from None


def _delimiter(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    named = {"tab": "\t", "\\t": "\t", "space": " ", "spaces": " ", "comma": ","}
    mark = named.get(given, given) if given else None
    if mark is not None and len(mark) != 1:
        raise click.BadParameter("one character, or tab or spaces")
    return mark


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map", "columns", multiple=True, required=True, callback=_mapping,
    metavar="FIELD=COLUMN,…",
    help="Which column holds what: member, paid_at, amount; also order, store, refund_of.",
)  # fmt: skip
@click.option("--amount-unit", type=click.Choice(["yuan", "fen"]), default="yuan",
              show_default=True)  # fmt: skip
@click.option("--date-format", help="As Python's strptime: '%d/%m/%Y %H:%M'. Left out: year first.")
@click.option("--timezone", "zone", default="Asia/Shanghai", show_default=True, callback=_zone,
              help="Of moments that name none.")  # fmt: skip
@click.option("--store", help="The store (id or name) of rows that name none.")
@click.option("--delimiter", callback=_delimiter,
              help="One character, tab or spaces. Left out: what fits the header.")  # fmt: skip
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path),
              help="Where rejected rows go (default: FILE.rejects.csv).")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Check every row, write none.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@data_option
def orders(
    file: Path, columns: dict[str, str], amount_unit: str, date_format: str | None, zone: ZoneInfo,
    store: str | None, delimiter: str | None, rejects: Path | None, dry_run: bool, as_json: bool,
    data_folder: Path,
) -> None:  # fmt: skip
    """Import the orders in FILE: csv, tsv, columns apart by spaces, or xlsx; UTF-8 or GBK.

    Each row becomes an order of channel "import", paid at its moment, of the member with that
    number at the till (made if unknown), with points by today's rate and the tier of today; no
    coupons, no messages. A date without a time is a business day.

    \b
    scripts/huitou import orders till.csv --map member=会员号,paid_at=支付时间,amount=实付
    scripts/huitou import orders till.xlsx --map member=card,paid_at=time,amount=total,order=no \\
        --map store=shop,refund_of=original --dry-run

    Run it again, or on a longer file, and only what is missing goes in: an order's id is its
    store and number, or without numbers what the row says and how many rows before it said the
    same. An amount of 0 is an order that doesn't count; a negative one with refund_of gives back
    (part of) the order of that number. Rows that can't go in are written with line, field and
    reason to the rejects file; the exit code is 1 then. A dry run can't see numbers that FILE
    itself uses twice, nor what its own refunds would add up to.
    """
    started = time.monotonic()
    rejects = rejects or file.with_name(file.name + ".rejects.csv")
    try:
        table = open_table(file, list(columns.values()), delimiter)
    except NotATable as error:
        raise click.ClickException(f"{file}: {error}") from None
    console = Console(stderr=True)
    console.print(f"{file.name}: {table.described}", highlight=False)
    with connected(data_folder) as cloud, _Rejects(rejects, table.columns) as rejected:
        _check_store(cloud, store)
        run = _Import(
            cloud, Rows(columns, amount_unit, date_format, zone, store), rejected, dry_run
        )
        run.all(table, console)
        if not dry_run:
            cloud.control("mark", sample=False)  # From here on the demo must not wipe it.
    result: dict[str, Any] = {
        **{name: run.sums[name] for name in ("rows", *SUMS)},
        "rejected": rejected.count,
        "rejects_file": str(rejects) if rejected.count else None,
        "dry_run": dry_run,
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print(result, rejected)
    sys.exit(1 if rejected.count else 0)


def _check_store(cloud: LocalCloudClient, store: str | None) -> None:
    if store is None:
        return
    answer = cloud.internal_call("store-menu", {"action": "stores"})
    known = {
        word for found in answer["data"]["stores"] for word in (found["store_id"], found["name"])
    }
    if store not in known:
        raise click.BadParameter(
            f"no such store; there are: {', '.join(sorted(known)) or 'none yet'}",
            param_hint="--store",
        )


class _Import:
    """Sends a file's rows in batches; refunds last, so that they find their orders."""

    def __init__(
        self, cloud: LocalCloudClient, rows: Rows, rejected: _Rejects, dry_run: bool
    ) -> None:
        self.sums: Counter[str] = Counter()
        self._cloud, self._rows, self._rejected, self._dry_run = cloud, rows, rejected, dry_run
        self._refunds: list[tuple[Row, dict[str, Any]]] = []

    def all(self, table: Table, console: Console) -> None:
        """Import every row of the table."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   TextColumn("rows"), TimeElapsedColumn())  # fmt: skip
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("checking" if self._dry_run else "importing",
                                     total=max(0, table.lines - 1))  # fmt: skip
            batch: list[tuple[Row, dict[str, Any]]] = []
            for row, normal in self._normal(table.rows):
                progress.update(task, completed=row.line - 1)
                (self._refunds if "refund_of" in normal else batch).append((row, normal))
                if len(batch) == AT_ONCE:
                    self._send(batch)
                    batch = []
            self._send(batch)
            for start in range(0, len(self._refunds), AT_ONCE):
                self._send(self._refunds[start : start + AT_ONCE])
            progress.update(task, completed=max(0, table.lines - 1))

    def _normal(self, rows: Iterator[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
        for row in rows:
            self.sums["rows"] += 1
            if row.fault:
                self._rejected.add(row, "row", row.fault)
                continue
            try:
                yield row, self._rows.read(row.line, row.cells)
            except BadRow as bad:
                self._rejected.add(row, bad.field, bad.reason)

    def _send(self, batch: list[tuple[Row, dict[str, Any]]]) -> None:
        if not batch:
            return
        event = {"action": "import_orders", "lang": "en", "dry_run": self._dry_run,
                 "rows": [normal for _, normal in batch]}  # fmt: skip
        report = self._answer(event)
        for name in SUMS:
            self.sums[name] += report[name]
        rows = {row.line: row for row, _ in batch}
        for reject in report["rejects"]:
            self._rejected.add(rows[reject["line"]], reject["field"], reject["reason"])

    def _answer(self, event: dict[str, Any]) -> dict[str, Any]:
        """Call until it gets through: what went in the first time is found unchanged."""
        problem = ""
        for number in range(MOST_TRIES):
            time.sleep(2**number - 1)
            try:
                answer = self._cloud.internal_call("maintenance", event)
            except Unavailable as unavailable:
                problem = unavailable.detail
                continue
            if answer["ok"]:
                return dict(answer["data"])
            problem = f"{answer['error']['code']} {answer['error']['message']}"
            if answer["error"]["code"] != "UNAVAILABLE":
                break
        sys.exit(f"import stopped: {problem}\nRun it again: what is in already stays as it is.")


class _Rejects:
    """The file of rejected rows, made with the first one; an earlier run's is removed."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.count = 0
        self.first: list[tuple[int, str, str]] = []
        self._path, self._columns = path, columns
        self._file: TextIO | None = None

    def __enter__(self) -> _Rejects:
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, row: Row, name: str, reason: str) -> None:
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append((row.line, name, reason))
        if self._file is None:
            # With a byte order mark, or Excel shows Chinese as noise; for the owner's eyes only.
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            self._path.chmod(0o600)
            csv.writer(self._file).writerow(["line", "field", "reason", *self._columns])
        cells = [str(row.cells.get(column, "")) for column in self._columns]
        csv.writer(self._file).writerow([row.line, name, reason, *cells])


def _print(result: dict[str, Any], rejected: _Rejects) -> None:
    console = Console()
    picture = Picture(show_header=False)
    words = {"members": "new members", "imported": "orders imported",
             "refunded": "refunds imported", "unchanged": "there already"}  # fmt: skip
    for name in ("rows", *SUMS, "rejected"):
        picture.add_row(words.get(name, name), f"{result[name]:,}")
    picture.add_row("seconds", str(result["seconds"]))
    console.print(picture)
    if result["dry_run"]:
        console.print("dry run: nothing was written")
    for line, name, reason in rejected.first:
        console.print(f"line {line}: {name}: {reason}", markup=False, highlight=False)
    if rejected.count:
        console.print(f"rejected rows: {result['rejects_file']}", style="bold red", soft_wrap=True)
