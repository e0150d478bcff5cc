"""`status`: what is deployed, the timers' next firings, what followers have to do, dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.place import Environment, Place, environment_options
from deployment.cloud_api import CloudApi
from deployment.plan import cron_of
from huitou.runtime.errors import HuitouError
from localcloud.client import LocalCloudClient
from localcloud.timers import ZONE, next_firing


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def status(environment: Environment, as_json: bool) -> None:
    """Show an environment: functions with live version and timers, waiting changes, dead letters.

    A change waits until the function that follows it has run: an order for its points, an account
    for its tier or its coupons.
    """
    with environment.open(deploy=False) as place:
        report = _report(place)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print(report)


def _report(place: Place) -> dict[str, Any]:
    api = CloudApi(place.target.account)
    now, local = datetime.now(UTC), {}
    if isinstance(place, LocalCloudClient):  # Tests may set its business time.
        there = place.control("status")
        now, local = datetime.fromisoformat(there["now"]), {"undelivered": there["undelivered"]}
    names = [str(function["FunctionName"]) for function in api.pages("ListFunctions", "Functions")]
    return {
        "environment": place.target.account.env_id,
        "now": now.isoformat(),
        "functions": [_function(api, name, now) for name in names],
        **_health(place),
        **local,
    }


def _next(cron: str, now: datetime) -> str | None:
    firing = next_firing(cron, now)
    return firing.isoformat() if firing else None


def _health(place: Place) -> dict[str, Any]:
    """Ask `maintenance`, which reads the data; it may be missing, or have no connection."""
    try:
        answer = place.internal_call("maintenance", {"action": "health"})
    except HuitouError as error:
        return {"unhealthy": f"maintenance does not answer ({error.detail})"}
    if not answer["ok"]:
        return {"unhealthy": f"maintenance: {answer['error']['message']}"}
    return dict(answer["data"])


def _function(api: CloudApi, name: str, now: datetime) -> dict[str, Any]:
    live = api.scf("GetAlias", FunctionName=name, Name="$DEFAULT")["FunctionVersion"]
    shown = api.scf("GetFunction", FunctionName=name, Qualifier=live)
    timers = [
        {
            "name": trigger["TriggerName"],
            "cron": cron_of(trigger),
            "next": _next(cron_of(trigger), now),
            "enabled": trigger["Enable"] == 1,
        }
        for trigger in api.scf("ListTriggers", FunctionName=name)["Triggers"]
    ]
    return {
        "name": name,
        "status": shown["Status"],
        "version": live,
        "memory_mb": shown["MemorySize"],
        "timeout_s": shown["Timeout"],
        "updated_at": shown["ModTime"],
        "layers": [
            f"{x['LayerName'].partition('_')[0]}:{x['LayerVersion']}" for x in shown["Layers"]
        ],
        "timers": timers,
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    title = f"{report['environment']} at {_local(report['now'])}"
    headers = ("function", "version", "limits", "timer, its next firing")
    table = Table(*headers, title=title, title_justify="left")
    for function in report["functions"]:
        active = function["status"] == "Active"
        table.add_row(
            function["name"],
            function["version"] if active else f"{function['version']} {function['status']}",
            f"{function['memory_mb']} MB {function['timeout_s']} s",
            "\n".join(
                f"{timer['name']} {_local(timer['next']) if timer['enabled'] else 'switched off'}"
                for timer in function["timers"]
            ),
        )
    console.print(table)
    layers = sorted({layer for function in report["functions"] for layer in function["layers"]})
    console.print(f"layers {', '.join(layers) or 'none'}")
    if "unhealthy" in report:
        console.print(f"[bold red]{report['unhealthy']}[/]; scripts/huitou deploy, then logs")
        return
    console.print(_waiting_sentence(report["relay"]))
    letters = report["dead_letters"]
    console.print(
        f"{letters} dead letters: see dead-letters list" if letters else "no dead letters",
        style="bold red" if letters else "green",
    )
    for lost in report.get("undelivered", []):
        console.print(f"undelivered: {lost['function']}: {lost['error']}", style="red")


def _waiting_sentence(relay: dict[str, Any]) -> str:
    counts = ", ".join(f"{n} for {name}" for name, n in relay["due"].items() if n)
    waiting = f"waiting: {counts}" if counts else "nothing is waiting"
    since = f", the oldest order for {relay['lag_s']:.0f} s" if relay["lag_s"] >= 1 else ""
    return f"{waiting}{since}{'; the relay runs' if relay['alive'] else ''}"


def _local(moment: str | None) -> str:
    if moment is None:
        return "never"
    return f"{datetime.fromisoformat(moment).astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
