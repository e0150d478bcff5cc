"""The bundle as `cloudbaserc.json` declares it: functions, their variables, timers and routes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_VARIABLE = re.compile(r"\{\{\s*env\.(\w+)\s*\}\}")


class BundleError(Exception):
    """`cloudbaserc.json` can't be used; the message lists every fault."""


@dataclass(frozen=True)
class TimerTrigger:
    """A 7-field cron: second minute hour day month weekday year."""

    function: str
    name: str
    cron: str


@dataclass(frozen=True)
class FunctionConfig:
    """One function as declared; `variables` are rendered."""

    name: str
    folder: Path
    timeout_s: int
    memory_mb: int
    variables: Mapping[str, str]
    timers: tuple[TimerTrigger, ...]


@dataclass(frozen=True)
class Bundle:
    """All functions by name, and the HTTP routes (path → function)."""

    functions: Mapping[str, FunctionConfig]
    routes: Mapping[str, str]


def read_bundle(variables: Mapping[str, str], path: Path = ROOT / "cloudbaserc.json") -> Bundle:
    """Read and render the bundle; BundleError names every variable that is missing."""
    declared = json.loads(path.read_text(encoding="utf-8"))
    missing: list[str] = []

    def render(where: str, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in variables:
                missing.append(f"{path.name}: {where}: {match[0]} is not set")
            return variables.get(match[1], "")

        return _VARIABLE.sub(value, text)

    functions = {}
    for entry in declared["functions"]:
        name = entry["name"]
        functions[name] = FunctionConfig(
            name=name,
            folder=path.parent / declared["functionRoot"] / name,
            timeout_s=entry["timeout"],
            memory_mb=entry["memorySize"],
            variables={
                key: render(f"{name}.envVariables.{key}", str(value))
                for key, value in entry.get("envVariables", {}).items()
            },
            timers=tuple(
                TimerTrigger(name, timer["name"], timer["config"])
                for timer in entry.get("triggers", [])
            ),
        )
    if missing:
        raise BundleError("\n".join(missing))
    routes = {
        route["path"]: route["target"].removeprefix("function:")
        for route in declared.get("gateway", {}).get("routes", [])
    }
    return Bundle(functions, routes)
