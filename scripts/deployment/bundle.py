"""The bundle as `cloudbaserc.json` declares it, checked as a whole before anything is called.

The file follows CloudBase's published schema v2.1, with one exception: the schema lacks `layers`
on a function, though the `tcb` client sends them. Two top-level keys are ours, which the schema
allows: `securityRules` (which functions members may call, in CloudBase's own rule format) and
`asyncInvoke` (retries of asynchronous calls). `{{env.X}}` is replaced by the variable X.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bootstrap import REQUIREMENTS, ROOT
from deployment.errors import Stopped

RUNTIMES = frozenset({"Python3.9", "Python3.10", "Python3.11"})
MAX_ENVIRONMENT_BYTES = 4 * 1024  # Of one function: names and values together.
MAX_LAYERS = 5
MAX_TIMERS = 10  # Of one function.
LAYERS = ("core", *REQUIREMENTS)  # What layers/ is built into.
_VARIABLE = re.compile(r"\{\{\s*env\.(\w+)\s*\}\}")
_NAME = r"^[a-zA-Z][a-zA-Z0-9_-]{0,58}[a-zA-Z0-9]$"
# Letters, digits, spaces, commas, full stops and Chinese: CreateFunction allows no more.
_DESCRIPTION = r"^[a-zA-Z0-9 ,.\n\u4e00-\u9fff，。]+$"
_VARIABLE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_RESERVED = ("SCF_", "QCLOUD_", "TENCENTCLOUD_")  # Names the platform sets itself.
# The published schema's own keys, and our two: any other is a slip of the pen.
_TOP_LEVEL = frozenset({
    "$schema", "version", "envId", "region", "functionRoot", "functionDefaultConfig", "functions",
    "hosting", "integrations", "database", "gateway", "envOverrides", "servers", "app", "ai",
    "privateSettings", "lowcodeCustomComponents", "securityRules", "asyncInvoke",
})  # fmt: skip


class BundleError(Stopped):
    """`cloudbaserc.json` can't be used; the message lists every fault with file and field."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Timer(_Shape):
    """A 7-field cron: second minute hour day month weekday year."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,100}$")
    type: Literal["timer"]
    config: str

    @field_validator("config")
    @classmethod
    def _seven_fields(cls, cron: str) -> str:
        if len(cron.split()) != 7:
            raise ValueError("must have 7 fields: second minute hour day month weekday year")
        # Numbers, lists, ranges and steps are what the platform documents; croniter knows more.
        if not re.fullmatch(r"[0-9*,/ -]+", cron) or not croniter.is_valid(
            cron, second_at_beginning=True
        ):
            raise ValueError("is not a cron expression of numbers, * , - and /")
        try:
            croniter(cron, datetime.now(), second_at_beginning=True).get_next()
        except CroniterBadDateError:
            raise ValueError("never fires") from None
        return cron


class Layer(_Shape):
    """A layer by its account-wide name, `<layer>_<environment>`; deploying finds the version."""

    name: str
    version: int | str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name.partition("_")[0] not in LAYERS:
            raise ValueError(f"must begin with one of: {', '.join(f'{n}_' for n in LAYERS)}")
        return name

    @property
    def source(self) -> str:
        """Which of LAYERS it is."""
        return self.name.partition("_")[0]


class Vpc(_Shape):
    """The private network in which the database is reached."""

    vpcId: str = Field(min_length=1)  # noqa: N815
    subnetId: str = Field(min_length=1)  # noqa: N815


class Function(_Shape):
    """One function as declared: its own keys over those of `functionDefaultConfig`."""

    name: str = Field(pattern=_NAME)
    description: str = Field(min_length=1, max_length=1_000, pattern=_DESCRIPTION)
    type: Literal["Event"]
    runtime: str
    handler: str = Field(pattern=r"^[a-zA-Z]\w*\.[a-zA-Z]\w*$")
    timeout: int = Field(ge=1, le=900)
    memorySize: int  # noqa: N815
    installDependency: Literal[False]  # noqa: N815  # CloudBase installs for Node only.
    envVariables: dict[str, str] = {}  # noqa: N815
    vpc: Vpc
    ignore: list[str] = Field(default=[], max_length=20)
    layers: list[Layer] = Field(min_length=1, max_length=MAX_LAYERS)
    triggers: list[Timer] = Field(default=[], max_length=MAX_TIMERS)

    @field_validator("layers")
    @classmethod
    def _each_once(cls, layers: list[Layer]) -> list[Layer]:
        if len({layer.source for layer in layers}) < len(layers):
            raise ValueError("each layer once")
        return layers

    @field_validator("runtime")
    @classmethod
    def _known_runtime(cls, runtime: str) -> str:
        if runtime not in RUNTIMES:
            raise ValueError(f"must be one of: {', '.join(sorted(RUNTIMES))}")
        return runtime

    @field_validator("memorySize")
    @classmethod
    def _memory_step(cls, memory_mb: int) -> int:
        if memory_mb != 64 and not (128 <= memory_mb <= 3072 and memory_mb % 128 == 0):
            raise ValueError("must be 64, or a multiple of 128 from 128 to 3072")
        return memory_mb

    @field_validator("envVariables")
    @classmethod
    def _small_environment(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if not _VARIABLE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} must be letters, digits and _, two at least")
            if name.startswith(_RESERVED):
                raise ValueError(f"{name} is reserved: {', '.join(_RESERVED)} are the platform's")
            if not value:
                raise ValueError(f"{name} is empty")
        size = sum(len(f"{name}{value}".encode()) for name, value in variables.items())
        if size > MAX_ENVIRONMENT_BYTES:
            raise ValueError(f"has {size} bytes, {MAX_ENVIRONMENT_BYTES} at most")
        return variables

    @field_validator("triggers")
    @classmethod
    def _own_names(cls, triggers: list[Timer]) -> list[Timer]:
        if len({timer.name for timer in triggers}) < len(triggers):
            raise ValueError("names must differ")
        return triggers


class Route(_Shape):
    """A path of HTTP access and the function that answers it."""

    path: str = Field(pattern=r"^/([a-zA-Z0-9_.-]+/?)*$")
    target: str = Field(pattern=r"^function:.+$")

    @property
    def function(self) -> str:
        return self.target.removeprefix("function:")


class Gateway(_Shape):
    routes: list[Route] = Field(default=[], max_length=20)

    @field_validator("routes")
    @classmethod
    def _own_paths(cls, routes: list[Route]) -> list[Route]:
        if len({route.path for route in routes}) < len(routes):
            raise ValueError("paths must differ")
        return routes


class InvokeRule(_Shape):
    invoke: Literal["auth != null"] | Literal[False]


class SecurityRules(_Shape):
    """By function, `*` for all others: whether members may call it."""

    function: dict[str, InvokeRule]

    @field_validator("function")
    @classmethod
    def _shut_by_default(cls, rules: dict[str, InvokeRule]) -> dict[str, InvokeRule]:
        if "*" not in rules or rules["*"].invoke is not False:
            raise ValueError('must say {"*": {"invoke": false}}: a new function starts shut')
        return rules


class AsyncInvoke(_Shape):
    """How often a failed asynchronous call is tried again, and how long it may wait."""

    retries: int = Field(ge=0, le=2)
    ttlSeconds: int = Field(ge=60, le=21_600)  # noqa: N815


class Bundle(BaseModel):
    """The whole file, rendered and checked; `path` is where it stands."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["2.1"]
    envId: str = Field(min_length=1)  # noqa: N815
    region: Literal["ap-shanghai", "ap-guangzhou"]
    functionRoot: str  # noqa: N815
    functions: list[Function] = Field(min_length=1)
    gateway: Gateway = Gateway()
    securityRules: SecurityRules  # noqa: N815
    asyncInvoke: AsyncInvoke  # noqa: N815
    path: Path

    @model_validator(mode="after")
    def _names_point_somewhere(self) -> Bundle:
        names = [function.name for function in self.functions]
        if len(set(names)) < len(names):
            raise ValueError("functions: names must differ")
        for function in self.functions:
            for layer in function.layers:
                if layer.name != f"{layer.source}_{self.envId}":
                    right = f"{layer.source}_{self.envId}"
                    raise ValueError(f"{function.name}.layers: {layer.name} must be {right}")
        for route in self.gateway.routes:
            if route.function not in names:
                raise ValueError(f"gateway.routes: {route.path}: no function {route.function}")
        for name in self.securityRules.function:
            if name != "*" and name not in names:
                raise ValueError(f"securityRules.function: no function {name}")
        return self

    def folder(self, function: Function) -> Path:
        """Where the function's own code is."""
        return self.path.parent / self.functionRoot / function.name

    def layer_names(self) -> dict[str, str]:
        """The account-wide name of each layer that is used, by its short name."""
        return {
            layer.source: layer.name for function in self.functions for layer in function.layers
        }

    @property
    def security_rules(self) -> dict[str, dict[str, Any]]:
        return {name: rule.model_dump() for name, rule in self.securityRules.function.items()}


