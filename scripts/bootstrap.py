"""Make the project's own environment on a machine that has Python and a package registry.

`.venv` holds what developers use. What functions import comes from the dependency layer, which
`deployment/packages.py` builds when it is first needed. Standard library only: this runs before
anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# The packages that functions import at run time, by layer.
REQUIREMENTS = {
    name: ROOT / "layers" / name / "requirements.txt"
    for name in ("deps", "web", "image", "storage")
}
# What developers need besides.
DEVELOPMENT = ROOT / "scripts" / "requirements.txt"


def environment_python() -> Path:
    """Return the environment's interpreter; installs what has changed since the last call."""
    pins = "".join(path.read_text(encoding="utf-8") for path in _pins())
    wanted = hashlib.sha256((pins + sys.version).encode()).hexdigest()
    stamp = VENV / "installed"
    python = VENV / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    with open(ROOT / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # If two first commands run at once, the second one waits.
        if not (stamp.exists() and stamp.read_text() == wanted and python.exists()):
            _install(python)
            stamp.write_text(wanted)
    (ROOT / ".venv.lock").unlink(missing_ok=True)
    return python


def _install(python: Path) -> None:
    print("setting up .venv (first run, or the pins changed) …", file=sys.stderr, flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        venv.create(VENV, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit("Python could not make a virtual environment; on Debian: apt install python3-venv")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    # The lists pin all transitive packages, each with the hashes of its files.
    pip += ["--no-deps", "--require-hashes", "--progress-bar", "off"]
    try:
        subprocess.run([*pip, *(f"-r{path}" for path in _pins())], check=True)
    except subprocess.CalledProcessError as failed:
        sys.exit(f"pip could not install the dependencies (exit {failed.returncode}); see above")


def _pins() -> list[Path]:
    return [*REQUIREMENTS.values(), DEVELOPMENT]


def run(module: str, arguments: list[str]) -> None:
    """Become `python -m module` inside the environment; does not return."""
    python = environment_python()
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(import_paths()))
    # With this variable each process would compile all modules and tests again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    os.execve(python, [str(python), "-m", module, *arguments], environment)  # noqa: S606


def import_paths() -> list[str]:
    """Return the folders whose packages developers import: the core layer and scripts/."""
    return [str(ROOT / "layers" / "core"), str(ROOT / "scripts")]
