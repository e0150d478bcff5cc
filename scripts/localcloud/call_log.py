"""What calls printed and how they ended, one line of JSON each, as GetFunctionLogs tells it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.pool import Invocation
from localcloud.registry import timestamp

MAX_FILE_BYTES = 16 * 1024 * 1024  # Of one function; then the older half of what is kept goes.


class CallLog:
    """A folder with a file for each function; the newest calls at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.jsonl"):
            with path.open("a") as file:
                file.write("\n")  # The last line may have been cut short; the next begins anew.

    def write(self, function: str, started_at: datetime, done: Invocation, retry: int) -> None:
        """Note one call; never its event nor its answer, which may hold personal data."""
        record = {
            "FunctionName": function,
            "Qualifier": done.version,
            "RequestId": done.request_id,
            "StartTime": timestamp(started_at),
            "RetCode": done.failure.status if done.failure else 0,
            "RetMsg": done.failure.message if done.failure else "",
            "InvokeFinished": 1,
            "Duration": round(done.duration_ms, 2),
            "BillDuration": round(done.duration_ms),
            "MemUsage": done.memory_bytes,
            "ColdStart": done.cold,
            "RetryNum": retry,
            "Log": done.log,
        }
        line = json.dumps(record, ensure_ascii=False) + "\n"
        path = self._path(function)
        with self._lock:
            if path.exists() and path.stat().st_size > MAX_FILE_BYTES // 2:
                os.replace(path, path.with_suffix(".older"))
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(line)

    def newest(self, function: str) -> Iterator[dict[str, Any]]:
        """Read a function's calls, the newest first."""
        path = self._path(function)
        with self._lock:
            texts = [_text(path), _text(path.with_suffix(".older"))]
        for text in texts:
            # Not splitlines(): what a call printed may hold other ends of lines (U+2028, U+0085).
            for line in reversed(text.split("\n")):
                with suppress(ValueError):  # Empty, or cut short when the local cloud was killed.
                    yield json.loads(line)

    def of_request(self, request_id: str) -> Iterator[dict[str, Any]]:
        """Read the attempts of one call, the newest first, whichever function it was of."""
        for path in self._folder.glob("*.jsonl"):
            found = (r for r in self.newest(path.stem) if r["RequestId"] == request_id)
            yield from found

    def _path(self, function: str) -> Path:
        return self._folder / f"{function}.jsonl"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
