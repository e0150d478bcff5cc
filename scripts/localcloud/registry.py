"""What is deployed on the local cloud, kept over restarts: functions, versions, layers, rules.

A package (a zip that was uploaded) is unpacked once into a folder named by its SHA-256, so that
any number of functions, versions and local clouds of this checkout share it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from deployment.unpacking import unpacked_folder
from localcloud.errors import PlatformError

LATEST, DEFAULT = "$LATEST", "$DEFAULT"
_ZONE = ZoneInfo("Asia/Shanghai")


class Layer(BaseModel):
    """One published version of a layer; never edited."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    sha256: str
    description: str
    runtimes: list[str]
    added_at: str


class Revision(BaseModel):
    """A function's code and configuration as they stand in one version; never edited."""

    model_config = ConfigDict(frozen=True)

    function: str
    version: str
    code_sha256: str
    code_bytes: int
    handler: str
    runtime: str
    description: str
    timeout_s: int
    memory_mb: int
    variables: dict[str, str]
    layers: list[tuple[str, int]]
    vpc: dict[str, str]
    version_description: str = ""
    modified_at: str


class Trigger(BaseModel):
    """A timer: its 7-field cron, what it says to the function, and which version it starts."""

    model_config = ConfigDict(frozen=True)

    function: str
    name: str
    cron: str
    message: str
    qualifier: str
    enabled: bool
    added_at: str


class Function(BaseModel):
    """A function with all its versions; `$DEFAULT` is the alias that callers without one get."""

    name: str
    added_at: str
    revisions: dict[str, Revision]
    aliases: dict[str, str] = {DEFAULT: LATEST}
    alias_notes: dict[str, str] = {}
    triggers: dict[str, Trigger] = {}
    retries: int = 2
    message_ttl_s: int = 21_600
    reserved_mb: int | None = None
    last_version: int = 0

    def revision(self, qualifier: str) -> Revision:
        """The version that a number, `$LATEST` or an alias stands for."""
        version = self.aliases.get(qualifier, qualifier)
        if version not in self.revisions:
            raise PlatformError("ResourceNotFound.Qualifier", f"{self.name}: no {qualifier}")
        return self.revisions[version]

    def draft(self) -> Function:
        """Copy it, to be changed."""
        return self.model_copy(
            update={
                "revisions": dict(self.revisions),
                "aliases": dict(self.aliases),
                "alias_notes": dict(self.alias_notes),
                "triggers": dict(self.triggers),
            }
        )


class _State(BaseModel):
    functions: dict[str, Function] = {}
    layers: dict[str, list[Layer]] = {}
    routes: dict[str, str] = {}
    static: list[str] | None = None
    security_rules: dict[str, dict[str, Any]] = {"*": {"invoke": "auth != null"}}

    def draft(self) -> _State:
        """Copy what can be changed; versions, layers and timers never are, so they stay the same.

        Instances know their version by identity.
        """
        return _State.model_construct(
            functions={name: function.draft() for name, function in self.functions.items()},
            layers={name: list(versions) for name, versions in self.layers.items()},
            routes=dict(self.routes),
            static=None if self.static is None else list(self.static),
            security_rules=dict(self.security_rules),
        )


class Registry:
    """Everything deployed; change it inside `changing`, which writes it down.

    What is handed out elsewhere never changes, so readers need no lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._mine = threading.local()  # The draft of the thread that is changing something.
        try:
            self._kept = _State.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError:
            self._kept = _State()
        self._forget_what_has_no_package()

    def _forget_what_has_no_package(self) -> None:
        # Packages are a cache beside the checkout; whoever empties it deploys again.
        state = self._kept
        for name, versions in list(state.layers.items()):
            state.layers[name] = [v for v in versions if unpacked_folder(v.sha256).is_dir()]
        for name, function in list(state.functions.items()):
            complete = all(
                unpacked_folder(r.code_sha256).is_dir()
                and all(self._layer_or_none(*layer) for layer in r.layers)
                for r in function.revisions.values()
            )
            if not complete:
                del state.functions[name]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change a draft that is this thread's alone; others see it stored as a whole, or never."""
        with self._lock:
            draft = self._mine.draft = self._kept.draft()
            try:
                yield
                self._store(draft)
                self._kept = draft
            finally:
                del self._mine.draft

    @property
    def _state(self) -> _State:
        draft: _State | None = getattr(self._mine, "draft", None)
        return draft or self._kept

    def _store(self, state: _State) -> None:
        scratch = self._path.with_suffix(".new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(state.model_dump_json())
        os.replace(scratch, self._path)

    @property
    def functions(self) -> dict[str, Function]:
        return self._state.functions

    @property
    def layers(self) -> dict[str, list[Layer]]:
        return self._state.layers

    @property
    def routes(self) -> dict[str, str]:
        """HTTP access: path → function."""
        return self._state.routes

    @property
    def static(self) -> list[str] | None:
        """The paths that lead to static hosting; None while that isn't open."""
        return self._state.static

    @static.setter
    def static(self, paths: list[str] | None) -> None:
        self._state.static = paths

    @property
    def security_rules(self) -> dict[str, dict[str, Any]]:
        """By function, `*` for all others: `{"invoke": …}`."""
        return self._state.security_rules

    @security_rules.setter
    def security_rules(self, rules: dict[str, dict[str, Any]]) -> None:
        self._state.security_rules = rules

    def function(self, name: str) -> Function:
        """Return a function; PlatformError if there is none of this name."""
        try:
            return self._state.functions[name]
        except KeyError:
            raise PlatformError("ResourceNotFound.Function", f"no function {name}") from None

    def layer(self, name: str, version: int) -> Layer:
        """Return one version of a layer; PlatformError if there is none."""
        found = self._layer_or_none(name, version)
        if found is None:
            raise PlatformError("ResourceNotFound.LayerVersion", f"no layer {name}:{version}")
        return found

    def _layer_or_none(self, name: str, version: int) -> Layer | None:
        return next((v for v in self._state.layers.get(name, []) if v.version == version), None)

    def paths(self, revision: Revision) -> list[Path]:
        """Where a version's code is, then its layers: the last one covers those before it."""
        layers = [self.layer(*layer).sha256 for layer in reversed(revision.layers)]
        return [unpacked_folder(sha256) for sha256 in (revision.code_sha256, *layers)]

    def triggers(self) -> list[Trigger]:
        """All timers that are switched on."""
        return [
            trigger
            for function in self._state.functions.values()
            for trigger in function.triggers.values()
            if trigger.enabled
        ]


def timestamp(moment: datetime | None = None) -> str:
    """A moment (the present one by default) as the platform's API writes it."""
    return (moment or datetime.now(_ZONE)).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")
