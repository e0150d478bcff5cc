"""`scripts/test`: everything that must hold before a change lands."""

from __future__ import annotations

import subprocess
import sys

import click

import guard
from bootstrap import ROOT

# Two processes, each with its own MongoDB and cloud, take whole files, because the tests of one
# file share what they have started. The slowest files come first (tests/conftest.py).
TWO_WORKERS = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
NO_LIMIT = ("--timeout", "0")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--fast", is_flag=True, help="For the inner loop: skip the slow tests.")
@click.option(
    "--hunt", is_flag=True, help="Property tests alone, with forty times the examples (hours)."
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def check(fast: bool, hunt: bool, pytest_arguments: tuple[str, ...]) -> None:
    """Lint, type-check and run the tests, real MongoDB included; nothing is skipped in silence.

    A whole run takes two processes and ends with its ten slowest tests. Arguments after -- go to
    pytest, and then only it runs, in one process: scripts/test -- tests/rules -k tier
    """
    python = sys.executable
    guard.stand()
    if not (hunt or pytest_arguments):
        _run(python, "-m", "ruff", "check", ".")
        _run(python, "-m", "ruff", "format", "--check", ".")
        _run(python, "-m", "mypy")
    selected = [*(["-m", "not slow"] if fast else []), *pytest_arguments]
    if hunt:
        selected += ["-m", "hypothesis", "--hypothesis-profile", "hunt", *NO_LIMIT]
    if not pytest_arguments:
        selected += [*TWO_WORKERS, "--durations", "10"]
    _run(python, "-m", "pytest", *selected)


def _run(*command: str) -> None:
    click.echo("· " + " ".join(command[1:]), err=True)
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # The child gets Ctrl-C too and stops its clouds.
                continue
    if process.returncode:
        sys.exit(process.returncode)


if __name__ == "__main__":
    check(prog_name="scripts/test")
