"""Read an environment as it is, as far as a plan needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from deployment.cloud_api import FAILED, CloudApi, CloudApiError
from deployment.errors import DeploymentError
from deployment.hosting import PATH, STATIC, hosting
from deployment.plan import DECLARING, DEFAULT, MARK, Found, FoundFunction, Wanted, WantedFunction
from deployment.web import pages
from huitou.runtime.errors import Unavailable

PREVIOUS = f"{MARK} previous "  # Begins the note on an alias; the rest is what was live before.
_UNKNOWN = FoundFunction(live="", versions={}, triggers={}, retries=0, message_ttl_s=0)


def look(
    api: CloudApi, wanted: Wanted, only: frozenset[str] = frozenset(), storage_url: str = ""
) -> Found:
    """Read the environment's state, as far as the plan needs it.

    `storage_url` is where its storage answers, if not at Tencent's own address.
    """
    envs = {env["EnvId"]: env for env in api.tcb("DescribeEnvs")["EnvList"]}
    if api.account.env_id not in envs:
        raise DeploymentError(f"there is no environment {api.account.env_id} in this account")
    logs: dict[str, str] = next(iter(envs[api.account.env_id].get("LogServices") or []), {})
    there = {f["FunctionName"]: f["Status"] for f in api.pages("ListFunctions", "Functions")}
    broken = frozenset(name for name, status in there.items() if status == "CreateFailed")
    functions = {
        name: _look_at(api, name, wanted.functions[name]) if name in wanted.functions else _UNKNOWN
        for name in sorted(there.keys() - broken)
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
        routes=dict(default_domain(api)[1]),
        broken=broken,
        pages="closed" if only else _look_at_pages(api, storage_url),
        log_service={f"Cls{key}": logs[key] for key in ("TopicId", "LogsetId") if logs.get(key)},
    )


def _look_at_pages(api: CloudApi, storage_url: str) -> Literal["closed", "none", "other", "same"]:
    there = hosting(api, storage_url)
    if there is None:
        return "closed"
    try:
        state = there.state(pages())
    except Unavailable as error:
        raise DeploymentError(f"static hosting's storage: {error.detail}") from error
    return "other" if state == "same" and PATH not in static_paths(api) else state


def _layer_versions(api: CloudApi, name: str) -> dict[str, int]:
    try:
        versions = api.layers("ListLayerVersions", LayerName=name)["LayerVersions"]
    except CloudApiError as error:
        if error.code.startswith("ResourceNotFound"):
            return {}
        raise
    sound = [version for version in versions if version.get("Status") not in FAILED]
    return {v["Description"]: v["LayerVersion"] for v in reversed(sound)}  # The newest wins.


def _look_at(api: CloudApi, name: str, wanted: WantedFunction) -> FoundFunction:
    alias = api.scf("GetAlias", FunctionName=name, Name=DEFAULT)
    live = alias["FunctionVersion"]
    versions = {
        version["Version"]: version.get("Description") or ""
        for version in api.pages("ListVersionByFunction", "Versions", FunctionName=name)
        if version.get("Status") not in FAILED
    }
    retries = api.scf("GetFunctionEventInvokeConfig", FunctionName=name)["AsyncTriggerConfig"]
    listed = api.scf("ListTriggers", FunctionName=name)["Triggers"]
    timers = [trigger for trigger in listed if trigger["Type"] == "timer"]
    details: dict[str, Any] = {}
    if versions.get(live) != wanted.mark:
        details = api.scf("GetFunction", FunctionName=name, Qualifier=live)
    return FoundFunction(
        live=live,
        versions=versions,
        triggers={trigger["TriggerName"]: trigger for trigger in timers},
        retries=next((r["RetryNum"] for r in retries.get("RetryConfig") or []), 2),
        message_ttl_s=retries.get("MsgTTL") or 0,
        previous=noted_previous(alias),
        live_details=details,
    )


def noted_previous(alias: Mapping[str, Any]) -> str | None:
    """Read what was live before from the note we leave on the alias."""
    note = str(alias.get("Description") or "")
    return note.removeprefix(PREVIOUS) if note.startswith(PREVIOUS) else None


def _own_domain(api: CloudApi) -> dict[str, Any]:
    """The environment's own domain, with its routes; empty where HTTP access isn't opened."""
    domains = api.tcb("DescribeHTTPServiceRoute", Limit=1000)["Domains"]
    return next((domain for domain in domains if domain.get("IsDefault")), {})


def static_paths(api: CloudApi) -> set[str]:
    """The paths of the environment's own domain that lead to its static hosting."""
    routes = _own_domain(api).get("Routes") or []
    return {route["Path"] for route in routes if route.get("UpstreamResourceType") == STATIC}


def default_domain(api: CloudApi) -> tuple[str, dict[str, str]]:
    """The environment's own domain and its paths, each with the function that answers."""
    domain = _own_domain(api)
    return domain.get("Domain", ""), {
        route["Path"]: route["UpstreamResourceName"]
        for route in domain.get("Routes") or []
        if route.get("UpstreamResourceType") == "SCF"  # Others are not ours to judge.
    }
