"""A real headless Chromium from a package, so that the machine needs no browser.

The font for Chinese is Noto Sans SC, which is in the environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bootstrap import ROOT
from deployment.packages import PackageError
from deployment.web import npm

_HERE = Path(__file__).parent
_BUILT = ROOT / ".build" / "browser"
_FILES = ("package.json", "package-lock.json", "chromium.mjs")
# For root in a container: without Chromium's sandbox, and with little shared memory.
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"]


@cache
def chromium_folder() -> Path:
    """Return the folder of the browser's package; installs it the first time."""
    found = hashlib.sha256()
    for name in _FILES:
        found.update((_HERE / name).read_bytes())
    place = _BUILT / found.hexdigest()[:16]
    _BUILT.mkdir(parents=True, exist_ok=True)
    with open(_BUILT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            with tempfile.TemporaryDirectory(dir=_BUILT) as scratch:
                work = Path(scratch) / "package"
                work.mkdir()
                for name in _FILES:
                    shutil.copy(_HERE / name, work / name)
                npm(work, "ci", "--no-audit", "--no-fund")
                shutil.rmtree(place, ignore_errors=True)
                work.replace(place)
                (place / "installed").touch()
    return place


def axe_source() -> str:
    """Return the accessibility checker's script, which runs in a page."""
    path = chromium_folder() / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text(encoding="utf-8")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser; raises PackageError if it can't be installed."""
    folder = chromium_folder()
    node = Path(sys.executable).parent / "node"
    done = subprocess.run(
        [node, "chromium.mjs", str(folder / "unpacked")],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise PackageError(f"no browser: {done.stderr.strip()[-1_000:]}")
    found = json.loads(done.stdout)
    environment: dict[str, str | float | bool] = {**os.environ}
    environment["FONTCONFIG_FILE"] = str(_fonts(folder))
    if (
        "not found"
        in subprocess.run(
            ["ldd", found["path"]], capture_output=True, text=True, check=False
        ).stdout
    ):
        environment["LD_LIBRARY_PATH"] = found["libraries"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=found["path"], args=_ARGUMENTS, env=environment
        )
        try:
            yield started
        finally:
            started.close()


def _fonts(folder: Path) -> Path:
    """Write a font configuration with the environment's Chinese font."""
    carrier = find_spec("zhplot")
    if carrier is None or carrier.origin is None:
        raise PackageError("no Chinese font: the environment lacks zhplot")
    fonts = Path(carrier.origin).parent / "fonts"
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{fonts}</dir><dir>/usr/share/fonts</dir><cachedir>{folder / 'cache'}</cachedir>"
        "</fontconfig>",
        encoding="utf-8",
    )
    return path
