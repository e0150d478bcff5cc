"""`logs`: what a function's calls printed and how they ended."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from cli.place import Environment, environment_options
from deployment.cloud_api import CloudApi
from localcloud.timers import ZONE

FOLLOW_EVERY_S = 1.0
WINDOW = timedelta(hours=24)
_MOST = 100  # Calls in one answer.
_OVERLAP = 100  # Calls to read again when following, since several end in the same second.
_FINE = (0, 200)
_TIME = "%Y-%m-%d %H:%M:%S"


@click.command()
@click.argument("function")
@click.option("-n", "--last", default=20, show_default=True, type=click.IntRange(1, 100),
              help="How many calls to show.")  # fmt: skip
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
    """Show FUNCTION's calls of the last 24 hours, the newest last, with what they printed.

    What our functions print is one line of JSON a call: request id, door, action, outcome,
    milliseconds, cold or warm; never a phone, a place or an event.

    \b
    scripts/huitou logs pay
    scripts/huitou logs points-sync --follow
    """
    with environment.open(deploy=False) as place:
        api, console = CloudApi(place.target.account), Console()
        seen: dict[str, None] = {}
        while True:
            newest = _newest(api, function, _OVERLAP if seen else last, request_id)
            for call in reversed(newest):
                key = f"{call['RequestId']}/{call.get('RetryNum', 0)}"
                if key not in seen and not (failed and call["RetCode"] in _FINE):
                    _show(console, _call_detail(api, call), as_json=as_json)
                seen[key] = None
            if not follow:
                return
            for old in list(seen)[: -2 * _OVERLAP]:
                del seen[old]
            try:
                time.sleep(FOLLOW_EVERY_S)
            except KeyboardInterrupt:
                return


def _newest(
    api: CloudApi, function: str, count: int, request_id: str | None
) -> list[dict[str, Any]]:
    """Ask for the latest calls, the newest first, in the way of CloudBase's own client."""
    now = datetime.now(ZONE)
    answer = api.tcb(
        "GetFunctionLogs",
        FunctionName=function,
        Offset=0,
        Limit=min(count, _MOST),
        StartTime=f"{now - WINDOW:{_TIME}}",
        EndTime=f"{now + timedelta(minutes=1):{_TIME}}",
        **({"LogRequestId": request_id} if request_id else {}),
    )
    calls: list[dict[str, Any]] = answer["LogList"]
    return calls


def _call_detail(api: CloudApi, call: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(ZONE)
    detail = api.tcb(
        "GetFunctionLogDetail",
        LogRequestId=call["RequestId"],
        StartTime=f"{now - WINDOW:{_TIME}}",
        EndTime=f"{now + timedelta(minutes=1):{_TIME}}",
    )
    # The detail's RequestId is the id of this request, not of the call that is shown.
    return {**detail, **call}


def _show(console: Console, call: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(call, ensure_ascii=False))
        return
    failed = call["RetCode"] not in _FINE
    line = Text(f"{call['StartTime']}  {call['RequestId']}  ", style="dim")
    outcome = f"{call['RetCode']} {call.get('RetMsg', '')}" if failed else "ok"
    line.append(outcome, style="bold red" if failed else "green")
    megabytes = float(call.get("MemUsage") or 0) / 1024 / 1024
    line.append(f"  {float(call.get('Duration') or 0):.0f} ms  {megabytes:.0f} MB", style="cyan")
    console.print(line, soft_wrap=True)
    for printed in str(call.get("LogJson") or "").rstrip("\n").splitlines():
        console.print(Text(f"    {printed}"), soft_wrap=True)
