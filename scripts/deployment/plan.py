"""What a deployment has to do: the bundle as it should be against the environment as it is.

Pure: `wanted` comes from the bundle and its packages, `found` from the API; no call is made here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deployment.bundle import Bundle, Function
from deployment.hosting import PATH
from deployment.packages import Package
from huitou.runtime.identity import internal_token

Action = Literal["create", "update", "unchanged", "delete", "extra", "waits"]
DEFAULT, LATEST = "$DEFAULT", "$LATEST"
DECLARING = "maintenance"  # The function that brings the database's declarations up to date.
MARK = "huitou"  # Begins the description of what we publish; the rest says what is inside.


@dataclass(frozen=True)
class WantedTimer:
    """A timer as it should be; `message` is the token by which its function knows it."""

    name: str
    cron: str
    message: str


@dataclass(frozen=True)
class WantedFunction:
    """A function as it should be; `mark` names its whole content, secrets included, as a hash."""

    declared: Function
    package: Package
    layers: Mapping[str, str]  # Account-wide name → SHA-256 of the layer's content.
    timers: tuple[WantedTimer, ...]

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def configuration(self) -> dict[str, Any]:
        """As CreateFunction and UpdateFunctionConfiguration take it, layers aside."""
        declared = self.declared
        return {
            "Description": declared.description,
            "MemorySize": declared.memorySize,
            "Timeout": declared.timeout,
            "Environment": {
                "Variables": [{"Key": k, "Value": v} for k, v in declared.envVariables.items()]
            },
            "VpcConfig": {"VpcId": declared.vpc.vpcId, "SubnetId": declared.vpc.subnetId},
        }

    @property
    def mark(self) -> str:
        content = {
            "code": self.package.sha256,
            "handler": self.declared.handler,
            "runtime": self.declared.runtime,
            "layers": list(self.layers.items()),
            **self.configuration,
        }
        whole = json.dumps(content, sort_keys=True, ensure_ascii=False).encode()
        return f"{MARK} {hashlib.sha256(whole).hexdigest()[:24]} code {self.package.sha256[:12]}"


@dataclass(frozen=True)
class Wanted:
    """The whole environment as it should be."""

    layers: Mapping[str, Package]  # By account-wide name.
    functions: Mapping[str, WantedFunction]
    security_rules: Mapping[str, Any]
    routes: Mapping[str, str]
    retries: int
    message_ttl_s: int
    runtimes: list[str]
    declaring_token: str  # What `maintenance` wants to see before it touches the database.


@dataclass(frozen=True)
class FoundFunction:
    """A function as it is: versions by number with their description, and which one is live."""

    live: str
    versions: Mapping[str, str]
    triggers: Mapping[str, Mapping[str, Any]]
    retries: int
    message_ttl_s: int
    previous: str | None = None  # What was live before, as the alias notes it.
    live_details: Mapping[str, Any] = field(default_factory=dict)

    def is_live(self, mark: str) -> bool:
        """Whether callers get exactly this content."""
        return self.versions.get(self.live) == mark

    def version_with(self, mark: str) -> str | None:
        """The newest published version of exactly this content, if any."""
        numbers = [int(v) for v, text in self.versions.items() if v != LATEST and text == mark]
        return str(max(numbers)) if numbers else None


@dataclass(frozen=True)
class Found:
    """The whole environment as it is; `layers` by name and content, as its version number.

    `broken` names functions whose creation failed: they have never served, and are made anew.
    `pages` says of the console's pages whether these lie there and are led to; "closed" is an
    environment whose static hosting isn't open.
    """

    layers: Mapping[str, Mapping[str, int]]
    functions: Mapping[str, FoundFunction]
    security_rules: Mapping[str, Any]
    routes: Mapping[str, str]
    broken: frozenset[str]
    log_service: Mapping[str, str]  # Where the environment keeps its functions' logs.
    pages: Literal["closed", "none", "other", "same"] = "closed"


@dataclass(frozen=True)
class Step:
    """One line of the plan."""

    action: Action
    kind: Literal["layer", "function", "timer", "retries", "route", "security rules", "pages"]
    name: str
    detail: str = ""


def wanted_from(
    bundle: Bundle, layers: Mapping[str, Package], functions: Mapping[str, Package], secret: bytes
) -> Wanted:
    """Say how the environment should be; `layers` by short name, `functions` by name."""
    names = bundle.layer_names()
    return Wanted(
        layers={names[short]: package for short, package in layers.items() if short in names},
        functions={
            declared.name: WantedFunction(
                declared=declared,
                package=functions[declared.name],
                layers={use.name: layers[use.source].sha256 for use in declared.layers},
                timers=tuple(
                    WantedTimer(t.name, t.config, internal_token(secret, declared.name))
                    for t in declared.triggers
                ),
            )
            for declared in bundle.functions
        },
        security_rules=bundle.security_rules,
        routes={route.path: route.function for route in bundle.gateway.routes},
        retries=bundle.asyncInvoke.retries,
        message_ttl_s=bundle.asyncInvoke.ttlSeconds,
        runtimes=sorted({function.runtime for function in bundle.functions}),
        declaring_token=internal_token(secret, DECLARING),
    )


def layer_mark(package: Package) -> str:
    """What a layer version's description says, by which it is found again."""
    return f"{MARK} {package.sha256}"


