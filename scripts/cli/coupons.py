"""`coupons`: write batches of codes to a file, count them and revoke them."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.place import Environment, Place, environment_options

PAGE = 20_000
_HEADER = ["number", "code"]


@click.group()
def coupons() -> None:
    """Coupons: codes for flyers and partners.

    \b
    scripts/huitou coupons codes --template welcome-20-5 --batch spring --count 1000000 --out c.csv
    scripts/huitou coupons batches
    scripts/huitou coupons revoke-batch spring --actor ann

    A member types a code into the mini-program and has its coupon; each code works once. Codes have
    no letters that look alike, and a check letter that catches typing errors.
    """


@coupons.command()
@click.option("--template", required=True, metavar="ID", help="The coupon that a code brings.")
@click.option("--batch", required=True, metavar="NAME", help="The batch's unique name.")
@click.option("--count", required=True, type=click.IntRange(1, 5_000_000), help="How many codes.")
@click.option("--out", "path", required=True, metavar="FILE", help="The CSV to write.",
              type=click.Path(dir_okay=False, path_type=Path))  # fmt: skip
@click.option("--actor", default="cli", show_default=True, help="Who makes the codes.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def codes(
    template: str,
    batch: str,
    count: int,
    path: Path,
    actor: str,
    as_json: bool,
    environment: Environment,
) -> None:
    """Make a batch of codes and write them to a CSV file.

    \b
    scripts/huitou coupons codes --template welcome-20-5 --batch spring --count 1000 --out c.csv

    If it is stopped, the same command continues at the end of the file. A batch always has the same
    codes, so a person who has this file, or may run this command, has the coupons.
    """
    started = time.perf_counter()
    with environment.open() as place:
        _ask(
            place,
            {
                "action": "make_codes",
                "batch": batch,
                "template_id": template,
                "count": count,
                "actor": actor,
            },
        )
        written = _write(place, batch, count, path)
    took_s = time.perf_counter() - started
    told = {
        "batch": batch,
        "count": count,
        "written": written,
        "file": str(path),
        "took_s": round(took_s, 2),
        "codes_per_s": round(written / took_s),
    }
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(f"{written:,} of {count:,} codes written to {path} in {took_s:.1f} s")


@coupons.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def batches(as_json: bool, environment: Environment) -> None:
    """Show the batches of codes, the latest first, and how many of each have been used."""
    with environment.open() as place:
        told = _ask(place, {"action": "batches"})
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    table = Table("batch", "coupon", "codes", "used", "status", "made by", "made at")
    for row in told["batches"]:
        table.add_row(
            escape(row["batch"]),
            escape(row["template_id"]),
            f"{row['count']:,}",
            f"{row['redeemed']:,}",
            row["status"],
            escape(row["actor"]),
            row["created_at"][:10],
        )
    Console().print(table)


@coupons.command("revoke-batch")
@click.argument("batch")
@click.option("--actor", required=True, help="Who does it; kept with the batch.")
@environment_options
def revoke_batch(batch: str, actor: str, environment: Environment) -> None:
    """Make the unused codes of BATCH invalid; coupons that members already have stay valid."""
    with environment.open() as place:
        told = _ask(place, {"action": "revoke_batch", "batch": batch, "actor": actor})
    click.echo(f"{batch}: revoked; {told['redeemed']:,} of {told['count']:,} codes had been used")


def _write(place: Place, batch: str, count: int, path: Path) -> int:
    """Append the missing codes, page by page; returns how many codes this call wrote."""
    there = _rows_there(path)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("codes"),
        TimeElapsedColumn(),
    )
    with (
        path.open("a", encoding="utf-8", newline="") as file,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        path.chmod(0o600)  # A reader of the file has the coupons.
        out = csv.writer(file, lineterminator="\n")
        if not there and not file.tell():
            out.writerow(_HEADER)
        task = progress.add_task("writing", total=count, completed=there)
        following: int | None = there if there < count else None
        while following is not None:
            page = _ask(
                place, {"action": "codes", "batch": batch, "after": following, "limit": PAGE}
            )
            out.writerows(enumerate(page["codes"], following))
            file.flush()
            progress.advance(task, len(page["codes"]))
            following = page["next"]
    return count - there


def _rows_there(path: Path) -> int:
    """Count the complete rows of an existing file, and delete an incomplete last row."""
    if not path.exists():
        return 0
    whole = rows = 0
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole, rows = whole + len(line), rows + 1
        file.truncate(whole)
        file.seek(0)
        if rows and file.readline().strip() != b",".join(n.encode() for n in _HEADER):
            raise click.ClickException(f"{path}: not a file of codes; name another one")
    return max(0, rows - 1)


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("coupon-issue", event)
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"{error['code']}: {error['message']}")
    return dict(answer["data"])
