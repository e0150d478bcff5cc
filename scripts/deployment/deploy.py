"""Bring an environment to where the bundle wants it, step by step; safe to repeat and to interrupt.

Each function's new version is published before anybody is sent to it: `$DEFAULT`, the alias that
members, timers and HTTP access call, moves at the end, in one call per function. So a deployment
that stops half-way leaves every function serving a whole version, the old one or the new one, and
the next run goes on: what was published is found by its description.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from deployment.bundle import read_bundle
from deployment.cloud_api import CloudApi, CloudApiError
from deployment.packages import Package, build_layers, check_limits, function_package
from deployment.packages import Target as BuildTarget
from deployment.plan import (
    DECLARING,
    DEFAULT,
    LATEST,
    MARK,
    Found,
    FoundFunction,
    Step,
    Wanted,
    WantedFunction,
    is_same_timer,
    layer_mark,
    wanted_from,
)
from deployment.target import Target

KEPT_VERSIONS = 8  # Of each function, for `rollback`; the platform allows some twenty.
Progress = Callable[[str], None]
# What CloudBase's own client says of every function it creates: that it belongs to CloudBase, and
# the role by which its code may use the environment.
_CLOUDBASE = {"Role": "TCB_QcsRole", "Stamp": "MINI_QCBASE"}
_UNKNOWN = FoundFunction(live="", versions={}, triggers={}, retries=0, message_ttl_s=0)


class DeploymentError(Exception):
    """A deployment stopped; the message says where. Running it again goes on from there."""


def prepare(target: Target, build_for: BuildTarget) -> tuple[CloudApi, Wanted]:
    """Check the bundle, build its packages and say how the environment should be.

    Nothing is called: BundleError and PackageError come before the first request.
    """
    bundle = read_bundle(target.variables)
    layers = build_layers(build_for)
    functions = {f.name: function_package(bundle.folder(f)) for f in bundle.functions}
    check_limits(layers, functions)
    secret = target.variables["HUITOU_INTERNAL_SECRET"].encode()
    return CloudApi(target.account), wanted_from(bundle, layers, functions, secret)


def look(api: CloudApi, wanted: Wanted, only: frozenset[str] = frozenset()) -> Found:
    """Read the environment's state, as far as the plan needs it."""
    envs = {env["EnvId"]: env for env in api.tcb("DescribeEnvs")["EnvList"]}
    if api.account.env_id not in envs:
        raise DeploymentError(f"there is no environment {api.account.env_id} in this account")
    logs: dict[str, str] = next(iter(envs[api.account.env_id].get("LogServices") or []), {})
    there = {f["FunctionName"] for f in api.pages("ListFunctions", "Functions")}
    functions = {
        name: _look_at(api, name, wanted.functions[name]) if name in wanted.functions else _UNKNOWN
        for name in sorted(there)
        if not only or name in only or name == DECLARING
    }
    rules: dict[str, Any] = {}
    permissions = api.tcb("DescribeResourcePermission", ResourceType="function", Resources=[])
    for permission in permissions["Data"]["PermissionList"]:
        if permission.get("SecurityRule"):
            rules = json.loads(permission["SecurityRule"])
    return Found(
        layers={name: _layer_versions(api, name) for name in wanted.layers},
        functions=functions,
        security_rules=rules,
        routes=dict(_default_domain(api)[1]),
        log_service={f"Cls{key}": logs[key] for key in ("TopicId", "LogsetId") if logs.get(key)},
    )


def _layer_versions(api: CloudApi, name: str) -> dict[str, int]:
    try:
        versions = api.layers("ListLayerVersions", LayerName=name)["LayerVersions"]
    except CloudApiError as error:
        if error.code.startswith("ResourceNotFound"):
            return {}
        raise
    return {v["Description"]: v["LayerVersion"] for v in reversed(versions)}  # The newest wins.


def _look_at(api: CloudApi, name: str, wanted: WantedFunction) -> FoundFunction:
    live = api.scf("GetAlias", FunctionName=name, Name=DEFAULT)["FunctionVersion"]
    versions = {
        version["Version"]: version.get("Description") or ""
        for version in api.pages("ListVersionByFunction", "Versions", FunctionName=name)
    }
    retries = api.scf("GetFunctionEventInvokeConfig", FunctionName=name)["AsyncTriggerConfig"]
    triggers = api.scf("ListTriggers", FunctionName=name)["Triggers"]
    details: dict[str, Any] = {}
    if versions.get(live) != wanted.mark:
        details = api.scf("GetFunction", FunctionName=name, Qualifier=live)
    return FoundFunction(
        live=live,
        versions=versions,
        triggers={trigger["TriggerName"]: trigger for trigger in triggers},
        retries=next((r["RetryNum"] for r in retries.get("RetryConfig") or []), 2),
        message_ttl_s=retries.get("MsgTTL") or 0,
        live_details=details,
    )


