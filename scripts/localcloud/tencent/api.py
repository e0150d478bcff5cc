"""One signed door for all of Tencent Cloud's actions that the local cloud answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from deployment.packages import MAX_REQUEST_BYTES
from localcloud.errors import PlatformError
from localcloud.keys import LocalSecrets
from localcloud.platform import Platform
from localcloud.tencent.calls import CallActions
from localcloud.tencent.environment import EnvironmentActions
from localcloud.tencent.functions import FunctionActions
from localcloud.tencent.layers import LayerActions
from localcloud.tencent.logs import LogActions
from localcloud.tencent.signature import verified_service
from localcloud.tencent.triggers import TriggerActions

READING = ("Get", "List", "Describe", "Invoke")  # How actions begin that change nothing deployed.
VERSIONS = {"scf": "2018-04-16", "tcb": "2018-06-08"}
_Action = tuple[Callable[[Any], dict[str, Any]], type[BaseModel]]


class TencentApi:
    """Answers scf 2018-04-16 and tcb 2018-06-08 over POST."""

    def __init__(self, platform: Platform, keys: LocalSecrets, url: str) -> None:
        self._platform = platform
        self._secrets = {keys.secret_id: keys.secret_key}
        scf = (
            FunctionActions(platform),
            TriggerActions(platform),
            LayerActions(platform),
            CallActions(platform),
        )
        self._actions: dict[str, dict[str, _Action]] = {
            "scf": {name: action for part in scf for name, action in part.actions().items()},
            "tcb": {
                **EnvironmentActions(platform, url).actions(),
                **LogActions(platform).actions(),
            },
        }

    def serve(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Answer one API call; errors travel in a 200, as the real API does it.

        `headers` by lower-case name.
        """
        request_id = str(uuid.uuid4())
        try:
            if len(body) > MAX_REQUEST_BYTES:
                raise PlatformError("RequestSizeLimitExceeded", "10 MB at most")
            service = verified_service(headers, body, self._secrets)
            response = self._act(service, headers, body)
        except PlatformError as error:
            response = {"Error": {"Code": error.code, "Message": str(error)}}
        return {"Response": {**response, "RequestId": request_id}}

    def _act(self, service: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        action, version = headers.get("x-tc-action", ""), headers.get("x-tc-version", "")
        if service not in self._actions or version != VERSIONS[service]:
            raise PlatformError("NoSuchVersion", f"{service} {version} is not served here")
        if action not in self._actions[service]:
            raise PlatformError("InvalidAction", f"{service} {action} is not served here")
        run, model = self._actions[service][action]
        try:
            request = model.model_validate_json(body or b"{}")
        except ValidationError as error:
            raise _as_api_error(error) from None
        if action.startswith(READING):
            return run(request)
        # Checks and changes are one: of two who race, the second is judged by what the first did.
        with self._platform.registry.changing():
            answer = run(request)
        self._platform.changed()
        return answer


def _as_api_error(error: ValidationError) -> PlatformError:
    """Name the parameter that is missing or wrong, as the API does."""
    faults = error.errors(include_url=False, include_input=False)
    # A client that sends what we don't read is told that first: mending the rest wouldn't help it.
    unread = [fault for fault in faults if fault["type"] == "extra_forbidden"]
    first = (unread or faults)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    if first["type"] == "missing":
        return PlatformError("MissingParameter", f"{where} is missing")
    if first["type"] == "extra_forbidden":
        return PlatformError("UnknownParameter", f"{where} is not read here")
    problem = str(first["msg"]).removeprefix("Value error, ")
    code = str(first["loc"][0]) if first["loc"] else "Param"
    return PlatformError(f"InvalidParameterValue.{code}", f"{where}: {problem}")
