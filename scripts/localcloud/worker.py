"""What runs inside one instance of a function: load `index`, answer one call at a time.

Started by `instances.py` on a bare interpreter that sees the function's folder and the layers
only. Standard library only, and nothing of Huitou: this is the platform's side.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from multiprocessing.connection import Connection


def _serve(connection: Connection) -> None:
    handler = importlib.import_module("index").main_handler
    while True:
        try:
            event, context = json.loads(connection.recv_bytes())
        except EOFError:
            return
        # As the real runtimes do, and never clear: a handler that trusts these is wrong.
        caller = json.loads(context["environment"])
        os.environ.update({k: v for k, v in caller.items() if k.startswith("WX_")})
        try:
            answer = {"result": handler(event, context)}
            payload = json.dumps(answer, ensure_ascii=False)
        except Exception as error:
            traceback.print_exc()
            payload = json.dumps({"error": {"type": type(error).__name__}})
        connection.send_bytes(payload.encode())


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
