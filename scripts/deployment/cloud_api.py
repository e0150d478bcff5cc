"""Tencent Cloud's scf and tcb APIs through its own SDK; the local cloud answers the same calls."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from deployment.errors import Stopped

REQUEST_TIMEOUT_S = 120  # Publishing a layer sends some 10 MB.
INVOKE_TIMEOUT_S = 310  # A synchronous call may take 300 s.
ACTIVE_WITHIN_S = 180.0
AGAIN_AFTER_S = (0.5, 1.0, 2.0, 4.0, 8.0)  # A call that was throttled, or a question.
PAGE = 100
FAILED = ("Failed", "CreateFailed", "UpdateFailed", "PublishFailed")
_QUESTIONS = ("Get", "List", "Describe")


class CloudApiError(Stopped):
    """A call was refused; `code` is the API's, `action` what was asked."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.action = action
        self.code = code


def bypass_proxies(url: str) -> None:
    """Keep calls to a local server away from a proxy that this process is told to use.

    Tencent's SDK looks for host and port in the variable, others for the host alone.
    """
    endpoint = url.removeprefix("http://")
    for name in ("no_proxy", "NO_PROXY"):
        kept = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join({*kept, endpoint, endpoint.partition(":")[0]})


@dataclass(frozen=True)
class Account:
    """Whose environment, and where its API answers (None: Tencent Cloud's own addresses)."""

    env_id: str
    region: str
    secret_id: str
    secret_key: str
    session_token: str | None = None
    endpoint: str | None = None
    protocol: str = "https"

    def __repr__(self) -> str:
        return f"Account({self.env_id})"  # Nothing secret, wherever it may be printed.


class CloudApi:
    """Calls by action name; answers are the API's own fields."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def scf(self, action: str, **fields: Any) -> dict[str, Any]:
        """Call scf 2018-04-16 in the environment's namespace."""
        return self._call(self._scf, action, {"Namespace": self.account.env_id, **fields})

    def layers(self, action: str, **fields: Any) -> dict[str, Any]:
        """Call scf 2018-04-16 for layers, which belong to the account, not to a namespace."""
        return self._call(self._scf, action, fields)

    def tcb(self, action: str, **fields: Any) -> dict[str, Any]:
        """Call tcb 2018-06-08 for the environment."""
        return self._call(self._tcb, action, {"EnvId": self.account.env_id, **fields})

    def pages(self, action: str, answer: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """Go through all of a list that scf hands out page by page."""
        offset = 0
        while True:
            page = self.scf(action, Offset=offset, Limit=PAGE, **fields)
            yield from page[answer]
            offset += PAGE
            if offset >= page["TotalCount"]:
                return

    def invoke(self, function: str, qualifier: str, event: object) -> dict[str, Any]:
        """Call one version of a function and wait; returns the API's `Result`. Never repeated."""
        fields = {
            "Namespace": self.account.env_id,
            "FunctionName": function,
            "Qualifier": qualifier,
            "ClientContext": json.dumps(event),
        }
        result: dict[str, Any] = self._call(self._scf_patient, "Invoke", fields)["Result"]
        return result

    def status(self, function: str) -> str:
        """Return what the platform says of a function's newest code and configuration."""
        return str(self.scf("GetFunction", FunctionName=function, Qualifier="$LATEST")["Status"])

    def wait_until_active(self, function: str, qualifier: str) -> None:
        """Return once a function (one version of it) can be called or changed again."""
        self._wait(
            function,
            lambda: str(
                self.scf("GetFunction", FunctionName=function, Qualifier=qualifier)["Status"]
            ),
        )

    def wait_until_layer_is_active(self, name: str, version: int) -> None:
        """Return once a layer's version can be used."""
        self._wait(
            name,
            lambda: str(
                self.layers("GetLayerVersion", LayerName=name, LayerVersion=version)["Status"]
            ),
        )

    def _wait(self, what: str, ask: Callable[[], str]) -> None:
        deadline, pause_s = time.monotonic() + ACTIVE_WITHIN_S, 0.02
        while (status := ask()) != "Active":
            if status in FAILED:
                raise CloudApiError("wait", status, f"{what} did not become active")
            if time.monotonic() > deadline:
                raise CloudApiError("wait", status, f"{what} is not active after 3 minutes")
            time.sleep(pause_s)
            pause_s = min(1.0, pause_s * 2)

    def _call(self, client: Any, action: str, fields: dict[str, Any]) -> dict[str, Any]:
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import (
            TencentCloudSDKException,
        )

        # The SDK's own retryer goes on calling after a success (common/retry.py, 3.1.195).
        for pause_s in (*AGAIN_AFTER_S, None):
            try:
                return cast("dict[str, Any]", client.call_json(action, fields)["Response"])
            except TencentCloudSDKException as error:
                if pause_s is None or not _may_be_repeated(action, str(error.code)):
                    raise CloudApiError(action, str(error.code), str(error.message)) from error
            time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    @cached_property
    def _scf(self) -> Any:
        from tencentcloud.scf.v20180416.scf_client import ScfClient

        return ScfClient(*self._client_arguments())

    @cached_property
    def _scf_patient(self) -> Any:
        from tencentcloud.scf.v20180416.scf_client import ScfClient

        return ScfClient(*self._client_arguments(INVOKE_TIMEOUT_S))

    @cached_property
    def _tcb(self) -> Any:
        from tencentcloud.tcb.v20180608.tcb_client import TcbClient

        return TcbClient(*self._client_arguments())

    def _client_arguments(self, timeout_s: int = REQUEST_TIMEOUT_S) -> tuple[Any, str, Any]:
        from tencentcloud.common.credential import Credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile

        account = self.account
        http = HttpProfile(
            protocol=account.protocol,
            endpoint=account.endpoint,
            reqTimeout=timeout_s,
            keepAlive=True,
        )
        profile = ClientProfile(httpProfile=http)
        credential = Credential(account.secret_id, account.secret_key, account.session_token)
        return credential, account.region, profile


def _may_be_repeated(action: str, code: str) -> bool:
    """Throttled means not done; of a broken connection nobody knows, so only questions go again."""
    if code.startswith("RequestLimitExceeded"):
        return True
    broken = code in ("ClientNetworkError", "ServerNetworkError", "InternalError")
    return broken and action.startswith(_QUESTIONS)
