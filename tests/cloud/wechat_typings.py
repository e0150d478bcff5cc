"""WeChat's own typings and the TypeScript compiler, installed for the tests, and a way to ask it.

Nothing here is ours but the wiring: both are npm's, in pinned versions.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

from bootstrap import ROOT
from deployment.web import npm

PACKAGES = {"typescript": "7.0.2", "miniprogram-api-typings": "5.2.3"}
FOLDER = ROOT / ".build" / "wechat-typings"
COMPILE_TIMEOUT_S = 120


def installed() -> Path:
    """Return the folder with `node_modules`, installing what is missing, once."""
    place = FOLDER / "-".join(PACKAGES.values())
    place.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "done").exists():
            wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
            npm(place, "install", "--no-audit", "--no-fund", "--ignore-scripts", *wanted)
            (place / "done").touch()
    return place


def faults(folder: Path, **sources: str) -> list[str]:
    """Compile these files (`name=text`) strictly under WeChat's typings; what the compiler says."""
    modules = installed() / "node_modules"
    for name, text in sources.items():
        (folder / f"{name}.ts").write_text(text, encoding="utf-8")
    options = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "esnext",
        "lib": ["es2022"],
        "types": ["miniprogram-api-typings"],
        "typeRoots": [str(modules)],
        "moduleDetection": "force",
    }
    files = [f"{name}.ts" for name in sources] + ["huitou.d.ts"]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": files}))
    compiler = [str(Path(sys.executable).parent / "node"), str(modules / "typescript/bin/tsc")]
    done = subprocess.run(
        [*compiler, "-p", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=COMPILE_TIMEOUT_S,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0 or lines, done.stderr
    return lines
