"""Read a document that an operator has written, for example rules or a campaign draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ValidationError


def read_document(path: Path, model: type[BaseModel], what: str) -> dict[str, Any]:
    """Return a JSON file that fits the model; else a ClickException names each wrong field."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
        model.model_validate_json(text, strict=True, extra="forbid")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{path} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise click.ClickException(f"{path}: line {error.lineno}: {error.msg}") from None
    except ValidationError as error:
        faults = (
            f"  {'.'.join(map(str, fault['loc'])) or what}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise click.ClickException("\n".join([f"{path}:", *faults])) from None
    return dict(found)
