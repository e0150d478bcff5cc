"""`import orders`: the till's orders and refunds become members, orders, points and tiers."""

from __future__ import annotations

import json
import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table as Picture

from cli.imports.cells import clean
from cli.imports.rejects import Rejects
from cli.imports.rows import FIELDS, NEEDED, Rows, columns_of
from cli.imports.sending import SUMS, Sending, print_undo, stopped
from cli.imports.stores import known_stores, store_named
from cli.imports.table import NotATable, open_table
from cli.place import Environment, environment_options


def _mapping(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    columns = columns_of(given, FIELDS, NEEDED)
    if "refund_of" in columns and "order" not in columns:
        raise click.BadParameter("refund_of names an order's number, so order is needed too")
    for part in {"dish", "payment"} & columns.keys():
        if "order" not in columns:
            raise click.BadParameter(f"rows of one {part} each are put together by order: map it")
        if "refund_amount" in columns:
            raise click.BadParameter(f"refund_amount is of an order, and a row is of one {part}")
    if "dish" in columns and "payment" in columns:
        raise click.BadParameter("a row is either of one dish or of one payment; map one of them")
    if "quantity" in columns and "dish" not in columns:
        raise click.BadParameter("quantity says how many of a dish, so dish is needed too")
    return columns


def date_format_option(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    if given is None:
        return None
    try:
        read = datetime.strptime(datetime(2026, 10, 31).strftime(given), given)
        if (read.year, read.month, read.day) != (2026, 10, 31):
            raise ValueError("it leaves out the year, month or day")
    except ValueError as error:
        raise click.BadParameter(f"{error}; write like %d/%m/%Y or %Y-%m-%d %H:%M") from None
    return given


sheet_option = click.option(
    "--sheet", "sheets", multiple=True, metavar="NAME",
    help="A sheet of a workbook; may be given again. Left out: all visible ones with the header.",
)  # fmt: skip


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
    help="Which column holds what: member, paid_at, amount; also order, store, refund_of, status, "
    "refund_amount, dish, quantity, payment, time.",
)  # fmt: skip
@click.option("--amount-unit", type=click.Choice(["yuan", "fen"]), default="yuan",
              show_default=True)  # fmt: skip
@click.option("--date-format", callback=date_format_option,
              help="As Python's strptime: '%d/%m/%Y %H:%M'. Left out: year first.")  # fmt: skip
@click.option("--timezone", "zone", default="Asia/Shanghai", show_default=True, callback=_zone,
              help="Of moments that name none.")  # fmt: skip
@click.option("--store", help="The store (id or name) of rows that name none.")
@click.option("--create-store", is_flag=True, help="Make the store that --store names.")
@click.option("--sold", multiple=True, metavar="STATUS",
              help="A status that means sold, besides usual ones; may be given again.")  # fmt: skip
@click.option("--delimiter", callback=_delimiter,
              help="One character, tab or spaces. Left out: what fits the header.")  # fmt: skip
@click.option("--encoding", type=click.Choice(["utf-8", "gbk"]), help="Left out: told by the text.")
@sheet_option
@click.option("--rejects", "rejects_path", type=click.Path(dir_okay=False, path_type=Path),
              help="Where rejected rows go (default: FILE.rejects.csv).")  # fmt: skip
@click.option("--no-points", is_flag=True,
              help="Orders earn nothing: for a chain that brings balances in apart.")  # fmt: skip
@click.option(
    "--without-member",
    type=click.Choice(["keep", "reject"]),
    default="reject",
    show_default=True,
    help="Orders of walk-ins and masked numbers: kept, they are revenue without a guest.",
)
@click.option("--dry-run", is_flag=True, help="Check every row, write none.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@environment_options
def orders(
    file: Path, columns: dict[str, str], amount_unit: str, date_format: str | None, zone: ZoneInfo,
    store: str | None, delimiter: str | None, encoding: str | None,
    rejects_path: Path | None, no_points: bool, dry_run: bool, as_json: bool,
    environment: Environment, sheets: tuple[str, ...] = (), create_store: bool = False,
    sold: tuple[str, ...] = (), without_member: str = "reject",
) -> None:  # fmt: skip
    """Import the orders in FILE: csv, tsv, columns apart by spaces, or xlsx; UTF-8 or GBK.

    Each row becomes an order of channel "import", paid at its moment, of the member with that
    number at the till (made if unknown), with points by today's rate and the tier of today; no
    coupons, no messages. A date alone is a business day; map time if it has its own column. Points
    expire as those of their day do; what went in with --no-points earns nothing later either.

    \b
    scripts/huitou import orders till.csv --map member=会员号,paid_at=支付时间,amount=实付
    scripts/huitou import orders till.xlsx --map member=card,paid_at=time,amount=total,order=no \\
        --map store=shop,refund_of=original --dry-run

    A file with one row per dish: map dish (and quantity) too, and the rows of one order number
    become its lines; its amount is their sum. One row per payment: map payment. A status
    column: map status, and only what was sold goes in; an order that is in already, and since was
    refunded or cancelled, is given back, once. Map refund_amount (how much of an order went back)
    for those that went back in part.
    Of a workbook all visible sheets with these columns are read.

    Run it again, or on a longer file, and only what is missing goes in: an order's id is its
    store and number, or without numbers what the row says and how many rows before it said the
    same; so keep to one mapping. A file that a spreadsheet has saved again, without seconds, is
    recognised, and so are numbers with their day before them. An amount of 0 is an order that
    doesn't count; a negative one gives back (part of) the order that refund_of names, or else the
    order of its own number.

    With --without-member keep, orders of walk-ins and masked numbers are revenue of their store
    without a guest: no points, and no visit that repurchase counts.

    Rows that can't go in (sums, walk-ins, masked numbers, …) are written with line, field and
    reason to the rejects file, and the exit code is 1 (3 if the import stopped halfway): mend
    them in FILE itself and run it again. A dry run shows the first rows as understood, totals per
    month and store, and what looks odd. It can't see numbers that FILE itself uses twice, nor
    what its own refunds would add up to.
    """
    started = time.monotonic()
    try:
        table = open_table(file, list(columns.values()), delimiter, encoding, sheets)
    except NotATable as error:
        raise click.ClickException(f"{file}: {error}") from None
    path = rejects_path or file.with_name(file.name + ".rejects.csv")
    rejects = Rejects(path, file, table.columns, keeps=dry_run)
    console = Console(stderr=True)
    console.print(f"{file.name}: {table.described}", highlight=False)
    with environment.open() as cloud, rejects:
        stores = known_stores(cloud)
        store_id = store_named(cloud, stores, store, create=create_store, dry_run=dry_run)
        rows = Rows(columns, amount_unit, date_format, zone, stores, store_id)
        rows.sold, rows.keeps_without_member = _words(sold, columns), without_member == "keep"
        run = Sending(cloud, rows, rejects, file=file.name, dry_run=dry_run,
                      earn_points=not no_points)  # fmt: skip
        try:
            again = open_table(file, list(columns.values()), delimiter, encoding, sheets)
            run.sample(again)
            _warn(console, run.warnings)
            _warn(console, run.all(table, console))
        except NotATable as error:
            raise stopped(str(error)) from None
    if not dry_run and run.sums["imported"] + run.sums["refunded"]:
        print_undo(console, run.import_id)
    result = _result(run, rejects, started, dry_run=dry_run)
    _tell(result, rejects, run, as_json=as_json)
    sys.exit(1 if rejects.count else 0)


def _tell(result: dict[str, Any], rejects: Rejects, run: Sending, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print(result, rejects, run)


def _words(sold: tuple[str, ...], columns: dict[str, str]) -> frozenset[str]:
    """Return the status words that the user calls sold, in the spelling they are compared in."""
    if sold and "status" not in columns:
        raise click.BadParameter("map the status column too: status=COLUMN", param_hint="--sold")
    return frozenset(clean(word).lower() for text in sold for word in re.split("[,，]", text))


def _warn(console: Console, warnings: list[str]) -> None:
    for warning in warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False, highlight=False,
                      soft_wrap=True)  # fmt: skip


def _result(run: Sending, rejects: Rejects, stopwatch: float, *, dry_run: bool) -> dict[str, Any]:
    """Say what became of the file; what there is none of is left out below the first dozen."""
    reading = run.reading
    result: dict[str, Any] = {
        **{name: run.sums[name] for name in ("rows", *SUMS)},
        "rejected": rejects.count,
        "amount_fen": run.sums["amount_fen"],
        "first_day": reading.first_day or None,
        "last_day": reading.last_day or None,
        "rejects_file": str(rejects.path) if rejects.count else None,
        "dry_run": dry_run,
        "seconds": round(time.monotonic() - stopwatch, 1),
    }
    if run.sums["without_member"]:
        result["without_member"] = run.sums["without_member"]
    if reading.not_sold:
        result["not_sold"] = dict(reading.not_sold.most_common())
    if run.warnings:
        result["warnings"] = run.warnings
    if dry_run:
        del result["members"]  # Each batch forgot the last one's.
        result["preview"] = reading.preview.result()
    return result


def _print(result: dict[str, Any], rejects: Rejects, run: Sending) -> None:
    console = Console()
    if result["dry_run"]:
        run.reading.preview.print(console)
    picture = Picture(show_header=False)
    words = {"rows": "rows", "imported": "orders imported", "refunded": "refunds imported",
             "without_member": "without member", "unchanged": "there already",
             "members": "new members", "rejected": "rejected", "seconds": "seconds"}  # fmt: skip
    for name, title in words.items():
        if name in result:
            picture.add_row(title, f"{result[name]:,}")
    for status, count in result.get("not_sold", {}).items():
        picture.add_row(f"not sold: {status}", f"{count:,}")
    if result["first_day"]:
        picture.add_row("sum of the good rows", f"¥{result['amount_fen'] / 100:,.2f}")
        picture.add_row("from … to", f"{result['first_day']} … {result['last_day']}")
    console.print(picture)
    if result["dry_run"]:
        console.print("dry run: nothing was written")
    for line, name, reason in rejects.first:
        console.print(f"line {line}: {name}: {reason}", markup=False, highlight=False)
    if rejects.count:
        console.print(f"rejected rows: {result['rejects_file']}", style="bold red", soft_wrap=True)
