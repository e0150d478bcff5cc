"""`tiers`: try new tier rules on all members, apply them, show those in force."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from cli.documents import read_document
from cli.place import Environment, Place, environment_options
from huitou.loyalty.tiers.models import TierRules

PAGE = 1_000
MOST_PAGES = 1_000_000
MOST_EXAMPLES = 3  # Members shown for each move.
SECONDS_A_CALL = 5
MOST_TRIES = 5
_SUMMED = ("members", "coupons", "coupon_cost_fen", "discount_cost_fen", "discount_saved_fen")
_rules_file = click.argument(
    "rules_file", metavar="NEW_RULES.json", type=click.Path(path_type=Path, dir_okay=False)
)


@click.group()
def tiers() -> None:
    """Tier rules: try new ones on all members, then apply them.

    \b
    scripts/huitou tiers show > rules.json         the rules in force, to edit
    scripts/huitou tiers dry-run rules.json        who would rise or fall, and what it costs
    scripts/huitou tiers apply rules.json

    A member's tier never ends before the review it was given until: new rules raise at once, and
    lower at each member's own review.
    """


@tiers.command()
@environment_options
def show(environment: Environment) -> None:
    """Print the rules in force as JSON."""
    with environment.open() as place:
        rules = _ask(place, {"action": "rules"})["rules"]
    click.echo(json.dumps(rules, ensure_ascii=False, indent=2))


@tiers.command(name="dry-run")
@_rules_file
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def dry_run(environment: Environment, rules_file: Path, as_json: bool) -> None:
    """Say what NEW_RULES.json would do to every member; nothing is written.

    \b
    scripts/huitou tiers dry-run rules.json

    now: members who would rise when the rules are applied. review: members who keep their level
    with today's figures by the rules in force and not by the new rules; they fall at their next
    review if they spend no more. Coupons cost at most what they take off; a year's discounts are
    estimated by the spend of the last 365 days.
    """
    rules = read_document(rules_file, TierRules, "rules")
    with environment.open() as place, Progress(console=Console(stderr=True)) as progress:
        report = tried(place, rules, progress)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)


@tiers.command()
@_rules_file
@environment_options
def apply(environment: Environment, rules_file: Path) -> None:
    """Put NEW_RULES.json into force and bring all members up to it, page by page.

    \b
    scripts/huitou tiers apply rules.json

    `revision` must be above the one in force. After an interruption the same command continues, and
    so does tier-evaluate's timer.
    """
    rules = read_document(rules_file, TierRules, "rules")
    with environment.open() as place, Console(stderr=True).status("applying …") as status:
        run = _ask(place, {"action": "apply", "rules": rules})
        while run["status"] == "running":
            run = _ask(place, {"action": "run", "seconds": SECONDS_A_CALL})
            status.update(f"applying … {run['members']:,} members, {run['raised']:,} raised")
    click.echo(
        f"revision {run['revision']}: {run['status']}, {run['members']:,} members, "
        f"{run['raised']:,} raised"
    )


def tried(place: Place, rules: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Dry-run all pages and add up their results."""
    task = progress.add_task("members", total=None)
    sums: Counter[str] = Counter()
    moves: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str], list[dict[str, Any]]] = {}
    unknown: set[str] = set()
    falls: list[str] = []
    after: str | None = None
    for _ in range(MOST_PAGES):
        event = {"action": "dry_run", "rules": rules, "after": after, "limit": PAGE}
        page = _ask(place, event)
        sums.update({name: page[name] for name in _SUMMED})
        moves.update({(m["when"], m["before"], m["after"]): m["members"] for m in page["moves"]})
        for example in page["examples"]:
            known = examples.setdefault((example["before"], example["after"]), [])
            known += [example] if len(known) < MOST_EXAMPLES else []
        unknown |= set(page["unknown_templates"])
        falls += [page["first_fall_on"]] if "first_fall_on" in page else []
        progress.update(task, completed=sums["members"])
        after = page["next"]
        if after is None:
            break
    progress.update(task, total=sums["members"])
    return {
        **{name: sums[name] for name in _SUMMED},
        "moves": [
            {"when": when, "before": before, "after": to, "members": count}
            for (when, before, to), count in sorted(moves.items())
        ],
        "first_fall_on": min(falls, default=None),
        "unknown_templates": sorted(unknown),
        "examples": [example for found in examples.values() for example in found],
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    table = Table("when", "from", "to", "members", "for example")
    for move in report["moves"]:
        named = [
            example["member_id"] + (f" on {example['on']}" if "on" in example else "")
            for example in report["examples"]
            if (example["before"], example["after"]) == (move["before"], move["after"])
            and ("on" in example) == (move["when"] == "review")
        ]
        cells = (move["when"], move["before"], move["after"], f"{move['members']:,}")
        table.add_row(*map(escape, cells), escape("\n".join(named)))
    if report["moves"]:
        console.print(table)
    else:
        console.print("nobody would rise or fall")
    costs = Table(show_header=False)
    costs.add_row("members", f"{report['members']:,}")
    worst = f"{report['coupons']:,}, at most {_yuan(report['coupon_cost_fen'])}"
    costs.add_row("entry coupons", worst)
    costs.add_row("more discount a year", _yuan(report["discount_cost_fen"]))
    costs.add_row("less after reviews", _yuan(report["discount_saved_fen"]))
    if report["first_fall_on"]:
        costs.add_row("first review to lower", report["first_fall_on"])
    console.print(costs)
    for template in report["unknown_templates"]:
        console.print(f"no coupon template {template}", style="bold red", markup=False)


def _yuan(fen: int) -> str:
    return f"¥{fen / 100:,.2f}"


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    for attempt in range(MOST_TRIES):
        answer = place.internal_call("tier-evaluate", {"lang": "en", **event})
        if answer["ok"] or answer["error"]["code"] != "UNAVAILABLE":
            break
        time.sleep(attempt)
    if not answer["ok"]:
        error = answer["error"]
        raise click.ClickException(f"{error['code']}: {error['message']}")
    return dict(answer["data"])
