"""`scripts/test`: everything that must hold before a change lands."""

from __future__ import annotations

import subprocess
import sys

import click

import guard
from bootstrap import ROOT


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--fast", is_flag=True, help="The inner loop: without the whole local cloud (≤ 60 s)."
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def check(fast: bool, pytest_arguments: tuple[str, ...]) -> None:
    """Lint, type-check and run the tests, real MongoDB included; nothing is skipped in silence.

    Arguments after -- go to pytest, and then only it runs: scripts/test -- tests/rules -k tier
    """
    guard.stand()
    python = sys.executable
    steps = [
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "mypy"],
    ]
    tests = [python, "-m", "pytest", *(["-m", "not slow"] if fast else []), *pytest_arguments]
    for command in [*([] if pytest_arguments else steps), tests]:
        _run(*command)


def _run(*command: str) -> None:
    click.echo("· " + " ".join(command[1:]), err=True)
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # It has heard Ctrl-C too; tests then stop their clouds.
                continue
    if process.returncode:
        sys.exit(process.returncode)


if __name__ == "__main__":
    check(prog_name="scripts/test")
