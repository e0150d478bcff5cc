"""Read JSON that an operator has written, for example rules, a cart or a campaign draft.

It is held to the same limits as what others send: a key twice would hide one of two values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ValidationError

from huitou.runtime.parsing import MOST_EVENT_BYTES, Malformed, parse_json


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return a JSON object; else a ClickException says what is wrong, and in which line."""
    if len(text) > MOST_EVENT_BYTES:
        raise click.ClickException(f"{where}: longer than {MOST_EVENT_BYTES} signs")
    try:
        found = parse_json(text, "it")
    except Malformed as malformed:
        cause = malformed.__cause__
        if isinstance(cause, json.JSONDecodeError):
            fault = f"not JSON: line {cause.lineno}: {cause.msg}"
        else:
            fault = str(malformed)
        raise click.ClickException(f"{where}: {fault}") from None
    if not isinstance(found, dict):
        raise click.ClickException(f'{where}: not an object like {{"name": …}}')
    return found


def read_text(path: Path) -> str:
    """Return the text of a file; else a ClickException says why it can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not UTF-8 text") from None


def read_document(path: Path, model: type[BaseModel], what: str) -> dict[str, Any]:
    """Return a JSON file that fits the model; else a ClickException names each wrong field."""
    text = read_text(path)
    found = parse_object(text, str(path))
    try:
        model.model_validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        faults = (
            f"  {'.'.join(map(str, fault['loc'])) or what}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise click.ClickException("\n".join([f"{path}:", *faults])) from None
    return found
