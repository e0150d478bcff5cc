"""tcb 2018-06-08: the environment, who may call its functions, and its paths of HTTP access."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from huitou.runtime.parsing import parse_json
from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.storage import STATIC_BUCKET
from localcloud.tencent.requests import Request

Answer = dict[str, Any]


class OfEnvironment(Request):
    EnvId: str


class DescribeEnvs(Request):
    EnvId: str | None = None
    # By these two a client leaves out environments of another maker; ours is none of them.
    Channels: list[str] = Field(default=[])
    IsVisible: Literal[False] = False


class DescribePermission(OfEnvironment):
    ResourceType: Literal["function"]
    Resources: list[str] = Field(default=[], max_length=0)


class ModifyPermission(DescribePermission):
    Permission: Literal["CUSTOM"]
    SecurityRule: str


class Route(Request):
    Path: str = Field(pattern=r"^/([a-zA-Z0-9_.-]+/?)*$")
    UpstreamResourceType: Literal["SCF", "STATIC_STORE"] | None = None
    UpstreamResourceName: str | None = None
    Enable: Literal[True] = True
    EnableAuth: Literal[False] = False
    EnablePathTransmission: Literal[True] = True


class DescribeRoutes(OfEnvironment):
    Limit: int = Field(default=20, ge=0, le=1_000)  # Domains: there is one.


class RoutesOfDomain(Request):
    Domain: str
    Routes: list[Route] = Field(max_length=20)


class ChangeRoutes(OfEnvironment):
    Domain: RoutesOfDomain


class DeleteRoutes(OfEnvironment):
    Domain: str
    Paths: list[str] = Field(default=[])


class EnvironmentActions:
    """What can be done to the environment; each method is an action of its name."""

    def __init__(self, platform: Platform, url: str) -> None:
        self._platform = platform
        self._registry = platform.registry
        self._domain = url.removeprefix("http://")

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "DescribeEnvs": (self.describe_envs, DescribeEnvs),
            "DescribeResourcePermission": (self.describe_permission, DescribePermission),
            "ModifyResourcePermission": (self.modify_permission, ModifyPermission),
            "CreateStaticStore": (self.create_static_store, OfEnvironment),
            "DescribeStaticStore": (self.describe_static_store, OfEnvironment),
            "DescribeHTTPServiceRoute": (self.describe_routes, DescribeRoutes),
            "CreateHTTPServiceRoute": (self.create_routes, ChangeRoutes),
            "ModifyHTTPServiceRoute": (self.modify_routes, ChangeRoutes),
            "DeleteHTTPServiceRoute": (self.delete_routes, DeleteRoutes),
        }

    def describe_envs(self, request: DescribeEnvs) -> Answer:
        name = self._platform.namespace
        mine = request.EnvId in (None, "", name)
        found = [
            {
                "EnvId": name,
                "Alias": name,
                "Status": "NORMAL",
                "Source": "qcloud",
                "Region": "ap-shanghai",
                "EnvType": "baas",
                "PackageId": "local",
                "PackageName": "local cloud",
                "Functions": [{"Namespace": name, "Region": "ap-shanghai"}],
                "Databases": [],
                "Storages": [{"Bucket": "", "Region": "ap-shanghai", "CdnDomain": ""}],
            }
        ]
        return {"EnvList": found if mine else [], "Total": int(mine)}

    def describe_permission(self, request: DescribePermission) -> Answer:
        self._check(request)
        rule = json.dumps(self._registry.security_rules)
        shown = {
            "Resource": "function",
            "ResourceType": "function",
            "Permission": "CUSTOM",
            "SecurityRule": rule,
        }
        return {"Data": {"TotalCount": 1, "PermissionList": [shown]}}

    def modify_permission(self, request: ModifyPermission) -> Answer:
        """Set who may call which function; only rules that can be judged here are taken."""
        self._check(request)
        try:
            rules = parse_json(request.SecurityRule)
        except ValueError:
            raise PlatformError("InvalidParameter.SecurityRule", "SecurityRule: no JSON") from None
        for name, rule in rules.items() if isinstance(rules, dict) else [("SecurityRule", None)]:
            if not isinstance(rule, dict) or rule.get("invoke") not in (
                True,
                False,
                "auth != null",
            ):
                raise PlatformError("InvalidParameter.SecurityRule", f"{name}: invoke")
        self._registry.security_rules = rules
        return {"Data": {"Success": True}}

    def create_static_store(self, request: OfEnvironment) -> Answer:
        """Open static hosting; here it is there at once."""
        self._check(request)
        if self._registry.static is None:
            self._registry.static = []
        return {"Result": "succ"}

    def describe_static_store(self, request: OfEnvironment) -> Answer:
        self._check(request)
        store = {
            "EnvId": request.EnvId,
            "CdnDomain": self._domain,
            "Bucket": STATIC_BUCKET,
            "Regoin": "ap-shanghai",
            "Region": "ap-shanghai",
            "Status": "online",
        }
        return {"Data": [] if self._registry.static is None else [store]}

    def describe_routes(self, request: DescribeRoutes) -> Answer:
        self._check(request)
        routes = [
            {
                "Path": path,
                "UpstreamResourceType": "SCF",
                "UpstreamResourceName": function,
                "Enable": True,
            }
            for path, function in self._registry.routes.items()
        ] + [
            {
                "Path": path,
                "UpstreamResourceType": "STATIC_STORE",
                "Enable": True,
                "UpstreamResourceName": "staticstore",
            }
            for path in self._registry.static or []
        ]
        domain = {
            "Domain": self._domain,
            "DomainType": "HTTPSERVICE",
            "IsDefault": True,
            "Enable": True,
            "Status": "SUCCESS",
            "Routes": routes,
        }
        return {"Domains": [domain][: request.Limit], "OriginDomain": self._domain, "TotalCount": 1}

    def create_routes(self, request: ChangeRoutes) -> Answer:
        for route in request.Domain.Routes:
            if route.Path in (*self._registry.routes, *(self._registry.static or [])):
                raise PlatformError("ResourceInUse", f"{route.Path} exists")
        return self._put_routes(request)

    def modify_routes(self, request: ChangeRoutes) -> Answer:
        for route in request.Domain.Routes:
            if route.Path not in self._registry.routes:
                raise PlatformError("ResourceNotFound", f"no {route.Path}")
        return self._put_routes(request)

    def _put_routes(self, request: ChangeRoutes) -> Answer:
        self._check_domain(request, request.Domain.Domain)
        for route in request.Domain.Routes:
            if route.UpstreamResourceType == "STATIC_STORE":
                if self._registry.static is None:
                    raise PlatformError("ResourceNotFound", f"{route.Path}: no static hosting")
            elif route.UpstreamResourceName not in self._registry.functions:
                raise PlatformError(
                    "ResourceNotFound", f"{route.Path}: no function {route.UpstreamResourceName}"
                )
        for route in request.Domain.Routes:
            if route.UpstreamResourceType == "STATIC_STORE":
                self._registry.static = [*(self._registry.static or []), route.Path]
            else:
                self._registry.routes[route.Path] = str(route.UpstreamResourceName)
        return {}

    def delete_routes(self, request: DeleteRoutes) -> Answer:
        self._check_domain(request, request.Domain)
        for path in request.Paths or list(self._registry.routes):  # None named: all of them.
            self._registry.routes.pop(path, None)
        return {}

    def _check(self, request: OfEnvironment) -> None:
        if request.EnvId != self._platform.namespace:
            raise PlatformError("ResourceNotFound", f"EnvId: {request.EnvId}")

    def _check_domain(self, request: OfEnvironment, domain: str) -> None:
        self._check(request)
        if domain not in (self._domain, "*"):
            raise PlatformError("ResourceNotFound", f"Domain: {domain}")
