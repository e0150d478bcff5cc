"""The console's pages, built from `functions/console/web` with the Node that PyPI brings.

Built beside the sources, never into them: `.build/web/<what they are>/dist`. The same sources are
built once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bootstrap import ROOT
from deployment.packages import PackageError

SOURCES = ROOT / "functions" / "console" / "web"
BUILT = ROOT / ".build" / "web"
_LEFT_OUT = {"node_modules", "dist"}
_TIMEOUT_S = 600


def pages(say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of the built pages, building them first where that is needed.

    Raises PackageError with what npm said.
    """
    place = BUILT / _digest()
    if not (place / "dist" / "index.html").exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with open(BUILT / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Two at once: the second finds what the first made.
            if not (place / "dist" / "index.html").exists():
                say("building the console's pages (once, about half a minute) …")
                _build(place)
    return place / "dist"


def _digest() -> str:
    found = hashlib.sha256(sys.version.encode())
    for place, folders, names in os.walk(SOURCES):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for path in (Path(place, name) for name in sorted(names)):
            found.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _build(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=BUILT) as scratch:
        work = Path(scratch) / "web"
        shutil.copytree(SOURCES, work, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        npm(work, "ci", "--no-audit", "--no-fund")
        npm(work, "run", "build")
        place.mkdir(exist_ok=True)
        shutil.rmtree(place / "dist", ignore_errors=True)
        (work / "dist").replace(place / "dist")


def npm(folder: Path, *words: str) -> None:
    """Run npm in a folder, with the environment's own Node."""
    beside = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        [beside / "npm", *words],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip())[-2_000:]
        raise PackageError(f"npm {' '.join(words)} failed (exit {done.returncode}):\n{told}")
