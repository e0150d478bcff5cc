"""`import balances`: points and tiers that members had in another system, with their days."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table as Picture

from cli.imports.amounts import points_of
from cli.imports.cells import BadRow, clean
from cli.imports.dates import guessed
from cli.imports.orders import date_format_option, sheet_option
from cli.imports.people import LONGEST, is_nothing, member_number
from cli.imports.rejects import MOST_SHOWN, Rejects
from cli.imports.rows import columns_of
from cli.imports.sending import LONGEST_NAME, answered, new_import_id, print_undo, stopped
from cli.imports.table import NotATable, Row, open_table
from cli.place import Environment, Place, environment_options
from huitou.operations.imports.balance_models import MOST_LOTS, MOST_POINTS, MOST_ROWS
from huitou.operations.imports.balance_rules import LATEST_YEAR
from localcloud.client import LocalCloudClient

FIELDS = ("member", "points", "expires_on", "tier", "tier_review", "tier_since")
NEEDED = FIELDS[:2]
SUMS = ("imported", "unchanged", "points", "members", "tiers")
# "For ever", as other systems write it; so do days behind the last one that is kept.
_NEVER = {
    "永久", "永久有效", "永远", "永远有效", "长期", "长期有效", "不过期", "永不过期", "无限期",
    "无期限", "不限", "不限期", "终身", "终身有效", "never", "forever", "permanent", "unlimited",
    "lifetime",
}  # fmt: skip
_NO_DAY = re.compile(r"0000\D?00\D?00(?:\D.*)?")
LAST_DAY = f"{LATEST_YEAR}-12-31"


def _mapping(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    columns = columns_of(given, FIELDS, NEEDED)
    if ("tier" in columns) != ("tier_review" in columns):
        raise click.BadParameter("tier and tier_review (the day of its review) go together")
    return columns


@dataclass
class Member:
    """One member's rows: each is a lot, and all of them tell the same tier."""

    rows: list[Row] = field(default_factory=list)
    lots: list[dict[str, Any]] = field(default_factory=list)
    tier: dict[str, str] = field(default_factory=dict)
    fault: tuple[Row, str, str] | None = None
    spellings: set[str] = field(default_factory=set)


@dataclass
class Reader:
    """How a file's cells are to be read; `levels` are ids by id and by name."""

    columns: Mapping[str, str]
    date_format: str | None
    levels: Mapping[str, str]

    def add(self, member: Member, row: Row) -> None:
        """Take one row of a member in; raises BadRow."""
        member.rows.append(row)
        points = points_of(row.cells[self.columns["points"]], MOST_POINTS)
        expires_on = self._day(row, "expires_on")
        if points:
            member.lots.append({"points": points, "expires_on": expires_on})
        if len(member.lots) > MOST_LOTS:
            raise BadRow("member", f"more than {MOST_LOTS} rows")
        told = self._tier(row)
        if told and member.tier not in ({}, told):
            raise BadRow("tier", "not what an earlier row of this member says")
        member.tier = told or member.tier

    def _tier(self, row: Row) -> dict[str, str]:
        named = clean(row.cells[self.columns["tier"]]) if "tier" in self.columns else ""
        if not named:
            return {}
        if named not in self.levels:
            raise BadRow("tier", f"no such level: {named}; there are: {', '.join(self.levels)}")
        told = {"tier": self.levels[named]}
        for name in ("tier_review", "tier_since"):
            day = self._day(row, name)
            if day is not None:
                told["tier_review_on" if name == "tier_review" else name] = day
        if "tier_review_on" not in told:
            raise BadRow("tier_review", "there is none")
        return told

    def _day(self, row: Row, name: str) -> str | None:
        if name not in self.columns:
            return None
        cell = row.cells[self.columns[name]]
        text = clean(cell)
        if is_nothing(text) or text.lower() in _NEVER or _NO_DAY.fullmatch(text):
            return None
        try:
            if isinstance(cell, date):
                found = cell
            elif self.date_format:
                found = datetime.strptime(text, self.date_format)
            else:
                found = guessed(text)
        except (ValueError, OverflowError):
            raise BadRow(name, f"not a date like 2027-12-31: {text[:LONGEST]}") from None
        day = (found.date() if isinstance(found, datetime) else found).isoformat()
        if day <= LAST_DAY or name == "tier_since":
            return day
        # 9999-12-31 is how other systems write "never"; a tier's review has a day all the same.
        return None if name == "expires_on" else LAST_DAY


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map", "columns", multiple=True, required=True, callback=_mapping,
    metavar="FIELD=COLUMN,…",
    help="Which column holds what: member, points; also expires_on, tier, tier_review, tier_since.",
)  # fmt: skip
@click.option("--source", required=True, metavar="NAME",
              help="The system they come from: letters, digits, - and _.")  # fmt: skip
