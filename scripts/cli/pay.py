"""`pay`: compare a day with WeChat Pay's bill, and list and resolve the differences."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.place import Environment, Place, environment_options

MOST_LISTED = 2_000
_MONEY = ("taken", "given back", "fees", "kept")
# What an operator should do about a difference, by the first words of its kind.
NEXT = {
    "payment unknown to us": "look the number up at pay.weixin.qq.com: taken by another system?",
    "refund unknown to us": "ask who refunded at pay.weixin.qq.com; the order here knows nothing",
    "payment missing in bill": "check the payment at pay.weixin.qq.com before anything is refunded",
    "refund missing in bill": "check the refund at pay.weixin.qq.com: the guest may lack the money",
    "payment amount": "compare the order with pay.weixin.qq.com; refund what was taken too much",
    "payment state": "the money came: invoke pay's ask_payment for it, then reconcile again",
    "transaction": "the same number stands for another payment there; look both up",
    "payment notice": "it didn't fit our order and settled nothing: refund it at pay.weixin.qq.com",
    "refund amount": "compare the refund with pay.weixin.qq.com",
    "refund payment": "the refund belongs to another payment there; ask who made it",
    "refund state": "given back without an approval here; ask who did it at pay.weixin.qq.com",
    "refund notice": "it didn't fit our refund and settled nothing: compare at pay.weixin.qq.com",
    "refund refused": "cure what WeChat Pay found (NOT_ENOUGH: fill up the balance); it is tried "
    "again by itself, until somebody invokes pay's abandon_refund",
    "refund abnormal": "the guest's account takes no money: give it by other means, then resolve",
    "refund closed": "WeChat Pay gave up; refund again under another refund id "
    "(a surplus@… one: invoke pay's refund_again)",
    "share return failed": "the receiver couldn't give back; settle it with them",
    "share part closed": "the receiver got nothing; check its account, settle by other means",
    "share amount differs": "compare the share with pay.weixin.qq.com",
    "share refused": "cure what WeChat Pay found; it is tried for three weeks",
    "share failed": "nothing was shared of this order; check share_rules and the receivers",
    "share query refused": "WeChat Pay won't tell of this share: check the merchant's rights",
    "share unfreeze refused": "the rest unfreezes by itself after 30 days (brand mode: 180)",
    "shipping refused": "enter the handing over at mp.weixin.qq.com, or the money stays held",
    "notice unreadable": "a genuine notice of a shape nobody knows: look at the function's logs",
    "fee": "compare the rate with the merchant's contract, then set fee_bp in share_rules",
    "merchant": "the money went to another merchant: check the store's sub_mchid",
    "fund flow": "the account moved otherwise than the trades say: see 资金账单 of the day",
    "bill damaged": "download the day's bill by hand and compare; reconcile again later",
}


@click.group()
def pay() -> None:
    """Money: reconcile a day with WeChat Pay's bill, and settle what differs.

    \b
    scripts/huitou pay reconcile --day 2026-04-30
    scripts/huitou pay differences list
    scripts/huitou pay differences resolve 'fee|<out_trade_no>' --actor ann --note 'new rate'

    A timer reconciles each day from 10:10 on, every hour until the bill is there. A difference
    stays open until the cause is repaired (then the next run clears it) or somebody resolves it.
    """


@pay.command()
@click.option(
    "--day",
    metavar="YYYY-MM-DD",
    help="A day in Shanghai, 0 to 24 h; without it the last one that has a bill.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def reconcile(environment: Environment, day: str | None, as_json: bool) -> None:
    """Compare a day's payments, refunds and fees with WeChat Pay's bill.

    \b
    scripts/huitou pay reconcile --day 2026-04-30

    Every row of the trade bill must be a payment or refund of ours, with the same amount,
    merchant, state and fee; each of ours must stand in a bill; the fund flow must move what the
    trades say. Safe to repeat: what was mended meanwhile is cleared. The bill of a day is there
    from 10:00 on the next one, for three months. Exit code 1 if differences are open.
    """
    event = {"action": "reconcile_bill"} | ({"day": day} if day else {})
    with environment.open() as place:
        report = _ask(place, event)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)
    sys.exit(1 if report["open"] else 0)


@pay.group()
def differences() -> None:
    """What WeChat Pay and we said differently, and who resolved it."""


@differences.command(name="list")
@click.option("--day", metavar="YYYY-MM-DD", help="Only differences in this day's bill.")
@click.option("--all", "every", is_flag=True, help="Also resolved differences.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def list_(environment: Environment, day: str | None, every: bool, as_json: bool) -> None:
    """List the differences, newest first: the open ones, or all.

    \b
    scripts/huitou pay differences list --day 2026-04-30 --all
    """
    with environment.open() as place:
        found = list(_differences(place, {"all": every} | ({"day": day} if day else {})))
    if as_json:
        click.echo(json.dumps({"differences": found}, ensure_ascii=False))
    elif found:
        Console().print(_table(found))
    else:
        click.echo("no differences" if every else "no open differences")


@differences.command()
@click.argument("difference_id")
@click.option("--note", required=True, help="How it was resolved; kept for auditors.")
@click.option("--actor", required=True, help="Who resolves it.")
@environment_options
def resolve(environment: Environment, difference_id: str, note: str, actor: str) -> None:
    """Resolve DIFFERENCE_ID: its kind and its reference with a bar between, as `list` has them.

    \b
    scripts/huitou pay differences resolve 'payment unknown to us|20260430-17' \\
        --actor ann --note 'taken by the old till, booked there'

    It stays resolved as long as both sides say the same; other values open it again.
    """
    event = {"action": "resolve_difference", "discrepancy_id": difference_id}
    with environment.open() as place:
        done = _ask(place, {**event, "note": note, "actor": actor})
    click.echo(f"{done['discrepancy_id']}: resolved by {done['resolution']['actor']}")


def _differences(place: Place, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    after: str | None = None
    for _ in range(MOST_LISTED // 50):
        page = _ask(place, {"action": "differences", "limit": 50, "after": after, **filters})
        yield from page["discrepancies"]
        after = page.get("next")
        if after is None:
            return


def _print(report: dict[str, Any]) -> None:
    console = Console()
    table = Table(show_header=False)
    table.add_row("merchant", report["mchid"])
    table.add_row("rows", f"{report['rows']:,}")
    table.add_row("payments, refunds", f"{report['payments']:,}, {report['refunds']:,}")
    for name in _MONEY:
        table.add_row(name, f"¥{report[name.replace(' ', '_') + '_fen'] / 100:,.2f}")
    table.add_row("fund flow", report["fund_flow"])
    table.add_row(
        "found, new, cleared", ", ".join(str(report[n]) for n in ("found", "new", "cleared"))
    )
    console.print(table)
    if not report["open"]:
        console.print(f"the bill of {report['day']} agrees", style="bold green")
        return
    console.print(f"open differences of {report['day']}: {report['open']}", style="bold red")
    console.print(_table(report["differences"]))
    if report["open"] > len(report["differences"]):
        console.print(f"the rest: scripts/huitou pay differences list --day {report['day']}")


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("kind")
    table.add_column("reference", overflow="fold")  # In full: `resolve` needs it.
    for name in ("expected", "found", "what to do next"):
        table.add_column(name)
    for one in found:
        cells = (
            one["kind"],
            one["reference"],
            _cell(one.get("expected")),
            _cell(one.get("found")),
            _next_step(one),
        )
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _cell(value: str | int | None) -> str:
    """Format one side of a difference; numbers are fen, None means that the side has no record."""
    if value is None:
        return "nothing"
    return f"¥{value / 100:,.2f}" if isinstance(value, int) else value


def _next_step(one: dict[str, Any]) -> str:
    resolution = one.get("resolution")
    if resolution:
        return f"resolved by {resolution['actor']}: {resolution['note']}"
    kind = str(one["kind"]).partition(":")[0]
    return NEXT.get(kind, "find the cause, then resolve it with a note")


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("pay", {"lang": "en", **event})
    if not answer["ok"]:
        raise click.ClickException(f"{answer['error']['code']}: {answer['error']['message']}")
    return dict(answer["data"])
