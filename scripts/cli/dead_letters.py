"""`dead-letters`: what triggers and timers could not process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cli.up import data_option
from localcloud.client import connected


@click.command(name="dead-letters")
@click.option("--replay", metavar="LETTER", help="Start this letter's function again.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@data_option
def dead_letters(replay: str | None, as_json: bool, data_folder: Path) -> None:
    """List what could not be processed (ids and reason), or replay one.

    A letter is written when no retry can cure a failure. Mend the cause, then replay it; if it
    fails again it comes back.
    """
    with connected(data_folder) as cloud:
        if replay:
            answer = cloud.internal_call("maintenance", {"action": "replay", "letter_id": replay})
        else:
            answer = cloud.internal_call("maintenance", {"action": "dead_letters"})
    if not answer["ok"]:
        sys.exit(f"{answer['error']['code']}: {answer['error']['message']}")
    if as_json or replay:
        click.echo(json.dumps(answer["data"], ensure_ascii=False))
        return
    letters = answer["data"]["dead_letters"]
    if not letters:
        click.echo("no dead letters")
        return
    table = Table("letter", "reason", "times", "last at")
    for letter in letters:
        table.add_row(
            letter["letter_id"], letter["reason"], str(letter["times"]), letter["last_at"]
        )
    Console().print(table)
