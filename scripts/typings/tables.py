"""What each function offers: the tables `MEMBER` and `INTERNAL` of its index.py."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from bootstrap import ROOT
from huitou.runtime.handler import Action


@dataclass(frozen=True)
class Table:
    """One function's actions by the door they are behind; `title` says what it does."""

    function: str
    title: str
    member: Mapping[str, Action]
    internal: Mapping[str, Action]


def read_tables() -> list[Table]:
    """Import every function's index.py and return its tables, by the function's name."""
    tables = []
    for path in sorted(ROOT.glob("functions/*/index.py")):
        name = path.parent.name
        spec = importlib.util.spec_from_file_location(f"index_{name}", path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        index = importlib.util.module_from_spec(spec)
        with _beside(path.parent):
            spec.loader.exec_module(index)
        title = (index.__doc__ or "").partition("\n")[0].removeprefix(f"{name}: ")
        member, internal = (getattr(index, door, {}) for door in ("MEMBER", "INTERNAL"))
        tables.append(Table(name, title, member, internal))
    return tables


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let a function import what lies in its own folder, as the platform does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def answer_model(action: Action) -> type[BaseModel]:
    """Return the model of an action's answer, importing one that is only named."""
    if not isinstance(action.answer, str):
        return action.answer
    module, _, name = action.answer.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    return model
