"""`up`: the local cloud in the foreground."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import click
from rich.console import Console

from cli.place import data_option
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.mongod import configured_uri
from simulation.play import load


@click.command()
@data_option
def up(data_folder: Path) -> None:
    """Run the whole cloud on this machine until Ctrl-C.

    Starts MongoDB (embedded, or MONGODB_URI), a cloud that speaks Tencent's API, and stand-ins for
    WeChat; then deploys cloudbaserc.json to it, as `deploy` does. An empty database gets a sample
    chain of three stores.
    """
    console = Console()
    with LocalCloud(data_folder, mongodb_uri=configured_uri()) as cloud:
        counts = Counter(step.action for step in cloud.deployed if step.kind == "function")
        told = ", ".join(f"{count} {action}" for action, count in counts.items())
        console.print(f"functions deployed: {told}")
        if cloud.clock.stands:  # A demo was interrupted: time runs on from there.
            cloud.set_clock(cloud.clock.now(), stands=False)
        client = LocalCloudClient(cloud.url, cloud.vendor_url, data_folder)
        if cloud.is_empty():
            load(client)
            console.print("sample chain loaded: stores jingan, xujiahui, wujiaochang")
        stay_up(cloud, console)


def stay_up(cloud: LocalCloud, console: Console) -> None:
    """Print how to call functions, then wait for Ctrl-C or SIGTERM."""
    console.print(
        f"\nlocal cloud is up at [bold]{cloud.url}[/] "
        f"(business time {cloud.clock.now():%Y-%m-%d %H:%M} UTC)"
    )
    console.print("In another terminal:", highlight=False)
    for line in (
        """scripts/huitou invoke member-profile '{"action": "login"}' --as alice""",
        """scripts/huitou invoke store-menu '{"action": "stores"}' --as alice""",
        "scripts/huitou staff add li --role owner    (then sign in at /console/)",
        "scripts/huitou status",
        "scripts/huitou logs pay --follow",
        "scripts/huitou deploy    (after an edit)",
    ):
        console.print("  " + line, style="cyan", markup=False, highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops it.", highlight=False)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    console.print("stopping …")
