"""`points`: a member's statement, and what all members are owed."""

from __future__ import annotations

import csv
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.place import Environment, Place, environment_options, member_behind
from huitou.catalog.stores.models import BRAND_ZONE
from huitou.loyalty.points.models import NEVER

MOST_PAGES = 100_000
MOST_TRIES = 100  # Each call closes at least one month.
_HEADER = ("number", "at", "kind", "what", "points", "debt", "balance", "order_id", "lots", "rules",
           "actor", "reason", "approved_by", "entry_id")  # fmt: skip
_TYPED = ("actor", "reason", "approved_by")
_SUMS = {"issued": "issued", "used": "used", "expired": "expired", "clawed_back": "clawed back",
         "taken": "taken"}  # fmt: skip


@click.group()
def points() -> None:
    """Points: one member's statement, and what the chain owes all of them.

    \b
    scripts/huitou points statement MEMBER
    scripts/huitou points statement --as alice --csv alice.csv
    scripts/huitou points liability --as-of 2026-04-30
    """


@points.command()
@click.argument("member_id", metavar="MEMBER", required=False)
@click.option("--as", "openid", metavar="OPENID",
              help="The member behind this OpenID (local cloud only).")  # fmt: skip
@click.option("--csv", "csv_path", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the statement to this file, too.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def statement(
    member_id: str | None,
    openid: str | None,
    csv_path: Path | None,
    as_json: bool,
    environment: Environment,
) -> None:
    """Show every movement of MEMBER's points, oldest first, and what is left.

    Each movement has the balance after it, its reason, and its lots with their last day. Below are
    the points that can be spent, that are set aside for orders, that are pending and until when,
    that are owed, and that expire and when.
    """
    if (member_id is None) == (openid is None):
        raise click.UsageError("say either MEMBER (an id) or --as OPENID")
    with environment.open() as place:
        answer = whole_statement(place, member_id or member_behind(place, str(openid)))
    if csv_path is not None:
        _write_csv(csv_path, answer["entries"])
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        _print_statement(answer)
    if csv_path is not None:
        click.echo(f"written: {csv_path}", err=True)


@points.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
              help="The end of this day (default: now).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def liability(as_of: datetime | None, as_json: bool, environment: Environment) -> None:
    """Show what the chain owes in points: by month and in total, in points and in money.

    issued = used + expired + clawed back + taken by staff + outstanding, in each month and in
    total. A movement belongs to the month in which it was booked; a past month never changes. Test
    orders are shown separately. Exit code 1 if anything doesn't add up.
    """
    with environment.open() as place:
        answer = liability_report(place, as_of.date().isoformat() if as_of else None)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        _print_liability(answer)
    sys.exit(0 if answer["agrees"] else 1)


def whole_statement(place: Place, member_id: str) -> dict[str, Any]:
    """Fetch all pages of a statement; the last page says what the account holds."""
    entries: list[dict[str, Any]] = []
    after = 0
    for _ in range(MOST_PAGES):
        page = _ask(place, {"action": "statement", "member_id": member_id, "after": after})
        entries += page["entries"]
        if page["next"] is None:
            break
        after = page["next"]
    del page["next"]
    return page | {"entries": entries}


def liability_report(place: Place, as_of: str | None) -> dict[str, Any]:
    """Ask for the report repeatedly until all its months are counted."""
    for _ in range(MOST_TRIES):
        answer = _ask(place, {"action": "liability", **({"as_of": as_of} if as_of else {})})
        if not answer.pop("rest"):
            return answer
    raise click.ClickException("there are still months to be counted; run it again")


def _write_csv(path: Path, entries: list[dict[str, Any]]) -> None:
    # Excel needs the byte order mark to show Chinese. Only the file's owner may read it.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        path.chmod(0o600)
        out = csv.writer(file)
        out.writerow(_HEADER)
        for entry in entries:
            cells = {**entry, "lots": _lots(entry), "rules": _rules(entry)}
            cells |= {name: _without_formula(cells.get(name) or "") for name in _TYPED}
            out.writerow([cells.get(name, "") for name in _HEADER])


def _without_formula(typed: str) -> str:
    # A text that staff typed must not become a formula in a spreadsheet.
    return "'" + typed if typed[:1] in ("=", "+", "-", "@", "\t", "\r") else typed


def _lots(entry: dict[str, Any]) -> str:
    return "; ".join(
        f"{_until(lot['expires_on'])}: {lot['points']:+d}"  # A leading sign would be a formula.
        + (f" (pending: {lot['usable']})" if "usable" in lot else "")
        for lot in entry["lots"]
    )


def _rules(entry: dict[str, Any]) -> str:
    named = [f"{rule['rule_id']}@{rule['revision']}" for rule in entry["rules"]]
    return " ".join([f"points@{entry['rules_revision']}", *named])


def _until(day: str) -> str:
    return "never expires" if day == NEVER else f"until {day}"


def _moment(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(ZoneInfo(BRAND_ZONE)):%Y-%m-%d %H:%M}"


def _print_statement(answer: dict[str, Any]) -> None:
    console = Console()
    table = Table("no.", "at", "what for", "points", "balance", "lots", "order, reason")
    for column in table.columns:
        column.overflow = "fold"  # Ids must be complete.
    for number in (3, 4):
        table.columns[number].justify = "right"
    for entry in answer["entries"]:
        debt = f" (owed {entry['debt']:+,})" if "debt" in entry else ""
        why = " ".join(
            entry[name] for name in ("order_id", "reason") if entry.get(name) is not None
        )
        if "approved_by" in entry:
            why += f" (approved by {entry['approved_by']})"
        table.add_row(
            str(entry["number"]),
            _moment(entry["at"]),
            escape(entry["what"]),
            f"{entry['points']:+,}{debt}",
            f"{entry['balance']:,}",
            _lots(entry),
            escape(why),
        )
    console.print(table)
    pending = sum(lot["points"] for lot in answer["pending"])
    rows = Table(show_header=False)
    rows.add_row("available", f"{answer['available']:,}")
    rows.add_row("set aside for orders", f"{answer['reserved']:,}")
    rows.add_row("pending", f"{pending:,}")
    rows.add_row("owed", f"{answer['debt']:,}")
    for lot in answer["pending"]:
        when = "its order is completed" if lot["usable"] == "completed" else lot["usable"]
        rows.add_row(f"  pending till {when}", f"{lot['points']:,} {_until(lot['expires_on'])}")
    for lot in answer["lots"]:
        rows.add_row(f"  {_until(lot['expires_on'])}", f"{lot['points']:,}")
    console.print(rows)


def _print_liability(answer: dict[str, Any]) -> None:
    console = Console()
    table = Table("month", *_SUMS.values(), "outstanding", "in money")
    for column in table.columns:
        column.overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    value_fen = answer["point_value_fen"]
    for month in answer["months"]:
        at_end = month["outstanding_at_end"]
        name = month["month"] + ("" if month["closed"] else " *")
        table.add_row(
            name, *(f"{month[s]:,}" for s in _SUMS), f"{at_end:,}", _yuan(at_end * value_fen)
        )
    total, test = answer["total"], answer["test"]
    table.add_section()
    left = total["outstanding"]
    table.add_row(
        "total",
        *(f"{total[s]:,}" for s in _SUMS),
        f"{left:,}",
        _yuan(left * value_fen),
        style="bold",
    )
    table.add_row("in money", *(_yuan(total[s] * value_fen) for s in _SUMS), "", "")
    if any(test.values()):
        table.add_row(
            "test orders",
            *(f"{test[s]:,}" for s in _SUMS),
            f"{test['outstanding']:,}",
            "not counted",
        )
    console.print(table)
    if not all(month["closed"] for month in answer["months"]):
        console.print("* not closed yet: something may still be booked there")
    rows = Table(show_header=False, title=f"outstanding at the end of {answer['as_of']}")
    parts = {
        "open or set aside": answer["open_points"],
        "pending": answer["pending_points"],
        "owed by members": -answer["owed_points"],
    }
    parts |= {
        f"  of it expires {'in ' * (year != 'never')}{year}": count
        for year, count in answer["by_year"].items()
    }
    for name, count in parts.items():
        rows.add_row(name, f"{count:,}", _yuan(count * value_fen))
    console.print(rows)
    away = sum(total[name] for name in _SUMS if name != "issued")
    sides = f"issued {total['issued']:,} = gone {away:,} + outstanding {left:,}"
    if answer["agrees"]:
        console.print(f"{sides}: it adds up", style="bold green")
    else:
        console.print(f"{sides}: it does NOT add up", style="bold red")


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}¥{abs(fen) / 100:,.2f}"


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("points-sync", event)
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"{error['code']}: {error['message']}")
    return dict(answer["data"])
