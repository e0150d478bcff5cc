"""Every command is found by its name, and no command is imported before it is called."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from cli.__main__ import PLACES, main
from cli.bench import PLACES as BENCHMARKS
from cli.bench import bench


@pytest.mark.parametrize(
    ("group", "name"),
    [(main, name) for name in PLACES] + [(bench, name) for name in BENCHMARKS],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_command_has_its_name_and_says_what_it_does(group: click.Group, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_an_unknown_command_is_refused() -> None:
    assert main.get_command(click.Context(main), "sing") is None


def test_a_command_does_not_import_other_commands() -> None:
    asked = (
        "import sys; from cli.__main__ import main\n"
        "main(['price', '--help'], standalone_mode=False)\n"
        "print({'flask', 'matplotlib', 'cli.demo', 'localcloud.cloud'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