def _default_domain(api: CloudApi) -> tuple[str, dict[str, str]]:
    """The environment's own domain and its paths, each with the function that answers."""
    for domain in api.tcb("DescribeHTTPServiceRoute", Limit=1000)["Domains"]:
        if domain.get("IsDefault"):
            routes = domain.get("Routes") or []
            return domain["Domain"], {r["Path"]: r["UpstreamResourceName"] for r in routes}
    return "", {}


class Deployment:
    """One run: carries out a plan's steps; `progress` is told what is being done.

    `layer_versions` holds the number of each layer's version, once it is known.
    """

    def __init__(self, api: CloudApi, wanted: Wanted, found: Found, progress: Progress) -> None:
        self._api = api
        self._wanted = wanted
        self._found = found
        self._progress = progress
        self.layer_versions: dict[str, int] = {}

    def run(self, steps: list[Step]) -> None:
        """Create, update and delete what `steps` says; DeploymentError says where it stopped."""
        try:
            self._run(steps)
        except CloudApiError as error:
            raise DeploymentError(
                f"{error}\nwhat was done so far stands; run the same command again to go on"
            ) from error

    def _run(self, steps: list[Step]) -> None:
        changes = [step for step in steps if step.action in ("create", "update")]
        # Rules first: a function that is new must never be open, not even for a moment.
        if any(step.kind == "security rules" for step in changes):
            self._set_security_rules()
        for step in steps:
            if step.kind == "layer":
                self.layer_versions[step.name] = self._layer(step.name, step.action)
        due = [step.name for step in changes if step.kind == "function"]
        if DECLARING in due:  # Declarations first: new code may count on them, old code can.
            version = self._published(self._wanted.functions[DECLARING])
            self._declare(version)
            self._switch(DECLARING, version)
        published = {
            name: self._published(self._wanted.functions[name]) for name in due if name != DECLARING
        }
        for name, version in published.items():
            self._switch(name, version)
        for step in changes:
            if step.kind == "timer":
                self._timer(*step.name.split("/"))
            elif step.kind == "retries":
                self._retries(step.name)
            elif step.kind == "route":
                self._route(step.name, step.action)
        for name in due:
            self._forget_old_versions(name)
        for step in steps:
            if step.action == "delete":
                self._delete(step)

    # --- layers ---------------------------------------------------------------------------------

    def _layer(self, name: str, action: str) -> int:
        package = self._wanted.layers[name]
        if action == "unchanged":
            return self._found.layers[name][layer_mark(package)]
        self._progress(f"publishing layer {name}")
        version: int = self._api.layers(
            "PublishLayerVersion",
            LayerName=name,
            CompatibleRuntimes=self._wanted.runtimes,
            Content={"ZipFile": _base64(package)},
            Description=layer_mark(package),
        )["LayerVersion"]
        self._api.wait_until_layer_is_active(name, version)
        return version

    # --- functions ------------------------------------------------------------------------------

    def _published(self, wanted: WantedFunction) -> str:
        """Return the number of the version with this content, published now if need be."""
        found = self._found.functions.get(wanted.name)
        version = found.version_with(wanted.mark) if found else None
        if version is not None:
            return version
        self._progress(f"{'updating' if found else 'creating'} {wanted.name}")
        layers = [
            {"LayerName": name, "LayerVersion": self.layer_versions[name]} for name in wanted.layers
        ]
        named: dict[str, Any] = {"FunctionName": wanted.name}
        configuration = {
            **wanted.configuration, "Layers": layers, **self._found.log_service,
        }  # fmt: skip
        if found is None:
            self._api.scf(
                "CreateFunction", **named, **configuration, Type="Event",
                Handler=wanted.declared.handler, Runtime=wanted.declared.runtime,
                InstallDependency="FALSE", Code={"ZipFile": _base64(wanted.package)}, **_CLOUDBASE,
            )  # fmt: skip
        else:
            self._api.wait_until_active(wanted.name, LATEST)
            self._api.scf(
                "UpdateFunctionCode", **named, Handler=wanted.declared.handler,
                InstallDependency="FALSE", Code={"ZipFile": _base64(wanted.package)},
            )  # fmt: skip
            self._api.wait_until_active(wanted.name, LATEST)
            self._api.scf("UpdateFunctionConfiguration", **named, **configuration)
        self._api.wait_until_active(wanted.name, LATEST)
        number: str = self._api.scf("PublishVersion", **named, Description=wanted.mark)[
            "FunctionVersion"
        ]
        self._api.wait_until_active(wanted.name, number)
        return number

    def _declare(self, version: str) -> None:
        """Have the new version of `maintenance` bring the database up to date."""
        self._progress("applying the database's declarations")
        event = {"action": "declare", "token": self._wanted.declaring_token}
        result = self._api.scf(
            "Invoke", FunctionName=DECLARING, Qualifier=version, ClientContext=json.dumps(event)
        )["Result"]
        try:
            answer = json.loads(result["RetMsg"])
        except ValueError:
            answer = {}
        if not answer.get("ok"):
            problem = (answer.get("error") or {}).get("message") or result.get("ErrMsg")
            raise DeploymentError(
                f"{DECLARING} could not apply the database's declarations: {problem}\n"
                "nothing has been switched to the new version; see its logs, then run this again"
            )

    def _switch(self, name: str, version: str) -> None:
        self._progress(f"switching {name} to version {version}")
        self._api.scf("UpdateAlias", FunctionName=name, Name=DEFAULT, FunctionVersion=version)

    def _forget_old_versions(self, name: str) -> None:
        live = self._api.scf("GetAlias", FunctionName=name, Name=DEFAULT)["FunctionVersion"]
        ours = [
            int(version["Version"])
            for version in self._api.pages("ListVersionByFunction", "Versions", FunctionName=name)
            if version["Version"] != LATEST
            and (version.get("Description") or "").startswith(f"{MARK} ")
        ]
        for number in sorted(ours)[:-KEPT_VERSIONS]:
            if str(number) != live:
                self._api.scf("DeleteFunctionVersion", FunctionName=name, Qualifier=str(number))

    # --- what starts functions ------------------------------------------------------------------

    def _timer(self, function: str, name: str) -> None:
        wanted = next(t for t in self._wanted.functions[function].timers if t.name == name)
        found = self._found.functions.get(function)
        there = found.triggers.get(name) if found else None
        fields = {
            "FunctionName": function, "TriggerName": name, "Type": "timer",
            "TriggerDesc": wanted.cron, "CustomArgument": wanted.message,
            "Qualifier": DEFAULT, "Enable": "OPEN",
        }  # fmt: skip
        if there is not None and not is_same_timer(wanted, there):
            # A trigger's version can't be changed, so it is made anew.
            self._delete_timer(function, name, str(there.get("Qualifier") or LATEST))
        self._api.scf("CreateTrigger", **fields)

    def _delete_timer(self, function: str, name: str, qualifier: str) -> None:
        self._api.scf(
            "DeleteTrigger", FunctionName=function, TriggerName=name, Type="timer",
            Qualifier=qualifier,
        )  # fmt: skip

    def _retries(self, function: str) -> None:
        wanted = self._wanted
        self._api.scf(
            "UpdateFunctionEventInvokeConfig",
            FunctionName=function,
            AsyncTriggerConfig={
                "RetryConfig": [{"RetryNum": wanted.retries}], "MsgTTL": wanted.message_ttl_s,
            },
        )  # fmt: skip

    def _set_security_rules(self) -> None:
        self._progress("setting the security rules")
        self._api.tcb(
            "ModifyResourcePermission",
            ResourceType="function",
            Permission="CUSTOM",
            SecurityRule=json.dumps(self._wanted.security_rules),
        )

    def _route(self, path: str, action: str) -> None:
        self._progress(f"HTTP access {path}")
        domain = _default_domain(self._api)[0]
        if not domain:
            raise DeploymentError(f"HTTP access is not opened for {self._api.account.env_id}")
        route = {
            "Path": path, "UpstreamResourceType": "SCF",
            "UpstreamResourceName": self._wanted.routes[path], "Enable": True,
            "EnableAuth": False,  # WeChat Pay signs its calls; it has no session here.
            "EnablePathTransmission": True,
        }  # fmt: skip
        self._api.tcb(
            "CreateHTTPServiceRoute" if action == "create" else "ModifyHTTPServiceRoute",
            Domain={"Domain": domain, "Routes": [route]},
        )

    def _delete(self, step: Step) -> None:
        self._progress(f"deleting {step.kind} {step.name}")
        if step.kind == "function":
            self._api.scf("DeleteFunction", FunctionName=step.name)
        elif step.kind == "timer":
            function, name = step.name.split("/")
            there = self._found.functions[function].triggers[name]
            self._delete_timer(function, name, str(there.get("Qualifier") or LATEST))
        elif step.kind == "route":
            domain = _default_domain(self._api)[0]
            self._api.tcb("DeleteHTTPServiceRoute", Domain=domain, Paths=[step.name])


def _base64(package: Package) -> str:
    return base64.b64encode(package.path.read_bytes()).decode()
