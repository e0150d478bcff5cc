"""What runs inside one instance of a function: load `index`, answer one call at a time.

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
from typing import BinaryIO

# The framing of multiprocessing's Connection, which the other end uses; importing that here
# would be charged to every function's cold start.
_LENGTH = struct.Struct("!i")


def _serve(calls: BinaryIO, answers: BinaryIO) -> None:
    handler = importlib.import_module("index").main_handler
    while header := calls.read(_LENGTH.size):
        event, context = json.loads(calls.read(_LENGTH.unpack(header)[0]))
        # As the real runtimes do, and never clear: a handler that trusts these is wrong.
        caller = json.loads(context["environment"])
        os.environ.update({k: v for k, v in caller.items() if k.startswith("WX_")})
        try:
            answer = {"result": handler(event, context)}
            payload = json.dumps(answer)
        except Exception as error:
            traceback.print_exc()
            payload = json.dumps({"error": {"type": type(error).__name__}})
        raw = payload.encode()
        answers.write(_LENGTH.pack(len(raw)) + raw)
        answers.flush()


if __name__ == "__main__":
    end = int(sys.argv[1])
    with open(end, "rb", closefd=False) as incoming, open(end, "wb") as outgoing:
        _serve(incoming, outgoing)
