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
from functools import cached_property
from typing import Any

from deployment.bundle import read_bundle
from deployment.cloud_api import FAILED, CloudApi, CloudApiError
from deployment.errors import GO_ON, DeploymentError
from deployment.found import PREVIOUS, default_domain, static_paths
from deployment.hosting import PATH, STATIC, hosting
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
    configuration_differences,
    is_same_timer,
    layer_mark,
    wanted_from,
)
from deployment.target import Target
from deployment.web import pages
from huitou.runtime.errors import Unavailable

KEPT_VERSIONS = 8  # Of each function, for `rollback`; the platform allows some twenty.
Progress = Callable[[str], None]
# What CloudBase's own client says of every function it creates: that it belongs to CloudBase, and
# the role by which its code may use the environment.
_CLOUDBASE = {"Role": "TCB_QcsRole", "Stamp": "MINI_QCBASE"}


def prepare(target: Target, build_for: BuildTarget) -> tuple[CloudApi, Wanted]:
    """Check the bundle, build its packages and say how the environment should be.

    Nothing is called: BundleError and PackageError come before the first request.
    """
    bundle = read_bundle(target.variables)
    layers = build_layers(build_for)
    functions = {
        f.name: function_package(bundle.folder(f), ignore=f.ignore) for f in bundle.functions
    }
    check_limits(layers, functions)
    secret = target.variables["HUITOU_INTERNAL_SECRET"].encode()
    return CloudApi(target.account), wanted_from(bundle, layers, functions, secret)


def switch(api: CloudApi, name: str, version: str, before: str) -> None:
    """Send a function's callers to a version, in one call, noting what was live before."""
    api.wait_until_active(name, version)
    api.scf(
        "UpdateAlias",
        FunctionName=name,
        Name=DEFAULT,
        FunctionVersion=version,
        Description=f"{PREVIOUS}{before}",
    )


