"""`campaign`: check drafts, start and stop campaigns, and see how many guests came back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.documents import read_document
from cli.place import Environment, Place, environment_options
from huitou.marketing.campaigns.models import Campaign
from localcloud.client import LocalCloudClient
from simulation.play import load

_file = click.Path(path_type=Path, dir_okay=False)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
_actor_option = click.option(
    "--actor", default="cli", show_default=True, help="Who does this; kept with the campaign."
)
_STYLES = {"error": "bold red", "warning": "yellow"}


@click.group()
def campaign() -> None:
    """Care campaigns: draft, check, start, and see what they changed.

    \b
    scripts/huitou campaign lint day-3.json      what speaks against a draft, rule by rule
    scripts/huitou campaign audience day-3.json  how many members its condition is for
    scripts/huitou campaign put day-3.json       store it
    scripts/huitou campaign check day-3          check it against the rules, for the record
    scripts/huitou campaign start day-3
    scripts/huitou campaign report day-3         who came back because of it
    """


@campaign.command()
@click.argument("files", metavar="DRAFT.json...", nargs=-1, required=True, type=_file)
@_json_option
@environment_options
def lint(environment: Environment, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what speaks against drafts, with the rule and its source; exit 1 if any may not run.

    \b
    scripts/huitou campaign lint drafts/*.json

    A campaign with errors can't start. A named person must accept a warning (`accept`).
    """
    drafts = [(path, _read(path)) for path in files]
    with with_chain(environment) as place:
        found = [
            {
                "file": path.name,
                "campaign_id": draft["_id"],
                "findings": ask(place, {"action": "lint", "campaign": draft})["findings"],
            }
            for path, draft in drafts
        ]
    for draft in found:
        draft["may_run"] = all(f["severity"] != "error" for f in draft["findings"])
    if as_json:
        click.echo(json.dumps({"drafts": found}, ensure_ascii=False))
    else:
        _print_findings(found)
    sys.exit(0 if all(draft["may_run"] for draft in found) else 1)


@campaign.command()
@click.argument("draft_file", metavar="DRAFT.json", type=_file)
@_json_option
@environment_options
def audience(environment: Environment, draft_file: Path, as_json: bool) -> None:
    """Count the members a draft's condition is for, and show some of them."""
    condition = _read(draft_file).get("audience")
    with with_chain(environment) as place:
        found = ask(place, {"action": "audience", "audience": condition})
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    about = "" if found["exact"] else "about "
    click.echo(
        f"{about}{found['matching']:,} of {found['members']:,} members, "
        f"{about}{found['reachable']:,} of them agreed to be told of offers"
    )
    table = Table("member", "orders", "spent", "last order", "tier")
    for member in found["sample"]:
        spent = f"¥{member['spend_fen'] / 100:,.2f}"
        last = member["last_order_day"] or "never"
        table.add_row(member["member_id"], str(member["orders"]), spent, last, member["tier"])
    if found["sample"]:
        Console().print(table)


@campaign.command()
@click.argument("draft_file", metavar="DRAFT.json", type=_file)
@_actor_option
@click.option("--reason", help="Why; wanted for a campaign that has been running.")
@environment_options
def put(environment: Environment, draft_file: Path, actor: str, reason: str | None) -> None:
    """Store a draft or a later revision of it; pause a running campaign first."""
    event = {"action": "put", "campaign": _read(draft_file), "actor": actor, "reason": reason}
    _do_step(environment, event)


@campaign.command()
@click.argument("campaign_id")
@_actor_option
@environment_options
def check(environment: Environment, campaign_id: str, actor: str) -> None:
    """Check a stored draft against the rules; without errors and open warnings it may start."""
    with with_chain(environment) as place:
        found = ask(place, {"action": "check", "campaign_id": campaign_id, "actor": actor})
    _print_findings([{"file": campaign_id, "findings": found["findings"]}])
    for rule in found["to_accept"]:
        click.echo(f"to accept: scripts/huitou campaign accept {campaign_id} {rule} --actor NAME")
    click.echo(f"{campaign_id}: {found['status']}")
    sys.exit(0 if found["status"] != "draft" else 1)


@campaign.command()
@click.argument("campaign_id")
@click.argument("rule")
@click.option("--actor", required=True, help="Who takes responsibility for it.")
@environment_options
def accept(environment: Environment, campaign_id: str, rule: str, actor: str) -> None:
    """Accept one of the linter's warnings; your name is stored with it."""
    _do_step(
        environment, {"action": "accept", "campaign_id": campaign_id, "rule": rule, "actor": actor}
    )


def _step(action: str, words: str) -> Callable[..., None]:
    @campaign.command(name=action, help=words)
    @click.argument("campaign_id")
    @_actor_option
    @click.option("--reason", help="Why; kept with the step.")
    @environment_options
    def take(environment: Environment, campaign_id: str, actor: str, reason: str | None) -> None:
        _do_step(
            environment,
            {"action": action, "campaign_id": campaign_id, "actor": actor, "reason": reason},
        )

    return take


start = _step("start", "Let a checked campaign run, or a paused one go on.")
pause = _step("pause", "Stop sending for the moment.")
end = _step("end", "End a campaign for good; its report stays.")