@dataclass(frozen=True)
class _Fault:
    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where.removeprefix('functions.')}: {self.problem}"


def read_bundle(variables: Mapping[str, str], path: Path = ROOT / "cloudbaserc.json") -> Bundle:
    """Read, render and check the bundle; BundleError lists all that is wrong, not the first."""
    try:
        declared = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name}: {error}") from None
    if not isinstance(declared, dict):
        raise BundleError(f"{path.name}: must be an object")
    faults = [_Fault(key, "is not a key of this file") for key in declared.keys() - _TOP_LEVEL]
    rendered = _render(
        {k: v for k, v in declared.items() if k in _TOP_LEVEL}, "", variables, faults
    )
    defaults = rendered.pop("functionDefaultConfig", {})
    functions = rendered.get("functions", [])
    if not isinstance(defaults, dict):
        faults.append(_Fault("functionDefaultConfig", "must be an object"))
    elif isinstance(functions, list):
        rendered["functions"] = [{**defaults, **f} if isinstance(f, dict) else f for f in functions]
    bundle = None
    try:
        bundle = Bundle(**rendered, path=path)
    except ValidationError as error:
        faults += _from_models(error, rendered)
    faults += _handlers_missing(rendered, path)
    if faults or bundle is None:
        raise BundleError("\n".join(f"{path.name}: {fault}" for fault in faults))
    return bundle


