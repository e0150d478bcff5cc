"""scf 2018-04-16: functions, their versions and aliases."""

from __future__ import annotations

import time
from typing import Any

from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.registry import LATEST, Function, Revision, timestamp
from localcloud.tencent import requests as asked
from localcloud.tencent.layers import shown_layer, unpacked_package
from localcloud.tencent.triggers import shown_trigger

RUNTIME = "Python3.11"
MAX_VERSIONS = 20  # Of one function.
Answer = dict[str, Any]


class FunctionActions:
    """What can be done to functions; each method is an action of its name.

    A function that was just created or changed is busy for `settle_s`, as on the platform: until
    then it can be neither changed nor published.
    """

    def __init__(self, platform: Platform, *, settle_s: float = 0.02) -> None:
        self._platform = platform
        self._registry = platform.registry
        self._settle_s = settle_s
        self._busy_until: dict[str, tuple[float, str]] = {}

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "CreateFunction": (self.create_function, asked.CreateFunction),
            "UpdateFunctionCode": (self.update_code, asked.UpdateFunctionCode),
            "UpdateFunctionConfiguration": (self.update_configuration, asked.Configuration),
            "GetFunction": (self.get_function, asked.GetFunction),
            "GetFunctionAddress": (self.get_address, asked.OfVersion),
            "ListFunctions": (self.list_functions, asked.ListFunctions),
            "DeleteFunction": (self.delete_function, asked.DeleteFunction),
            "PublishVersion": (self.publish_version, asked.PublishVersion),
            "ListVersionByFunction": (self.list_versions, asked.ListVersions),
            "DeleteFunctionVersion": (self.delete_version, asked.OfVersion),
            "GetAlias": (self.get_alias, asked.OfAlias),
            "ListAliases": (self.list_aliases, asked.OfFunction),
            "UpdateAlias": (self.update_alias, asked.UpdateAlias),
        }

    def create_function(self, request: asked.CreateFunction) -> Answer:
        """Make a function; its `$DEFAULT` alias points to `$LATEST` until told otherwise."""
        self._check_namespace(request)
        name = request.FunctionName
        if request.Runtime != RUNTIME:
            raise PlatformError("InvalidParameterValue.Runtime", f"Runtime: {RUNTIME} runs here")
        if name in self._registry.functions:
            raise PlatformError("ResourceInUse.Function", f"{name} exists")
        sha256, size = unpacked_package(request.Code.content(), f"{name}: Code")
        latest = Revision(
            function=name,
            version=LATEST,
            code_sha256=sha256,
            code_bytes=size,
            handler=request.Handler,
            runtime=RUNTIME,
            description="",
            timeout_s=3,
            memory_mb=128,
            variables={},
            layers=[],
            vpc={},
            modified_at=timestamp(),
        )
        latest = latest.model_copy(update=self._configured(request))
        function = Function(name=name, added_at=timestamp(), revisions={LATEST: latest})
        self._registry.functions[name] = function
        self._settle(name, "Creating")
        return {}

    def update_code(self, request: asked.UpdateFunctionCode) -> Answer:
        package = request.Code or asked.Package(ZipFile=request.ZipFile)
        function = self._ready(request)
        sha256, size = unpacked_package(package.content(), f"{function.name}: Code")
        changes = {"code_sha256": sha256, "code_bytes": size}
        if request.Handler:
            changes["handler"] = request.Handler
        self._change_latest(function, changes)
        self._settle(function.name, "Updating")
        return {}

    def update_configuration(self, request: asked.Configuration) -> Answer:
        function = self._ready(request)
        if request.Runtime not in (None, RUNTIME):
            raise PlatformError("InvalidParameterValue.Runtime", "a runtime can't be changed")
        self._change_latest(function, self._configured(request))
        self._settle(function.name, "Updating")
        return {}

    def _configured(self, request: asked.Configuration) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if request.Description is not None:
            changes["description"] = request.Description
        if request.MemorySize is not None:
            changes["memory_mb"] = request.MemorySize
        if request.Timeout is not None:
            changes["timeout_s"] = request.Timeout
        if request.Environment is not None:
            changes["variables"] = request.Environment.mapping()
        if request.VpcConfig is not None:
            changes["vpc"] = request.VpcConfig.model_dump()
        if request.Layers is not None:
            changes["layers"] = [(use.LayerName, use.LayerVersion) for use in request.Layers]
            for name, version in changes["layers"]:
                self._registry.layer(name, version)
        return changes

    def _change_latest(self, function: Function, changes: dict[str, Any]) -> None:
        latest = function.revisions[LATEST]
        function.revisions[LATEST] = latest.model_copy(
            update={**changes, "modified_at": timestamp()}
        )

    def get_function(self, request: asked.GetFunction) -> Answer:
        function = self._function(request)
        revision = function.revision(request.Qualifier)
        return {
            "FunctionName": function.name,
            "FunctionId": f"lam-{function.name}",
            "Namespace": self._platform.namespace,
            "Type": "Event",
            "Status": self._status(function.name),
            "StatusDesc": "",
            "StatusReasons": [],
            "AvailableStatus": "Available",
            "CodeResult": "success",
            "CodeError": "",
            "ErrNo": 0,
            "CodeInfo": "",
            "Qualifier": revision.version,
            "FunctionVersion": revision.version,
            "Handler": revision.handler,
            "Runtime": revision.runtime,
            "Description": revision.description,
            "CodeSize": revision.code_bytes,
            "MemorySize": revision.memory_mb,
            "Timeout": revision.timeout_s,
            "Environment": {
                "Variables": [{"Key": k, "Value": v} for k, v in revision.variables.items()]
            },
            "VpcConfig": revision.vpc or {"VpcId": "", "SubnetId": ""},
            "Layers": [shown_layer(self._registry.layer(*use)) for use in revision.layers],
            "Triggers": [shown_trigger(trigger) for trigger in function.triggers.values()],
            "InstallDependency": "FALSE",
            "AddTime": function.added_at,
            "ModTime": revision.modified_at,
        }

    def get_address(self, request: asked.OfVersion) -> Answer:
        revision = self._function(request).revision(request.Qualifier)
        return {"Url": "", "CodeSha256": revision.code_sha256}

    def list_functions(self, request: asked.ListFunctions) -> Answer:
        self._check_namespace(request)
        found = [
            {
                "FunctionName": name,
                "FunctionId": f"lam-{name}",
                "Namespace": self._platform.namespace,
                "Type": "Event",
                "Runtime": RUNTIME,
                "Status": self._status(name),
                "StatusDesc": "",
                "Description": function.revisions[LATEST].description,
                "AddTime": function.added_at,
                "ModTime": function.revisions[LATEST].modified_at,
            }
            for name, function in self._registry.functions.items()
            if request.SearchKey in name
        ]
        found.sort(key=lambda shown: shown[request.Orderby], reverse=request.Order == "DESC")
        page = found[request.Offset :][: request.Limit]
        return {"Functions": page, "TotalCount": len(found)}

    def delete_function(self, request: asked.DeleteFunction) -> Answer:
        """Delete one version if the call names it, else the function with all its versions."""
        function = self._function(request)
        if request.Qualifier is not None:
            return self._delete_version(function, request.Qualifier)
        del self._registry.functions[function.name]
        return {}

    def publish_version(self, request: asked.PublishVersion) -> Answer:
        """Freeze `$LATEST` under the next number."""
        function = self._ready(request, "FailedOperation.PublishVersion")
        if len(function.revisions) > MAX_VERSIONS:
            raise PlatformError(
                "LimitExceeded.FunctionVersions", f"{MAX_VERSIONS} versions at most"
            )
        function.last_version += 1
        number = str(function.last_version)
        revision = function.revisions[LATEST].model_copy(
            update={
                "version": number,
                "version_description": request.Description,
                "modified_at": timestamp(),
            }
        )
        function.revisions[number] = revision
        return {
            "FunctionVersion": number,
            "CodeSize": revision.code_bytes,
            "MemorySize": revision.memory_mb,
            "Description": request.Description,
            "Handler": revision.handler,
            "Timeout": revision.timeout_s,
            "Runtime": revision.runtime,
            "Namespace": self._platform.namespace,
        }

    def list_versions(self, request: asked.ListVersions) -> Answer:
        function = self._function(request)
        revisions = list(function.revisions.values())
        published = sorted((r for r in revisions if r.version != LATEST), key=_number)
        if request.Order == "DESC":
            published.reverse()
        chosen = [function.revisions[LATEST], *published][request.Offset :][: request.Limit]
        return {
            "FunctionVersion": [revision.version for revision in chosen],
            "Versions": [
                {
                    "Version": revision.version,
                    "Description": revision.version_description,
                    "AddTime": revision.modified_at,
                    "ModTime": revision.modified_at,
                    "Status": "Active",
                }
                for revision in chosen
            ],
            "TotalCount": len(function.revisions),
        }

    def delete_version(self, request: asked.OfVersion) -> Answer:
        return self._delete_version(self._function(request), request.Qualifier)

    def _delete_version(self, function: Function, version: str) -> Answer:
        if version not in function.revisions:  # An alias is no version either.
            raise PlatformError("ResourceNotFound.Qualifier", f"no version {version}")
        if version == LATEST or version in function.aliases.values():
            raise PlatformError(
                "UnsupportedOperation.AliasBind", f"{version} is in use by an alias"
            )
        del function.revisions[version]
        return {}

    def get_alias(self, request: asked.OfAlias) -> Answer:
        function = self._function(request)
        if request.Name not in function.aliases:
            raise PlatformError("ResourceNotFound.Alias", f"{function.name}: no {request.Name}")
        return _shown_alias(function, request.Name)

    def list_aliases(self, request: asked.OfFunction) -> Answer:
        function = self._function(request)
        shown = [_shown_alias(function, name) for name in function.aliases]
        return {"Aliases": shown, "TotalCount": len(shown)}

    def update_alias(self, request: asked.UpdateAlias) -> Answer:
        """Point an alias at one version; shares of traffic are not done here, so refused."""
        function = self._function(request)
        if any((request.RoutingConfig or {}).values()):
            raise PlatformError("UnsupportedOperation", "RoutingConfig: no shares of traffic here")
        if request.Name not in function.aliases:
            raise PlatformError("ResourceNotFound.Alias", f"{function.name}: no {request.Name}")
        if request.FunctionVersion not in function.revisions:
            raise PlatformError(
                "ResourceNotFound.FunctionVersion", f"{function.name}: {request.FunctionVersion}"
            )
        function.aliases[request.Name] = request.FunctionVersion
        function.alias_notes[request.Name] = request.Description
        return {}

    def _check_namespace(self, request: asked.OfNamespace) -> None:
        self._platform.check_namespace(request.Namespace)

    def _function(self, request: asked.OfFunction) -> Function:
        self._check_namespace(request)
        return self._registry.function(request.FunctionName)

    def _ready(
        self, request: asked.OfFunction, code: str = "FailedOperation.FunctionStatusError"
    ) -> Function:
        function = self._function(request)
        if self._status(function.name) != "Active":
            raise PlatformError(code, f"{function.name} is {self._status(function.name)}")
        return function

    def _settle(self, function: str, status: str) -> None:
        self._busy_until[function] = (time.monotonic() + self._settle_s, status)

    def _status(self, function: str) -> str:
        until, status = self._busy_until.get(function, (0.0, ""))
        return status if time.monotonic() < until else "Active"


def _number(revision: Revision) -> int:
    return int(revision.version)


def _shown_alias(function: Function, name: str) -> Answer:
    return {
        "Name": name,
        "FunctionVersion": function.aliases[name],
        "Description": function.alias_notes.get(name, ""),
        "RoutingConfig": {"AdditionalVersionWeights": [], "AddtionVersionMatchs": []},
    }
