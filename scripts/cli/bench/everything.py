"""`bench all`: every benchmark in short, in one table, beside the figures recorded last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cli.bench import json_option

RECORDED = Path(__file__).parent / "figures.json"
LONGEST_S = 420  # A benchmark takes this long at most, on a busy machine.
# Short sizes, so that all of them take less than ten minutes together.
SIZES = {
    "price": "--carts 200 --rounds 3",
    "checkout": "--rounds 3",
    "quota": "--coupons 400 --rounds 3",
    "points": "--orders 300 --rounds 3",
    "pay": "--orders 150 --rounds 3 --callbacks 1000",
    "import": "--orders 5000 --rounds 2",
    "tiers": "--members 200000 --small-members 20000 --due 2000",
    "expire": "--members 200000 --small-members 20000 --due 2000",
    "sweep": "--members 200000 --small-members 40000 --due 5000",
    "kpi": "--years 1 --orders-a-day 1000 --days 3",
    "coldstart": "--runs 5",
    "latency": "--seconds 8",
    "invoke": "--runs 100 --starts 5",
    "day": "--minutes 1",
    "geofence": "--points 3000",
}


@dataclass(frozen=True)
class Figure:
    """A figure of a benchmark; `name` is its place in the JSON, and `aim` what it should reach.

    Without an `aim` it is only compared with what was recorded. `least` says that more is better.
    A change by more than the share `noise` isn't chance; ratios of the same version were seen to
    vary by a quarter on a shared machine, and what depends on the machine varies more.
    """

    benchmark: str
    name: str
    aim: float | None
    least: bool = True
    noise: float = 0.25
    ours: str = ""
    floor: str = ""

    @property
    def title(self) -> str:
        return f"{self.benchmark} {self.name}"

    def reached(self, value: float) -> bool:
        if self.aim is None:
            return True
        return value >= self.aim if self.least else value <= self.aim

    def is_worse(self, value: float, before: float) -> bool:
        """Tell whether a value is worse than before, by more than noise."""
        if self.least:
            return value < before * (1 - self.noise)
        return value > before * (1 + self.noise)


def _against_floor(benchmark: str, aim: float, under: str = "") -> Figure:
    return Figure(
        benchmark, f"{under}ratio", aim, ours=f"{under}per_s", floor=f"{under}floor_per_s"
    )


FIGURES = (
    Figure("price", "ratio", 0.25, ours="carts_per_s", floor="floor_carts_per_s"),
    Figure("price", "carts_per_s", 15_000, noise=0.4),
    _against_floor("checkout", 0.75),
    _against_floor("quota", 0.8),
    _against_floor("points", 0.85, "award."),
    _against_floor("points", 0.85, "spend."),
    _against_floor("points", 0.85, "refund."),
    _against_floor("pay", 0.7),
    Figure("pay", "verify_ratio", None, least=False, ours="verify_us", floor="floor_verify_us"),
    _against_floor("import", 0.35),
    Figure("tiers", "per_s", 1_000, noise=0.4),
    Figure("tiers", "ratio", 1.3, least=False),
    Figure("expire", "ratio", 1.3, least=False),
    Figure("sweep", "ratio", 1.3, least=False),
    Figure("sweep", "floor_ratio", 2, least=False, ours="s", floor="floor_s"),
    Figure("kpi", "ratio", 1.2, least=False),
    Figure("coldstart", "ratio", 1.5, least=False),
    Figure("coldstart", "member-profile_cpu_ratio", 1.5, least=False),
    Figure("coldstart", "pay_cpu_ratio", 1.5, least=False),
    Figure("latency", "p99_s", 0.3, least=False, noise=0.5),
    Figure("invoke", "ratio", None, least=False, noise=0.3),
    Figure("day", "ratio", None, noise=0.3),
    Figure("geofence", "ratio", 1, noise=0.3),
)


@click.command(name="all")
@click.option("--only", multiple=True, type=click.Choice(tuple(SIZES)), help="Run only these.")
@click.option("--record", is_flag=True, help="Keep this run's figures for later comparisons.")
@json_option
def all_(only: tuple[str, ...], record: bool, as_json: bool) -> None:
    """Run every benchmark with short sizes; compare with the aims and with the last record.

    Ends with exit code 1 if a benchmark failed, or if a figure is worse than the recorded one by
    more than noise. Run it on a quiet machine: ratios suffer, too, when others use the processor.
    """
    before: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    names = [name for name in SIZES if name in only or not only]
    found: dict[str, dict[str, Any] | str] = {}
    for name in track(names, "benchmarks", console=Console(stderr=True)):
        found[name] = _run(name)
    rows = [_row(one, found[one.benchmark], before) for one in FIGURES if one.benchmark in found]
    if record:
        _record(rows, before)
    if as_json:
        click.echo(json.dumps({"recorded": before["recorded"], "figures": rows}))
    else:
        _show(rows, before["recorded"])
    if any(row["failed"] or row["worse"] for row in rows):
        sys.exit(1)


def _run(name: str) -> dict[str, Any] | str:
    """Run one benchmark in a process of its own; returns its figures, or why it failed."""
    command = [sys.executable, "-m", "cli", "bench", name, "--json", *SIZES[name].split()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LONGEST_S} s"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return said[-1].strip() if said else f"exit code {done.returncode}"
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _row(figure: Figure, found: dict[str, Any] | str, before: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "figure": figure.title,
        "aim": figure.aim,
        "recorded": before["figures"].get(figure.title),
        "failed": found if isinstance(found, str) else None,
        "worse": False,
    }
    if isinstance(found, str):
        return row
    value = _at(found, figure.name)
    if value is None:
        return row | {"failed": "the benchmark found no such figure"}
    worse = row["recorded"] is not None and figure.is_worse(value, row["recorded"])
    return row | {
        "value": value,
        "ours": _at(found, figure.ours),
        "floor": _at(found, figure.floor),
        "reached": figure.reached(value),
        "worse": worse,
    }


def _at(found: dict[str, Any], name: str) -> Any:
    """Return what stands at a dotted name; None if there is nothing."""
    value: Any = found
    for part in name.split(".") if name else ():
        value = value.get(part) if isinstance(value, dict) else None
    return value if name else None


def _record(rows: list[dict[str, Any]], before: dict[str, Any]) -> None:
    """Keep the figures of this run; those that were not run stay as they were."""
    figures = before["figures"] | {row["figure"]: row["value"] for row in rows if "value" in row}
    kept = {"recorded": date.today().isoformat(), "figures": dict(sorted(figures.items()))}
    RECORDED.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _show(rows: list[dict[str, Any]], recorded: str | None) -> None:
    table = Table("figure", "ours", "floor", "value", "aim", f"recorded {recorded or ''}", "")
    for row in rows:
        if row["failed"]:
            table.add_row(row["figure"], *[""] * 5, f"failed: {row['failed']}", style="red")
            continue
        said = "worse than recorded" if row["worse"] else "" if row["reached"] else "below the aim"
        values = (row[name] for name in ("ours", "floor", "value", "aim", "recorded"))
        table.add_row(
            row["figure"],
            *("" if value is None else f"{value:,}" for value in values),
            said,
            style="red" if row["worse"] else "",
        )
    Console().print(table)