class Deployment:
    """One run: carries out a plan's steps; `progress` is told what is being done.

    `layer_versions` holds the number of each layer's version, once it is known.
    """

    def __init__(
        self, api: CloudApi, wanted: Wanted, found: Found, progress: Progress, storage_url: str = ""
    ) -> None:
        self._storage_url = storage_url
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
            raise DeploymentError(f"{error}\n{GO_ON}") from error

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
            elif step.kind == "pages":
                self._pages()
        for step in steps:
            if step.action == "delete":
                self._delete(step)

    # --- layers ---------------------------------------------------------------------------------

    def _layer(self, name: str, action: str) -> int:
        package = self._wanted.layers[name]
        if action == "unchanged":
            known = self._found.layers[name][layer_mark(package)]
            self._api.wait_until_layer_is_active(name, known)
            return known
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
        if found is None:
            self._create(wanted)
        else:
            self._make_room(wanted.name, found)
            self._update(wanted)
        self._api.wait_until_active(wanted.name, LATEST)
        number: str = self._api.scf(
            "PublishVersion", FunctionName=wanted.name, Description=wanted.mark
        )["FunctionVersion"]
        self._api.wait_until_active(wanted.name, number)
        self._check_that_it_is_ours(wanted, number)
        return number

    def _configuration(self, wanted: WantedFunction) -> dict[str, Any]:
        layers = [
            {"LayerName": name, "LayerVersion": self.layer_versions[name]} for name in wanted.layers
        ]
        return {**wanted.configuration, "Layers": layers, **self._found.log_service}

    def _create(self, wanted: WantedFunction) -> None:
        if wanted.name in self._found.broken:
            self._api.scf("DeleteFunction", FunctionName=wanted.name)
        self._api.scf(
            "CreateFunction",
            FunctionName=wanted.name,
            **self._configuration(wanted),
            Type="Event",
            Handler=wanted.declared.handler,
            Runtime=wanted.declared.runtime,
            InstallDependency="FALSE",
            Code={"ZipFile": _base64(wanted.package)},
            **_CLOUDBASE,
        )

    def _update(self, wanted: WantedFunction) -> None:
        # A change that failed is mended by another one, so only what is under way is waited for.
        if self._api.status(wanted.name) not in FAILED:
            self._api.wait_until_active(wanted.name, LATEST)
        self._api.scf(
            "UpdateFunctionCode",
            FunctionName=wanted.name,
            Handler=wanted.declared.handler,
            InstallDependency="FALSE",
            Code={"ZipFile": _base64(wanted.package)},
        )
        self._api.wait_until_active(wanted.name, LATEST)
        self._api.scf(
            "UpdateFunctionConfiguration", FunctionName=wanted.name, **self._configuration(wanted)
        )

    def _check_that_it_is_ours(self, wanted: WantedFunction, number: str) -> None:
        """Take a version back that somebody else's deployment got mixed into.

        Code, configuration and publishing are three calls; what a version says of itself must be
        what it holds, for ever.
        """
        named = {"FunctionName": wanted.name, "Qualifier": number}
        differences = list(configuration_differences(wanted, self._api.scf("GetFunction", **named)))
        if self._hashes_are_of_zips:
            sha256 = self._api.scf("GetFunctionAddress", **named)["CodeSha256"]
            differences += ["code"] if sha256 != wanted.package.sha256 else []
        if differences:
            self._api.scf("DeleteFunctionVersion", **named)
            raise DeploymentError(
                f"{wanted.name}: somebody else deploys at the same time "
                f"({', '.join(differences)} changed in between)\n{GO_ON}"
            )

    @cached_property
    def _hashes_are_of_zips(self) -> bool:
        """Whether CodeSha256 is the uploaded zip's; if so it must be so for a layer of ours."""
        name, version = next(iter(self.layer_versions.items()))
        shown = self._api.layers("GetLayerVersion", LayerName=name, LayerVersion=version)
        return bool(shown["CodeSha256"] == self._wanted.layers[name].sha256)

    def _declare(self, version: str) -> None:
        """Have the new version of `maintenance` bring the database up to date."""
        self._progress("applying the database's declarations")
        event = {"action": "declare", "token": self._wanted.declaring_token}
        result = self._api.invoke(DECLARING, version, event)
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
        found = self._found.functions.get(name)
        switch(self._api, name, version, found.live if found else LATEST)

    def _make_room(self, name: str, found: FoundFunction) -> None:
        """Delete our oldest versions before another is published, or the limit would stop us."""
        ours = sorted(
            int(number)
            for number, text in found.versions.items()
            if number != LATEST and text.startswith(f"{MARK} ")
        )
        for number in map(str, ours[: -KEPT_VERSIONS + 1]):
            if number not in (found.live, found.previous):
                self._api.scf("DeleteFunctionVersion", FunctionName=name, Qualifier=number)

    # --- what starts functions ------------------------------------------------------------------

    def _timer(self, function: str, name: str) -> None:
        wanted = next(t for t in self._wanted.functions[function].timers if t.name == name)
        found = self._found.functions.get(function)
        there = found.triggers.get(name) if found else None
        fields = {
            "FunctionName": function,
            "TriggerName": name,
            "Type": "timer",
            "TriggerDesc": wanted.cron,
            "CustomArgument": wanted.message,
            "Qualifier": DEFAULT,
            "Enable": "OPEN",
        }
        if there is not None and not is_same_timer(wanted, there):
            # A trigger's version can't be changed, so it is made anew.
            self._delete_timer(function, name, str(there.get("Qualifier") or LATEST))
        self._api.scf("CreateTrigger", **fields)

    def _delete_timer(self, function: str, name: str, qualifier: str) -> None:
        self._api.scf(
            "DeleteTrigger",
            FunctionName=function,
            TriggerName=name,
            Type="timer",
            Qualifier=qualifier,
        )

    def _retries(self, function: str) -> None:
        wanted = self._wanted
        self._api.scf(
            "UpdateFunctionEventInvokeConfig",
            FunctionName=function,
            AsyncTriggerConfig={
                "RetryConfig": [{"RetryNum": wanted.retries}],
                "MsgTTL": wanted.message_ttl_s,
            },
        )

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
        domain = default_domain(self._api)[0]
        if not domain:
            raise DeploymentError(f"HTTP access is not opened for {self._api.account.env_id}")
        route = {
            "Path": path,
            "UpstreamResourceType": "SCF",
            "UpstreamResourceName": self._wanted.routes[path],
            "Enable": True,
            "EnableAuth": False,  # WeChat Pay signs its calls; it has no session here.
            "EnablePathTransmission": True,
        }
        self._api.tcb(
            "CreateHTTPServiceRoute" if action == "create" else "ModifyHTTPServiceRoute",
            Domain={"Domain": domain, "Routes": [route]},
        )

    def _pages(self) -> None:
        there = hosting(self._api, self._storage_url)
        if there is None:
            raise DeploymentError(f"static hosting was closed meanwhile\n{GO_ON}")
        self._progress("uploading the console's pages")
        try:
            there.upload(pages())
        except Unavailable as error:
            raise DeploymentError(
                f"the console's pages: storage didn't answer ({error.detail})\n{GO_ON}"
            ) from error
        if PATH not in static_paths(self._api):
            route = {
                "Path": PATH,
                "UpstreamResourceType": STATIC,
                "Enable": True,
                "EnableAuth": False,
                "EnablePathTransmission": True,
            }
            domain = default_domain(self._api)[0]
            self._api.tcb("CreateHTTPServiceRoute", Domain={"Domain": domain, "Routes": [route]})

    def _delete(self, step: Step) -> None:
        self._progress(f"deleting {step.kind} {step.name}")
        if step.kind == "function":
            self._api.scf("DeleteFunction", FunctionName=step.name)
        elif step.kind == "timer":
            function, name = step.name.split("/")
            there = self._found.functions[function].triggers[name]
            self._delete_timer(function, name, str(there.get("Qualifier") or LATEST))
        elif step.kind == "route":
            domain = default_domain(self._api)[0]
            self._api.tcb("DeleteHTTPServiceRoute", Domain=domain, Paths=[step.name])


def _base64(package: Package) -> str:
    return base64.b64encode(package.path.read_bytes()).decode()
