"""`logs`: what a function's calls printed and how they ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from cli.place import Environment, environment_options
from deployment.cloud_api import CloudApi

FOLLOW_EVERY_S = 1.0
_OVERLAP = 200  # Calls looked at again when following: several end in one second.


@click.command()
@click.argument("function")
@click.option("-n", "--last", default=20, show_default=True, help="How many calls to show.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new calls until Ctrl-C.")
@click.option("--failed", is_flag=True, help="Only calls that failed.")
@click.option("--request", "request_id", metavar="ID", help="Only the call with this request id.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a call.")
@environment_options
def logs(
    environment: Environment,
    function: str,
    last: int,
    follow: bool,
    failed: bool,
    request_id: str | None,
    as_json: bool,
) -> None:
    """Show FUNCTION's calls, the newest last: version, duration, memory, outcome, what it printed.

    What our functions print is one line of JSON a call: request id, door, action, outcome,
    milliseconds, cold or warm; never a phone, a place or an event.

    \b
    scripts/huitou logs pay
    scripts/huitou logs points-sync --follow
    """
    filters: dict[str, Any] = {"Filter": {"RetCode": "not0"}} if failed else {}
    if request_id:
        filters["FunctionRequestId"] = request_id
    with environment.open(deploy=False) as place:
        api, console = CloudApi(place.target.account), Console()
        seen: dict[str, None] = {}
        for call in _calls(api, function, last, filters):
            seen[_key(call)] = None
            _show(console, call, as_json=as_json)
        try:
            while follow:
                time.sleep(FOLLOW_EVERY_S)
                for call in _calls(api, function, _OVERLAP, filters):
                    if _key(call) not in seen:
                        seen[_key(call)] = None
                        _show(console, call, as_json=as_json)
                for old in list(seen)[: -2 * _OVERLAP]:
                    del seen[old]
        except KeyboardInterrupt:
            sys.exit(0)


def _calls(
    api: CloudApi, function: str, last: int, filters: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Read the last calls, the oldest of them first."""
    found = api.scf(
        "GetFunctionLogs", FunctionName=function, Limit=last, Order="desc", OrderBy="start_time",
        **filters,
    )["Data"]  # fmt: skip
    yield from reversed(found)


def _key(call: dict[str, Any]) -> str:
    return f"{call['RequestId']}/{call.get('RetryNum', 0)}"


def _show(console: Console, call: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(call, ensure_ascii=False))
        return
    failed = call["RetCode"] not in (0, 200)
    line = Text(f"{call['StartTime']}  {call['RequestId']}  ", style="dim")
    outcome = f"{call['RetCode']} {call['RetMsg']}" if failed else "ok"
    line.append(outcome, style="bold red" if failed else "green")
    megabytes = call.get("MemUsage", 0) / 1024 / 1024
    line.append(f"  {call['Duration']:.0f} ms  {megabytes:.0f} MB", style="cyan")
    console.print(line, soft_wrap=True)
    for printed in str(call.get("Log") or "").rstrip("\n").splitlines():
        console.print(Text(f"    {printed}"), soft_wrap=True)
