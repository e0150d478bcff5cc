"""What runs inside one instance of a function: load the handler, answer one call at a time.

Started by `instances.py` on a bare interpreter that sees the function's folder and the layers
only. Standard library only, and nothing of Huitou: this is the platform's side.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

# The framing of multiprocessing's Connection, which the other end uses; importing that here
# would be charged to every function's cold start.
_LENGTH = struct.Struct("!i")


def _serve(name: str, calls: BinaryIO, answers: BinaryIO) -> None:
    module, _, attribute = name.partition(".")
    handler: Callable[..., Any] | None = None
    failed: Exception | None = None
    try:
        handler = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # Told to the first caller, who can see it; then we are through.
        failed = error
    while header := calls.read(_LENGTH.size):
        event, context = json.loads(calls.read(_LENGTH.unpack(header)[0]))
        # As the real runtimes do, and never clear: a handler that trusts these is wrong.
        caller = json.loads(context["environment"])
        os.environ.update({k: v for k, v in caller.items() if k.startswith("WX_")})
        try:
            if failed is not None or handler is None:
                raise failed or TypeError(f"{name} is None")
            answer = "returned " + json.dumps(handler(event, context), allow_nan=False)
        except Exception as error:
            traceback.print_exc()
            answer = f"{'raised' if failed is None else 'unloadable'} {type(error).__name__}"
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, f"\0{context['request_id']}\n".encode())  # Where this call's output ends.
        raw = answer.encode()
        answers.write(_LENGTH.pack(len(raw)) + raw)
        answers.flush()
        if failed is not None:
            sys.exit(1)


if __name__ == "__main__":
    end = int(sys.argv[1])
    with open(end, "rb", closefd=False) as incoming, open(end, "wb") as outgoing:
        _serve(sys.argv[2], incoming, outgoing)