@click.option("--date-format", callback=date_format_option,
              help="As Python's strptime: '%d/%m/%Y'. Left out: year first.")  # fmt: skip
@click.option("--delimiter", help="One character. Left out: what fits the header.")
@click.option("--encoding", type=click.Choice(["utf-8", "gbk"]), help="Left out: told by the text.")
@sheet_option
@click.option("--rejects", "rejects_path", type=click.Path(dir_okay=False, path_type=Path),
              help="Where rejected rows go (default: FILE.rejects.csv).")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Check every row, write none.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
@environment_options
def balances(
    file: Path,
    columns: dict[str, str],
    source: str,
    date_format: str | None,
    delimiter: str | None,
    encoding: str | None,
    rejects_path: Path | None,
    dry_run: bool,
    as_json: bool,
    environment: Environment,
    sheets: tuple[str, ...] = (),
) -> None:
    """Import the balances in FILE: csv, tsv, columns apart by spaces, or xlsx; UTF-8 or GBK.

    Several rows of one member are the lots of one balance, each with its last day (expires_on,
    that day included; empty or 永久: never). A tier comes with the day of its review; who stands
    higher here stays there. Members are found, or made, by their number at the till.

    \b
    scripts/huitou import balances old.csv --source oldcrm \\
        --map member=会员号,points=积分,expires_on=有效期,tier=等级,tier_review=等级有效期

    Phones are one member in every spelling; sums, walk-ins and masked numbers are rejected; days
    behind 2100 (9999-12-31) mean never. A dry run shows the first members as understood.

    Run it again and what is in stays as it is; a balance whose rows have changed since is
    rejected, as is one with a row that has expired or can't be read: all rows of that member are
    written to the rejects file, and the exit code is 1 (3 if the import stopped halfway).
    `import undo` takes it back.
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
    sums: Counter[str] = Counter()
    with environment.open() as cloud, rejects:
        reader = Reader(columns, date_format, _levels(cloud) if "tier" in columns else {})
        try:
            members = _read(reader, table.rows, sums, rejects)
        except NotATable as error:
            raise stopped(str(error)) from None
        told = {
            "source": source,
            "dry_run": dry_run,
            "import_id": new_import_id(),
            "file": file.name[:LONGEST_NAME],
        }
        _send(cloud, members, sums, rejects, console, told)
    if not dry_run and sums["imported"] + sums["tiers"]:
        print_undo(console, str(told["import_id"]))
    result = _result(sums, rejects, time.monotonic() - started, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        if dry_run:
            _preview(members)
        _print(result, rejects)
    sys.exit(1 if rejects.count else 0)


def _result(
    sums: Counter[str], rejects: Rejects, seconds: float, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "rows": sums["rows"],
        **{name: sums[name] for name in SUMS},
        "rejected": rejects.count,
        "rejects_file": str(rejects.path) if rejects.count else None,
        "dry_run": dry_run,
        "seconds": round(seconds, 1),
    }


def _levels(cloud: Place) -> dict[str, str]:
    answer = cloud.internal_call("tier-evaluate", {"action": "rules"})
    levels = answer["data"]["rules"]["levels"]
    return {clean(level[name]): level["level"] for name in ("name", "level") for level in levels}


def _read(
    reader: Reader, rows: Iterator[Row], sums: Counter[str], rejects: Rejects
) -> dict[str, Member]:
    """Gather rows by member; the whole file, since a member's may stand anywhere in it."""
    members: dict[str, Member] = {}
    for row in rows:
        sums["rows"] += 1
        try:
            if row.fault:
                raise BadRow("row", row.fault)
            number, formerly = member_number(row.cells[reader.columns["member"]])
        except BadRow as bad:
            rejects.add(row, bad.field, bad.reason)
            continue
        member = members.setdefault(number, Member())
        member.spellings.add(formerly or number)
        try:
            reader.add(member, row)
        except BadRow as bad:
            member.fault = member.fault or (row, bad.field, bad.reason)
    return members


