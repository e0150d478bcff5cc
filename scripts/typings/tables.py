"""The doors that each function's index.py opens, and the actions behind them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bootstrap import ROOT
from huitou.runtime.handler import Action, Call


@dataclass(frozen=True)
class Table:
    """One function, as its `main_handler` passes it to `serve`; `title` says what it does.

    `doors` are the keywords that it passes: `member`, `internal`, `changes`, `timer`, `http`.
    `call_type` is the type of the call that its actions get.
    """

    function: str
    title: str
    doors: Mapping[str, Any]
    call_type: type[Call]

    @property
    def member(self) -> Mapping[str, Action]:
        """The actions that members may call."""
        return self.doors.get("member") or {}

    @property
    def internal(self) -> Mapping[str, Action]:
        """The actions that internal callers may call."""
        return self.doors.get("internal") or {}


def read_tables() -> list[Table]:
    """Import every function's index.py and return its table, by the function's name."""
    tables = []
    for path in sorted(ROOT.glob("functions/*/index.py")):
        name, index = path.parent.name, load_index(path.parent.name)
        title = (index.__doc__ or "").partition("\n")[0].removeprefix(f"{name}: ")
        doors = _doors(index)
        tables.append(Table(name, title, doors, doors.pop("call_type", Call)))
    return tables


def _doors(index: ModuleType) -> dict[str, Any]:
    """Let `main_handler` call a `serve` that only records its arguments."""
    noted: dict[str, Any] = {}

    def note(_name: str, _event: object, _context: object, **doors: Any) -> dict[str, Any]:
        noted.update(doors)
        return {}

    serve, index.serve = index.serve, note  # type: ignore[attr-defined]
    try:
        index.main_handler({}, {})
    finally:
        index.serve = serve  # type: ignore[attr-defined]
    return noted


@cache
def load_index(name: str) -> ModuleType:
    """Import a function's index.py and the modules beside it, once per process.

    Several functions may have a `member.py`. An instance on the platform holds one function, but
    this process holds all of them. So it forgets the modules of one before it imports the next.
    """
    folder = ROOT / "functions" / name
    spec = importlib.util.spec_from_file_location(f"index_{name}", folder / "index.py")
    if spec is None or spec.loader is None:
        raise ImportError(str(folder))
    index = importlib.util.module_from_spec(spec)
    with _beside(folder):
        spec.loader.exec_module(index)
    return index


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let a function import modules of its own folder only, as on the platform."""
    own = {path.stem for path in folder.glob("*.py")}
    others = {module: sys.modules.pop(module) for module in own & set(sys.modules)}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for module in own & set(sys.modules):
            del sys.modules[module]
        sys.modules.update(others)