def declared_region(path: Path = ROOT / "cloudbaserc.json") -> str:
    """Where the environment is; needed to reach it, whatever else of the file is sound."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["region"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(f"{path.name}: region: is missing, or the file can't be read") from None


def _render(value: Any, where: str, variables: Mapping[str, str], faults: list[_Fault]) -> Any:
    """Replace every {{env.X}}; one that is missing or empty is a fault of its own place."""
    if isinstance(value, dict):
        return {
            key: _render(item, f"{where}.{key}" if where else key, variables, faults)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _render(item, f"{where}.{_called(item, number)}", variables, faults)
            for number, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    if re.search(r"layers\.[^.]+\.version$", where):
        return value  # For the tcb client; deploying uses the version it has just published.

    def found(match: re.Match[str]) -> str:
        if not variables.get(match[1]):
            faults.append(_Fault(where, f"{match[0]} is not set"))
            return "?"
        return variables[match[1]]

    return _VARIABLE.sub(found, value)


def _called(item: object, number: int) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and name and "{" not in name else str(number)


def _from_models(error: ValidationError, rendered: dict[str, Any]) -> Iterator[_Fault]:
    for problem in error.errors(include_url=False, include_input=False):
        place: Any = rendered
        parts = []
        for part in problem["loc"]:
            place = _inside(place, part)
            parts.append(_called(place, part) if isinstance(part, int) else str(part))
        where = ".".join(parts) or "file"
        yield _Fault(where, str(problem["msg"]).removeprefix("Value error, "))


def _inside(place: Any, part: str | int) -> Any:
    try:
        return place[part]
    except (KeyError, IndexError, TypeError):
        return None


def _handlers_missing(rendered: dict[str, Any], path: Path) -> Iterator[_Fault]:
    """Find functions whose file or handler isn't there, by reading the source."""
    functions = rendered.get("functions")
    for function in functions if isinstance(functions, list) else []:
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        name, (module, _, handler) = function["name"], str(function.get("handler")).partition(".")
        root = path.parent / str(rendered.get("functionRoot", "functions"))
        source = root / name / f"{module}.py"
        if not source.is_file():
            yield _Fault(f"{name}.handler", f"there is no {source.relative_to(path.parent)}")
        else:
            try:
                defined = _defined(source)
            except (SyntaxError, ValueError) as error:  # UnicodeDecodeError is a ValueError.
                yield _Fault(f"{name}.handler", f"{module}.py can't be read: {error}")
                continue
            if handler not in defined:
                yield _Fault(f"{name}.handler", f"{module}.py defines no {handler}")


def _defined(source: Path) -> set[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