def _send(
    cloud: Place,
    members: Mapping[str, Member],
    sums: Counter[str],
    rejects: Rejects,
    console: Console,
    told: dict[str, Any],
) -> None:
    """Send balances in batches; one with a bad row stays out as a whole, to go in when mended."""
    good = []
    for number, member in members.items():
        if member.fault is None:
            good.append((number, member))
            continue
        bad, name, reason = member.fault
        for row in member.rows:
            if row is bad:
                rejects.add(row, name, reason)
            else:
                rejects.add(row, "member", f"see line {bad.place}")
    if good and not told["dry_run"] and isinstance(cloud, LocalCloudClient):
        cloud.control("mark", sample=False)  # The demo must not wipe it any more.
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*shown, console=console) as progress:
        task = progress.add_task("members", total=len(good))
        for start in range(0, len(good), MOST_ROWS):
            batch = good[start : start + MOST_ROWS]
            rows = [
                {
                    "line": line,
                    "id": n,
                    "member": n,
                    "lots": m.lots,
                    **m.tier,
                    "formerly": sorted(m.spellings - {n}),
                    "is_mixed": len(m.spellings) > 1,
                }
                for line, (n, m) in enumerate(batch, start=1)
            ]
            report = answered(
                cloud, {"action": "import_balances", "lang": "en", "rows": rows, **told}
            )
            for name in SUMS:
                sums[name] += report[name]
            for reject in report["rejects"]:
                for row in batch[reject["line"] - 1][1].rows:
                    rejects.add(row, reject["field"], reject["reason"])
            progress.update(task, advance=len(batch))


def _preview(members: Mapping[str, Member]) -> None:
    """Show the first members as understood, and what ends in each year."""
    good = {number: member for number, member in members.items() if member.fault is None}
    picture = Picture(
        "line", "member", "points", "last days", "tier", title="the first members, as understood"
    )
    for number, member in islice(good.items(), MOST_SHOWN):
        points = sum(lot["points"] for lot in member.lots)
        days = sorted({lot["expires_on"] or "never" for lot in member.lots})
        picture.add_row(
            member.rows[0].place,
            number,
            f"{points:,}",
            ", ".join(days[:3]),
            member.tier.get("tier", ""),
        )
    years: Counter[str] = Counter()
    for member in good.values():
        for lot in member.lots:
            day = lot["expires_on"]
            years[day[:4] if day else "never"] += lot["points"]
    ends = Picture("last day in", "points", title="totals")
    for year, points in sorted(years.items()):
        ends.add_row(year, f"{points:,}")
    console = Console()
    console.print(picture)
    console.print(ends)


def _print(result: dict[str, Any], rejects: Rejects) -> None:
    console = Console()
    picture = Picture(show_header=False)
    words = {
        "rows": "rows",
        "imported": "balances imported",
        "points": "points",
        "unchanged": "there already",
        "members": "new members",
        "tiers": "tiers brought in",
        "rejected": "rejected rows",
        "seconds": "seconds",
    }
    for name, title in words.items():
        picture.add_row(title, f"{result[name]:,}")
    console.print(picture)
    if result["dry_run"]:
        console.print("dry run: nothing was written")
    for line, name, reason in rejects.first:
        console.print(f"line {line}: {name}: {reason}", markup=False, highlight=False)
    if rejects.count:
        console.print(f"rejected rows: {result['rejects_file']}", style="bold red", soft_wrap=True)