def plan(wanted: Wanted, found: Found, only: frozenset[str] = frozenset()) -> list[Step]:
    """List what is to do, in the order in which it is done; `only` narrows it to functions."""
    names = _with_declarations(wanted, found, only) if only else wanted.functions.keys()
    chosen = [function for name, function in wanted.functions.items() if name in names]
    steps = list(_layers(wanted, found, chosen))
    changed = dict(wanted.security_rules) != dict(found.security_rules)
    steps.append(Step("update" if changed else "unchanged", "security rules", "functions"))
    for function in chosen:
        steps += _function(function, found.functions.get(function.name), wanted)
    if not only:
        steps += _routes(wanted, found)
        steps.append(_pages(found))
        steps += [
            Step("extra", "function", n) for n in found.functions if n not in wanted.functions
        ]
    return steps


def _with_declarations(wanted: Wanted, found: Found, only: frozenset[str]) -> frozenset[str]:
    """Add `maintenance` where the chosen change and it is not up to date itself.

    New code may count on indexes and validators, which come with it.
    """

    def is_due(name: str) -> bool:
        there = found.functions.get(name)
        return there is None or not there.is_live(wanted.functions[name].mark)

    return only | {DECLARING} if any(map(is_due, only)) and is_due(DECLARING) else only


def _layers(wanted: Wanted, found: Found, chosen: list[WantedFunction]) -> Iterator[Step]:
    used = {name for function in chosen for name in function.layers}
    for name, package in wanted.layers.items():
        if name not in used:
            continue
        versions = found.layers.get(name, {})
        known = versions.get(layer_mark(package))
        size = f"{package.size_bytes / 1e6:.1f} MB"
        if known is not None:
            yield Step("unchanged", "layer", name, f"version {known}")
        else:
            yield Step("update" if versions else "create", "layer", name, size)


def _function(wanted: WantedFunction, found: FoundFunction | None, whole: Wanted) -> Iterator[Step]:
    if found is None:
        yield Step("create", "function", wanted.name, wanted.declared.description)
        yield from (
            Step("create", "timer", f"{wanted.name}/{t.name}", t.cron) for t in wanted.timers
        )
        yield Step("create", "retries", wanted.name, str(whole.retries))
        return
    if found.is_live(wanted.mark):
        yield Step("unchanged", "function", wanted.name, f"version {found.live}")
    elif (version := found.version_with(wanted.mark)) is not None:
        yield Step("update", "function", wanted.name, f"version {version}, published before")
    else:
        yield Step("update", "function", wanted.name, ", ".join(_differences(wanted, found)))
    yield from _timers(wanted, found)
    same = (found.retries, found.message_ttl_s) == (whole.retries, whole.message_ttl_s)
    yield Step("unchanged" if same else "update", "retries", wanted.name, str(whole.retries))


