"""Deployments to a local cloud: run, record, interrupt and compare them."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

from deployment.cloud_api import CloudApi
from deployment.deploy import Deployment, prepare
from deployment.found import look
from deployment.packages import local_target
from deployment.plan import DEFAULT, LATEST, Step, plan
from deployment.target import Target
from localcloud.cloud import LocalCloud
from localcloud.registry import Function


def emptied(cloud: LocalCloud) -> LocalCloud:
    """Remove all that is deployed and all collections; returns the cloud."""
    with cloud.registry.changing():
        cloud.registry.functions.clear()
        cloud.registry.layers.clear()
        cloud.registry.routes.clear()
        cloud.registry.static = None
        cloud.registry.security_rules = {"*": {"invoke": "auth != null"}}
    cloud.platform.changed()
    for name in cloud.database.mongo.list_collection_names():
        cloud.database.mongo.drop_collection(name)
    return cloud


def changes(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.action in ("create", "update", "delete")]


def deploy(
    target: Target,
    api: CloudApi | None = None,
    *,
    prune: bool = False,
    only: frozenset[str] = frozenset(),
) -> list[Step]:
    """Deploy everything, or `only` some functions; returns the steps that were needed."""
    own, wanted = prepare(target, local_target())
    api = api or own
    found = look(api, wanted, only)
    steps = plan(wanted, found, only)
    if prune:
        steps = [
            dataclasses.replace(s, action="delete") if s.action == "extra" else s for s in steps
        ]
    Deployment(api, wanted, found, lambda _: None).run(steps)
    return changes(steps)


def changed(target: Target, **variables: str) -> Target:
    return dataclasses.replace(target, variables={**target.variables, **variables})


def live(cloud: LocalCloud, name: str = "pay") -> Any:
    return cloud.registry.function(name).revision(DEFAULT)


def facts(cloud: LocalCloud) -> dict[str, Any]:
    """Return what callers of the environment see; only versions may differ between deployments."""

    def shown(function: Function) -> dict[str, Any]:
        revision = function.revision(DEFAULT).model_dump(exclude={"version", "modified_at"})
        revision["layers"] = [
            (name, cloud.registry.layer(name, number).sha256) for name, number in revision["layers"]
        ]
        triggers = {
            name: trigger.model_dump(exclude={"added_at"})
            for name, trigger in function.triggers.items()
        }
        return {"revision": revision, "triggers": triggers, "retries": function.retries}

    return {
        "functions": {name: shown(f) for name, f in sorted(cloud.registry.functions.items())},
        "routes": dict(cloud.registry.routes),
        "rules": cloud.registry.security_rules,
    }


class Recorder(CloudApi):
    """Records every call; stops before call number `stop_at`, or the first call named `before`."""

    def __init__(
        self, target: Target, stop_at: int | None = None, before: str | None = None
    ) -> None:
        super().__init__(target.account)
        self.actions: list[str] = []
        self._stop_at = stop_at
        self._before = before

    def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
        if len(self.actions) == self._stop_at or action == self._before:
            raise KeyboardInterrupt
        self.actions.append(action)
        return super()._call(client, action, fields)


def forget_published(cloud: LocalCloud, name: str) -> None:
    """Delete the versions that aren't live, so that the next deployment finds none of them."""
    with cloud.registry.changing():
        function = cloud.registry.function(name)
        for number in list(function.revisions):
            if number not in (LATEST, function.aliases[DEFAULT]):
                del function.revisions[number]


def zip_of(cloud: LocalCloud, name: str = "store-menu") -> str:
    _, wanted = prepare(cloud.target, local_target())
    content = wanted.functions[name].package.path.read_bytes()
    return base64.b64encode(content).decode()
