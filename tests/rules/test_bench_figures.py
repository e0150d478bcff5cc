"""`bench all` tells what fell by more than noise, and why a benchmark failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.bench import PLACES, everything
from cli.bench.everything import FIGURES, SIZES, Figure, all_

FOUND = {"award": {"ratio": 0.8}, "spend": {"ratio": 0.5}, "refund": {"ratio": 0.6}}


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "figures.json"
    kept = {"points award.ratio": 0.8, "points spend.ratio": 0.8}
    path.write_text(json.dumps({"recorded": "2026-01-01", "figures": kept}))
    monkeypatch.setattr(everything, "RECORDED", path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, found: object, *more: str) -> tuple[int, dict[str, Any]]:
    monkeypatch.setattr(everything, "_run", lambda _: found)
    done = CliRunner().invoke(all_, ["--only", "points", "--json", *more])
    rows = json.loads(done.stdout)["figures"]
    return done.exit_code, {row["figure"]: row for row in rows}


def test_every_benchmark_is_in_the_table_of_all() -> None:
    assert set(SIZES) == {figure.benchmark for figure in FIGURES} == set(PLACES) - {"all"}


@pytest.mark.parametrize(
    ("least", "value", "worse"),
    [(True, 0.84, True), (True, 0.86, False), (True, 2.0, False),
     (False, 1.16, True), (False, 1.14, False), (False, 0.1, False)],
)  # fmt: skip
def test_only_a_change_for_the_worse_by_more_than_noise_counts(
    least: bool, value: float, worse: bool
) -> None:
    assert Figure("x", "ratio", 1, least=least, noise=0.15).is_worse(value, 1.0) == worse


def test_a_figure_that_fell_ends_the_command_with_an_error(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, rows = run(monkeypatch, FOUND)
    assert code == 1
    assert [name for name, row in rows.items() if row["worse"]] == ["points spend.ratio"]
    assert rows["points refund.ratio"]["recorded"] is None
    assert json.loads(recorded.read_text())["recorded"] == "2026-01-01"


def test_recorded_figures_are_what_the_next_run_is_compared_with(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, FOUND, "--record")
    assert json.loads(recorded.read_text())["figures"]["points spend.ratio"] == 0.5
    assert run(monkeypatch, FOUND)[0] == 0


def test_a_benchmark_that_fails_says_why_in_one_line(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, rows = run(monkeypatch, "no such option: --carts")
    assert (code, {row["failed"] for row in rows.values()}) == (1, {"no such option: --carts"})
    monkeypatch.undo()
    monkeypatch.setitem(SIZES, "geofence", "--stores many")
    assert "'many' is not a valid integer" in str(everything._run("geofence"))