@campaign.command(name="list")
@click.option("--status", help="Only these: draft, checked, running, paused, ended.")
@_json_option
@environment_options
def list_(environment: Environment, status: str | None, as_json: bool) -> None:
    """List the campaigns, the highest priority first."""
    with with_chain(environment) as place:
        found = ask(place, {"action": "list", "status": status})["campaigns"]
    if as_json:
        click.echo(json.dumps({"campaigns": found}, ensure_ascii=False))
        return
    table = Table("campaign", "name", "trigger", "status", "days", "priority", "hold-out")
    for row in found:
        days = f"{row['valid_from']} – {row['valid_until']}"
        table.add_row(
            row["campaign_id"],
            escape(row["name"]),
            row["kind"],
            row["status"],
            days,
            str(row["priority"]),
            f"{row['holdout_bp'] / 100:g} %",
        )
    Console().print(table)


@campaign.command()
@click.argument("campaign_id")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="en", show_default=True)
@_json_option
@environment_options
def report(environment: Environment, campaign_id: str, lang: str, as_json: bool) -> None:
    """Show who got a campaign's message, and who came back because of it.

    Compares the members who got the message with the hold-out, who were chosen and got none. The
    intervals stay valid however often you look. If the data can't decide, the report says so.
    """
    with with_chain(environment) as place:
        found = ask(place, {"action": "report", "campaign_id": campaign_id, "lang": lang})
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    console = Console()
    console.print(report_table([found]))
    for effect in found["effects"]:
        digits = 1 if effect["metric"] == "revenue_fen" else 3
        console.print(
            f"{effect['metric']} ({effect['group']}): {effect['difference']:+.{digits}f} per "
            f"member, 95 % {effect['low']:+.{digits}f} to {effect['high']:+.{digits}f}"
        )
    if found["incremental_orders"] is not None:
        console.print(
            f"orders it brought: {found['incremental_orders']:+.0f} "
            f"({found['incremental_orders_low']:+.0f} to {found['incremental_orders_high']:+.0f}), "
            f"at a cost of ¥{found['cost_fen'] / 100:,.2f}"
        )
    for day in found["skipped"]:
        what = "the whole run" if day["whole"] else "a part of the run"
        if day["occasions"]:
            what = f"{day['occasions']:,} occasions" + (f" and {what}" if day["whole"] else "")
        console.print(f"{day['day']}: {what} came too late to be told", style="yellow")
    console.print(found["verdict"], style="bold", markup=False)


def report_table(reports: list[dict[str, Any]]) -> Table:
    """Lay out the groups of campaigns."""
    table = Table(
        "campaign", "group", "members", "told", "pushed", "opened", "used", "came back", "orders"
    )
    for report in reports:
        for group in report["groups"]:
            rate = group["repurchase_rate"]
            each = group["orders_per_member"]
            table.add_row(
                report["campaign_id"],
                group["group"],
                f"{group['members']:,}",
                f"{group['messages']:,}",
                f"{group['pushed']:,}",
                f"{group['opened']:,}",
                f"{group['redeemed']:,}",
                "–" if rate is None else f"{rate:.1%}",
                "–" if each is None else f"{each:.2f}",
            )
    return table


def _read(path: Path) -> dict[str, Any]:
    return read_document(path, Campaign, "campaign")


def ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    """Call campaign-run; raises ClickException with the message of a refusal."""
    given = {name: value for name, value in event.items() if value is not None}
    answer = place.internal_call("campaign-run", {"lang": "en"} | given)
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"{error['code']}: {error['message']}")
    return dict(answer["data"])


@contextmanager
def with_chain(environment: Environment) -> Iterator[Place]:
    """Open an environment; an empty local cloud gets the sample chain first, as `up` does."""
    with environment.open() as place:
        if isinstance(place, LocalCloudClient):
            stores = place.internal_call("store-menu", {"action": "stores"})
            if not stores["data"]["stores"]:
                load(place)
                click.echo("sample chain loaded: this local cloud was empty", err=True)
        yield place


def _do_step(environment: Environment, event: dict[str, Any]) -> None:
    with with_chain(environment) as place:
        found = ask(place, event)["campaign"]
    click.echo(f"{found['campaign_id']}: {found['status']}, revision {found['revision']}")


def _print_findings(drafts: list[dict[str, Any]]) -> None:
    console = Console(soft_wrap=True)
    for draft in drafts:
        worst = {finding["severity"] for finding in draft["findings"]}
        verdict = "may not run" if "error" in worst else "to accept" if worst else "ok"
        style = _STYLES.get("error" if "error" in worst else "warning" if worst else "", "green")
        console.print(f"{escape(draft['file']):<24}[{style}]{verdict}[/]")
        for finding in draft["findings"]:
            style = _STYLES[finding["severity"]]
            console.print(
                f"  [{style}]{finding['severity']:<8}[/]{finding['rule']:<20}"
                f"{escape(finding['field'])}: {escape(finding['message'])}"
            )
            console.print(f"{'':<30}[dim]{escape(finding['source'])}[/]")
