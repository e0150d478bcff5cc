"""Find what each area declares in its own `schema.py` and `errors.py`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import huitou


def modules_named(name: str) -> Iterator[ModuleType]:
    """Import every module of the layer with this name, in the order of their paths."""
    for found in pkgutil.walk_packages(huitou.__path__, "huitou."):
        if found.name.rpartition(".")[2] == name:
            yield importlib.import_module(found.name)
