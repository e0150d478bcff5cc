"""`dead-letters`: what triggers and timers could not process."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.place import Environment, Place, environment_options


@click.group(name="dead-letters")
def dead_letters() -> None:
    """What could not be processed: ids and reason, kept until replayed.

    A letter is written when a retry can't cure a failure. Repair the cause, then replay the letter;
    if it fails again, it comes back.
    """


@dead_letters.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
@environment_options
def list_(environment: Environment, as_json: bool) -> None:
    """List the dead letters."""
    with environment.open() as place:
        data = _ask(place, {"action": "dead_letters"})
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False))
        return
    if not data["dead_letters"]:
        click.echo("no dead letters")
        return
    table = Table("letter", "reason", "times", "last at")
    for letter in data["dead_letters"]:
        table.add_row(
            letter["letter_id"], letter["reason"], str(letter["times"]), letter["last_at"]
        )
    Console().print(table)


@dead_letters.command()
@click.argument("letters", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Replay all dead letters.")
@environment_options
def replay(environment: Environment, letters: tuple[str, ...], every: bool) -> None:
    """Start the functions of LETTERS again, each for its document.

    \b
    scripts/huitou dead-letters replay points-sync:o7dcac3cae1ea7b927a2a98ab
    scripts/huitou dead-letters replay --all
    """
    if bool(letters) == every:
        raise click.UsageError("name letters (`dead-letters list` shows them), or say --all")
    with environment.open() as place:
        if every:
            found = _ask(place, {"action": "dead_letters", "limit": 1_000})["dead_letters"]
            letters = tuple(letter["letter_id"] for letter in found)
        for letter in letters:
            done = _ask(place, {"action": "replay", "letter_id": letter})
            click.echo(f"{letter}: started again by {done['by']}")
    if not letters:
        click.echo("no dead letters")


def _ask(place: Place, event: dict[str, Any]) -> dict[str, Any]:
    answer = place.internal_call("maintenance", event)
    if not answer["ok"]:
        raise click.ClickException(f"{answer['error']['code']}: {answer['error']['message']}")
    return dict(answer["data"])
