"""What runs inside one instance of a function: load the handler, answer one call at a time.

Started by `instances.py` on a bare interpreter that sees the function's folder and the layers
only. Standard library only, and nothing of Huitou: this is the platform's side.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

_LENGTH = struct.Struct("!I")  # Goes before each call and each answer.


def _serve(name: str, most_bytes: int, calls: BinaryIO, answers: BinaryIO) -> None:
    handler, failed = _load(name)
    while header := calls.read(_LENGTH.size):
        event, context = json.loads(calls.read(_LENGTH.unpack(header)[0]))
        # As the real runtimes do, and never clear: a handler that trusts these is wrong.
        caller = json.loads(context["environment"])
        os.environ.update({k: v for k, v in caller.items() if k.startswith("WX_")})
        try:
            if handler is None:
                raise failed or TypeError(f"{name} is None")
            text = json.dumps(handler(event, context), allow_nan=False)
            answer = f"returned {text}" if len(text) <= most_bytes else "oversize"
        except Exception as error:
            _tell()
            answer = f"{'raised' if failed is None else 'unloadable'} {type(error).__name__}"
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # The handler may have closed or replaced it.
                stream.flush()
        raw = answer.encode()
        answers.write(_LENGTH.pack(len(raw)) + raw)
        answers.flush()
        if failed is not None:
            sys.exit(1)


def _load(name: str) -> tuple[Callable[..., Any] | None, Exception | None]:
    """Import the handler; what goes wrong is told to the first caller, who can see it."""
    module, _, attribute = name.partition(".")
    try:
        return getattr(importlib.import_module(module), attribute), None
    except Exception as error:
        return None, error


def _tell() -> None:
    with contextlib.suppress(Exception):  # There may be no stderr any more.
        traceback.print_exc()


if __name__ == "__main__":
    end = int(sys.argv[1])
    with open(end, "rb", closefd=False) as incoming, open(end, "wb", closefd=False) as outgoing:
        try:
            _serve(sys.argv[2], int(sys.argv[3]), incoming, outgoing)
        except BaseException as error:
            if not isinstance(error, SystemExit):
                _tell()
            elif isinstance(error.code, str):
                with contextlib.suppress(Exception):
                    print(error.code, file=sys.stderr)
            os._exit(1)  # At once: waiting for the handler's threads could take for ever.
