"""The real `tcb` client of CloudBase, installed for the tests and connected to the local cloud.

The client is npm's `@cloudbase/cli` in a pinned version. It runs on the environment's own Node. It
believes that it talks to Tencent Cloud; a proxy on loopback
decrypts its TLS and passes the calls to the local cloud.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bootstrap import ROOT

CLIENT = "@cloudbase/cli@2.12.10"
NODE = Path(sys.executable).parent
FOLDER = ROOT / ".build" / "tcb"
INSTALL_TIMEOUT_S = 300
COMMAND_TIMEOUT_S = 120
# The client reports its usage here. The proxy refuses these calls, and the client goes on.
TELEMETRY = "otheve.beacon.qq.com"


def installed() -> Path:
    """Return the client's script; installs it if it is missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = FOLDER / CLIENT.rpartition("@")[2]
        script = place / "node_modules" / "@cloudbase" / "cli" / "bin" / "tcb"
        if not script.exists():
            environment = {**os.environ, "PATH": f"{NODE}{os.pathsep}{os.environ['PATH']}"}
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            command = [str(NODE / "npm"), "install", "--prefix", str(place), *quiet, CLIENT]
            subprocess.run(command, env=environment, check=True, timeout=INSTALL_TIMEOUT_S)
    return script


class Tcb:
    """The client with its own home and temporary folder, because it uses fixed names in both."""

    def __init__(self, home: Path, proxy_url: str, certificate: Path, project: Path) -> None:
        self._script = installed()
        self._project = project
        (home / "tmp").mkdir(parents=True)
        self._environment = {
            "PATH": f"{NODE}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "CI": "1",
            "TZ": "Asia/Shanghai",  # It asks for logs by the local time.
            "http_proxy": proxy_url,
            "NODE_EXTRA_CA_CERTS": str(certificate),
        }

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Run one command to its end and return all it printed.

        The exit code is 0 even if a function failed, so callers check the text.
        """
        done = subprocess.run(
            [str(NODE / "node"), str(self._script), *arguments],
            cwd=self._project,
            env={**self._environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        return done.stdout + done.stderr
