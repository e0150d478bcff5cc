"""How an instance loads fast: late imports, and what Python and libraries needn't do meanwhile.

A member waits for the first answer of a new instance. Most of that time goes into imports, and no
call needs all modules of its function. With

    with late_imports():
        from huitou.ordering.orders.service import Orders

`Orders` is imported when it is first called. Editors, type checkers and the tests of the
architecture see a usual import.
"""

from __future__ import annotations

import builtins
import gc
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

_BLOCK = threading.Lock()  # One block at a time, so that each puts back what it found.
_ALLOCATIONS = 100_000  # Between two runs of the garbage collector; loading makes some 200,000.


class Late:
    """Stands for a class or function whose module isn't imported yet.

    Calling it, or reading an attribute of it, imports the module and uses the real object. It
    can't stand in `isinstance`, in `except` or as a base class: those raise TypeError.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name
        self._found: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return loaded(self)(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # `isinstance` would read `__bases__`, and then always say no.
            raise AttributeError(name)
        return getattr(loaded(self), name)


def loaded(value: Any) -> Any:
    """Return the real object that a Late stands for, and any other value as it is."""
    if not isinstance(value, Late):
        return value
    if value._found is None:
        value._found = getattr(import_module(value._module), value._name)
    return value._found


@contextmanager
def late_imports() -> Iterator[None]:
    """Put off the imports of this block, `from huitou.… import …`, until each name is used.

    Imports of other packages in the block happen at once, and so do those of other threads.
    """
    owner = threading.get_ident()

    def put_off(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        ours = name.startswith("huitou.") and threading.get_ident() == owner
        if ours and fromlist and level == 0:
            return SimpleNamespace(**{wanted: Late(name, wanted) for wanted in fromlist})
        return usual(name, globals, locals, fromlist or (), level)

    with _BLOCK:
        usual = builtins.__import__  # `put_off` is called in this block only, and finds it here.
        builtins.__import__ = put_off
        try:
            yield
        finally:
            builtins.__import__ = usual


def prepare_to_load() -> None:
    """Spare a new instance work that no call needs. This runs before libraries are imported.

    - What is loaded stays, so the garbage collector finds nothing in it. It runs less often.
    - pydantic would search all installed packages for plugins. There are none.
    - pymongo would load `cryptography` to look for PyOpenSSL, which no layer has. Without this
      entry it does the same as after its search: it uses Python's own `ssl`.
    """
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.modules.setdefault("pymongo.pyopenssl_context", None)  # type: ignore[arg-type]
