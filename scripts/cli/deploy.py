"""`deploy` and `rollback`: bring the bundle to an environment, or send one function back."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.place import Environment, Place, environment_options
from deployment.cloud_api import CloudApi
from deployment.deploy import Deployment, prepare
from deployment.errors import GO_ON
from deployment.found import look
from deployment.plan import Step, plan
from deployment.rollback import roll_back

_COLOURS = {
    "create": "green", "update": "yellow", "delete": "red", "extra": "magenta", "waits": "cyan",
}  # fmt: skip


@click.command()
@click.option(
    "--only",
    metavar="F,…",
    default="",
    help="Only these functions, comma-separated (and maintenance, if due).",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--prune", is_flag=True, help="Delete functions, timers and paths not in the file.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def deploy(environment: Environment, only: str, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Deploy the bundle of cloudbaserc.json: to the local cloud, or to Tencent Cloud with --env.

    \b
    scripts/huitou deploy                          to the local cloud that is up
    scripts/huitou deploy --env shop-1a2b3c --dry-run
    scripts/huitou deploy --env shop-1a2b3c

    Publishes changed layers; creates or updates functions; applies the database's declarations;
    then switches each function to its new version, sets timers, retries, paths of HTTP access and
    security rules, and uploads the console's pages where static hosting is open. Prints the plan
    first. You can repeat it: what is up to date is left alone, and after an interruption the same
    command continues.

    For --env put TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY and every {{env.X}} of
    cloudbaserc.json into the environment or into .env.<ENV> (NAME=value lines; chmod 600).
    All missing or wrong values are reported before the first call.
    """
    console = Console(stderr=as_json)
    with environment.open(deploy=False) as place:
        steps = _deploy(place, console, only=only, dry_run=dry_run, prune=prune)
    _say_how_it_ended(console, steps, dry_run=dry_run)
    if as_json:
        shown = [vars(step) for step in steps]
        click.echo(
            json.dumps({"dry_run": dry_run, "changes": len(_changes(steps)), "steps": shown})
        )


def _deploy(place: Place, console: Console, *, only: str, dry_run: bool, prune: bool) -> list[Step]:
    """Print the plan, carry it out unless `dry_run`, and return its steps."""
    api, wanted = prepare(place.target, place.build_for)
    chosen = frozenset(name for name in only.split(",") if name)
    unknown = sorted(chosen - wanted.functions.keys())
    if unknown:
        raise click.BadParameter(f"no function {', '.join(unknown)}", param_hint="--only")
    storage_url = place.target.variables.get("STORAGE_URL", "")
    found = look(api, wanted, chosen, storage_url)
    steps = plan(wanted, found, chosen)
    if prune:
        steps = [
            Step("delete", s.kind, s.name, s.detail) if s.action == "extra" else s for s in steps
        ]
    console.print(_table(f"Plan for {place.name}", steps))
    if _changes(steps) and not dry_run:
        with _progress(console) as progress:
            task = progress.add_task("deploying")
            run = Deployment(
                api,
                wanted,
                found,
                lambda text: progress.update(task, description=text),
                storage_url,
            )
            try:
                run.run(steps)
            except KeyboardInterrupt:
                raise click.ClickException(f"stopped; {GO_ON}") from None
        console.print(_table(f"Live on {place.name}", steps, live=_live(api, wanted.functions)))
    return steps


def _changes(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.action in ("create", "update", "delete")]


@click.command()
@click.argument("function")
@click.option("--to", metavar="VERSION", help="This version instead of the one before.")
@environment_options
def rollback(environment: Environment, function: str, to: str | None) -> None:
    """Send FUNCTION's callers back to the version that was live before, at once.

    The version is still there as it was: code, configuration and layers. Data does not go back.
    A second roll-back makes the newer version live again, and so does the next deploy or `up`.

    \b
    scripts/huitou rollback pay
    scripts/huitou rollback pay --to 7 --env shop-1a2b3c
    """
    if to is not None and not to.isdigit():
        raise click.BadParameter("a number, as `status` shows it", param_hint="--to")
    with environment.open(deploy=False) as place:
        before, now = roll_back(CloudApi(place.target.account), function, to)
    click.echo(f"{function}: version {before} → {now}")


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _table(title: str, steps: list[Step], live: dict[str, str] | None = None) -> Table:
    """Draw the steps; unchanged things are only counted, unless nothing changes."""
    headers = ("", "what", "name", "detail" if live is None else "version")
    table = Table(*headers, title=title, title_justify="left")
    for step in steps:
        if live is not None and step.kind != "function":
            continue
        detail = step.detail if live is None else live.get(step.name, "")
        colour = _COLOURS.get(step.action)
        action = f"[{colour}]{step.action}[/]" if colour else step.action
        table.add_row(action, step.kind, step.name, detail)
    return table


def _live(api: CloudApi, functions: Any) -> dict[str, str]:
    there = {f["FunctionName"] for f in api.pages("ListFunctions", "Functions")}
    return {
        name: api.scf("GetAlias", FunctionName=name, Name="$DEFAULT")["FunctionVersion"]
        for name in functions
        if name in there
    }


def _say_how_it_ended(console: Console, steps: list[Step], *, dry_run: bool) -> None:
    counts = Counter(step.action for step in steps)
    changed = {action: counts[action] for action in ("create", "update", "delete")}
    if not any(changed.values()):
        console.print(f"nothing to do: {counts['unchanged']} things unchanged")
    else:
        told = ", ".join(f"{count} {action}" for action, count in changed.items() if count)
        console.print(f"{'would do' if dry_run else 'done'}: {told}")
    if counts["extra"]:
        console.print("extra: deployed but not in cloudbaserc.json; --prune deletes them")
    if counts["waits"]:
        console.print(
            "waits: the console's pages; open static hosting (静态网站托管) for the environment, "
            "then deploy again (the local cloud serves them itself)"
        )
