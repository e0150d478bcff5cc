"""Call other functions of the bundle, through the platform's own API (scf Invoke)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from huitou.runtime.errors import Code, Lang, Refusal, Unavailable, all_codes
from huitou.runtime.identity import internal_token
from huitou.runtime.settings import CloudSettings

TIMEOUT_S = 10


class RefusedThere(Refusal):
    """Another function refused the call; the message is the one it gave."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        field = error.get("field")
        # The other function may run a newer version, with an error code that is unknown here.
        code = all_codes().get(str(error["code"]), Code.INTERNAL)
        super().__init__(code, field=str(field) if field else None)
        self._words = str(error["message"])

    def message(self, lang: Lang = "zh") -> str:  # noqa: ARG002
        return self._words


class Functions:
    """Calls of the bundle's functions, made as an internal caller.

    Raises Unavailable if the platform or the function doesn't answer properly.
    """

    def __init__(
        self, settings: CloudSettings, internal_secret: bytes, *, timeout_s: int = TIMEOUT_S
    ) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._secret = internal_secret

    @cached_property
    def _client(self) -> Any:
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.scf.v20180416.scf_client import ScfClient

        here = self._settings
        profile = HttpProfile(
            protocol=here.protocol,
            endpoint=here.endpoint,
            reqTimeout=self._timeout_s,
            keepAlive=True,
        )
        credential = Credential(here.secret_id, here.secret_key, here.session_token)
        return ScfClient(credential, here.region, ClientProfile(httpProfile=profile))

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        """Start a function asynchronously; returns when the platform has accepted the call."""
        self._invoke(function, event, "Event")

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call a function and return its whole answer, also if it refused."""
        result = self._invoke(function, event, "RequestResponse")
        try:
            answer = json.loads(result.RetMsg)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "ok" not in answer:
            raise Unavailable(detail=f"{function}: {result.ErrMsg or result.RetMsg}")
        return answer

    def ask(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function and return its answer's `data`; raises RefusedThere if it refused."""
        answer = self.call(function, event)
        if answer["ok"]:
            return answer["data"]
        raise RefusedThere(answer["error"])

    def _invoke(self, function: str, event: Mapping[str, Any], invocation: str) -> Any:
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import (
            TencentCloudSDKException,
        )
        from tencentcloud.scf.v20180416.models import InvokeRequest

        request = InvokeRequest()
        request.FunctionName = function
        request.Namespace = self._settings.namespace
        request.InvocationType = invocation
        # Call the live version; without this the API calls the version uploaded last.
        request.Qualifier = "$DEFAULT"
        request.ClientContext = json.dumps(
            {**event, "token": internal_token(self._secret, function)}, ensure_ascii=False
        )
        try:
            return self._client.Invoke(request).Result
        except TencentCloudSDKException as error:
            raise Unavailable(detail=f"{function}: {error.code}") from error