def _timers(wanted: WantedFunction, found: FoundFunction) -> Iterator[Step]:
    for timer in wanted.timers:
        name, there = f"{wanted.name}/{timer.name}", found.triggers.get(timer.name)
        if there is None:
            yield Step("create", "timer", name, timer.cron)
        elif is_same_timer(timer, there):
            yield Step("unchanged", "timer", name, timer.cron)
        else:
            yield Step("update", "timer", name, timer.cron)
    named = {timer.name for timer in wanted.timers}
    for name in found.triggers:
        if name not in named:
            yield Step("extra", "timer", f"{wanted.name}/{name}")


def is_same_timer(timer: WantedTimer, there: Mapping[str, Any]) -> bool:
    """Whether a trigger as the API shows it is the timer we want, switched on and live."""
    return (
        cron_of(there) == timer.cron
        and there.get("CustomArgument") == timer.message
        and there.get("Qualifier") == DEFAULT
        and there.get("Enable") == 1
    )


def cron_of(trigger: Mapping[str, Any]) -> str:
    """The cron of a trigger as the API shows it: `{"cron": …}`, or the bare expression."""
    shown = str(trigger.get("TriggerDesc") or "")
    try:
        described = json.loads(shown)
    except ValueError:
        return shown
    return str(described.get("cron", "")) if isinstance(described, dict) else shown


def _routes(wanted: Wanted, found: Found) -> Iterator[Step]:
    for path, function in wanted.routes.items():
        there = found.routes.get(path)
        action: Action = "create" if there is None else "update"
        yield Step("unchanged" if there == function else action, "route", path, function)
    for path, function in found.routes.items():
        if path not in wanted.routes:
            yield Step("extra", "route", path, function)


def _pages(found: Found) -> Step:
    actions: dict[str, Action] = {"none": "create", "other": "update", "same": "unchanged"}
    if found.pages == "closed":
        return Step("waits", "pages", PATH, "static hosting isn't open in this environment")
    return Step(actions[found.pages], "pages", PATH, "the operators' console")


def _differences(wanted: WantedFunction, found: FoundFunction) -> Iterator[str]:
    if not found.versions.get(found.live, "").endswith(f"code {wanted.package.sha256[:12]}"):
        yield "code"
    yield from configuration_differences(wanted, found.live_details)


def configuration_differences(wanted: WantedFunction, theirs: Mapping[str, Any]) -> Iterator[str]:
    """Name what GetFunction shows otherwise; of variables the names, never the values."""
    ours = wanted.configuration
    for name, label in (
        ("Description", "description"),
        ("MemorySize", "memory"),
        ("Timeout", "timeout"),
    ):
        if name in theirs and ours[name] != theirs[name]:
            yield f"{label} {theirs[name]} → {ours[name]}" if name != "Description" else label
    if (
        "VpcConfig" in theirs
        and {key: theirs["VpcConfig"].get(key) for key in ours["VpcConfig"]} != ours["VpcConfig"]
    ):
        yield "vpc"
    before = {v["Key"]: v["Value"] for v in theirs.get("Environment", {}).get("Variables", [])}
    now = dict(wanted.declared.envVariables)
    changed = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if changed and theirs:
        yield f"variables {', '.join(changed)}"
    marks = {layer["LayerName"]: layer.get("Description") for layer in theirs.get("Layers", [])}
    for name, sha256 in wanted.layers.items():
        if marks.get(name) != f"{MARK} {sha256}":
            yield f"layer {name.partition('_')[0]}"
