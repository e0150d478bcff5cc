"""`demo`: a chain's days, played through the real functions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.campaign import ask, report_table
from cli.kpi import call, day_table, rolled_up
from cli.place import data_option
from cli.reconcile import reconciled, totals_table
from cli.staff import open_account
from cli.up import stay_up
from deployment.web import pages
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.mongod import configured_uri
from localcloud.target import DEFAULT_DATA
from simulation.play import Simulation


@click.command()
@click.option("--once", is_flag=True, help="Exit when the days are played.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one last line of JSON.")
@click.option("--days", default=60, show_default=True, help="Business days to play.")
@click.option("--members", default=200, show_default=True, help="Guests of the chain.")
@click.option("--seed", default=7, show_default=True, help="The same seed plays the same days.")
@data_option
def demo(once: bool, as_json: bool, days: int, members: int, seed: int, data_folder: Path) -> None:
    """Play a chain's days on the local cloud and show what came out.

    Three stores, a menu, some hundred guests with habits: they log in, order, pay, cancel, send
    back; payment callbacks, timers and triggers do the rest. Then every ledger is reconciled, with
    the books of the WeChat Pay stand-in as well: taken, given back, fees, shares.
    Earlier sample data is thrown away first; data that isn't a sample is never touched.
    """
    console = Console(stderr=as_json)
    with LocalCloud(data_folder, mongodb_uri=configured_uri()) as cloud:
        client = LocalCloudClient(cloud.url, cloud.vendor_url, data_folder)
        if not client.control("reset")["reset"]:
            sys.exit("this database holds data that is not a sample; use --data FOLDER")
        simulation = Simulation(client, seed=seed, members=members, days=days)
        _play(simulation, days, console)
        report = _summary(client, simulation)
        console.print(totals_table(report))
        console.print(day_table(report["kpis"]))
        console.print(report_table(report["campaigns"]))
        for found in report["campaigns"]:
            console.print(f"{found['campaign_id']}: {found['verdict']}", markup=False)
        agreed = "every ledger agrees, and so do WeChat Pay's books"
        verdict = agreed if report["reconciled"] else "LEDGERS DIFFER"
        console.print(verdict, style="bold green" if report["reconciled"] else "bold red")
        client.control("clock", stands=False)  # Time runs on from the last day.
        if as_json:
            click.echo(json.dumps(report, ensure_ascii=False))
        if not once:
            account = open_account(client, "demo", "演示老板", "owner")
            pages(console.print)
            console.print(
                f"\nthe operators' console: [bold]{cloud.url}/console/[/]\n"
                f"  signs in as demo, first password {account['password']}, and the code of\n"
                f"  scripts/huitou staff code demo{_data_option(data_folder)}",
                highlight=False,
            )
            stay_up(cloud, console)
    sys.exit(0 if report["reconciled"] else 1)


def _data_option(data_folder: Path) -> str:
    return "" if data_folder == DEFAULT_DATA else f" --data {data_folder}"


def _play(simulation: Simulation, days: int, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=days)

        def begin(day: str) -> None:
            progress.update(task, description=day)
            progress.advance(task)

        simulation.play(begin)


def _summary(client: LocalCloudClient, simulation: Simulation) -> dict[str, Any]:
    report = reconciled(client)
    books = client.control("wechat-pay/books")
    theirs = {
        "revenue_fen": books["taken_fen"] - books["refunded_fen"],
        "fees_fen": books["fees_fen"],
        "shared_fen": books["shared_fen"],
    }
    report["wechat_pay"] = books
    report["differences"] += [
        {"kind": "WeChat Pay's books", "id": name, "expected": fen, "found": report[name]}
        for name, fen in theirs.items()
        if report[name] != fen
    ]
    report["reconciled"] = not report["differences"]
    rolled_up(client)
    last_day = call(client, {"action": "report"})  # The last day that has ended.
    campaigns = [
        ask(client, {"action": "report", "campaign_id": row["campaign_id"]})
        for row in ask(client, {"action": "list"})["campaigns"]
    ]
    visits = dict(simulation.tally.events)
    return report | {"visits": visits, "kpis": last_day, "campaigns": campaigns}
