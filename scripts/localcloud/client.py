"""How commands and the simulation talk to a running local cloud: over HTTP, like everybody."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from deployment.cloud_api import bypass_proxies
from deployment.packages import Target as BuildTarget
from deployment.packages import local_target
from deployment.target import Target
from huitou.integrations.functions import Functions
from huitou.runtime.settings import CloudSettings
from localcloud.errors import AlreadyUp
from localcloud.keys import load_secrets
from localcloud.mongod import configured_uri
from localcloud.target import DEFAULT_DATA, NAMESPACE, REGION, local_cloud_target

TIMEOUT_S = 120
CHANGES_WITHIN_S = 30.0  # Starting or stopping takes a few seconds.


class CallFailed(Exception):  # noqa: N818
    """The platform could not get an answer out of a function."""


class LocalCloudClient:
    """A running local cloud, found by its data folder."""

    def __init__(self, url: str, vendor_url: str, data: Path) -> None:
        bypass_proxies(url)
        self.name = "the local cloud"
        self.url = url
        self.vendor_url = vendor_url
        self.data = data
        self._http = urllib3.PoolManager(maxsize=32, timeout=TIMEOUT_S, retries=False)

    def member_call(self, function: str, openid: str, data: object) -> dict[str, Any]:
        """Call as the mini-program does, for the member behind an OpenID."""
        body = {"name": function, "data": data, "openid": openid}
        answer = self._post(f"{self.url}/callFunction", body)
        if "result" not in answer:
            raise CallFailed(f"{function}: {answer.get('errMsg')}")
        return dict(answer["result"])

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call as an internal caller, through Tencent's API."""
        return self._functions().call(function, event)

    def _functions(self) -> Functions:
        keys = load_secrets(self.data)
        settings = CloudSettings(
            NAMESPACE,
            REGION,
            self.url.removeprefix("http://"),
            "http",
            keys.secret_id,
            keys.secret_key,
            None,
        )
        return Functions(settings, keys.internal_secret.encode(), timeout_s=TIMEOUT_S)

    @property
    def target(self) -> Target:
        """This cloud as a place to deploy to and to inspect."""
        there = json.loads((self.data / "endpoint.json").read_text())
        keys = load_secrets(self.data)
        return local_cloud_target(
            keys, self.url, there["mongodb_uri"], there["database"], there.get("storage_url", "")
        )

    @property
    def build_for(self) -> BuildTarget:
        """What the layers must be built for: the interpreter that runs its functions."""
        return local_target()

    def control(self, name: str, **body: object) -> dict[str, Any]:
        """Use one of the local cloud's own controls (clock, drain, fire …)."""
        return self._post(f"{self.url}/local/{name}", body)

    def pay(self, openid: str, payment: dict[str, str]) -> dict[str, Any]:
        """Confirm a payment on the guest's phone."""
        return self._post(f"{self.vendor_url}/phone/pay", {"openid": openid, "payment": payment})

    def phone_code(self, phone: str) -> str:
        """Allow the mini-program to have the guest's number."""
        return str(
            self._post(f"{self.vendor_url}/phone/authorise-number", {"phone": phone})["code"]
        )

    def accept_messages(self, openid: str, template_ids: list[str]) -> dict[str, str]:
        """Allow one message of each template on the guest's phone; returns the answers."""
        body = {"openid": openid, "template_ids": template_ids}
        return self._post(f"{self.vendor_url}/phone/accept-messages", body)

    def enter_group(self, openid: str, opengid: str) -> dict[str, str]:
        """Open the mini-program from a group on the guest's phone."""
        body = {"openid": openid, "opengid": opengid}
        return self._post(f"{self.vendor_url}/phone/enter-group", body)

    def _post(self, url: str, body: object) -> dict[str, Any]:
        return dict(self._http.request("POST", url, json=body).json())


def running(data: Path = DEFAULT_DATA) -> LocalCloudClient | None:
    """Return the local cloud that is up on this data, if any."""
    try:
        endpoint = json.loads((data / "endpoint.json").read_text())
        os.kill(endpoint["pid"], 0)
        client = LocalCloudClient(endpoint["url"], endpoint["vendor_url"], data)
        client.control("status")
    except (OSError, ValueError, urllib3.exceptions.HTTPError):
        return None
    return client


@contextmanager
def connected(data: Path = DEFAULT_DATA, *, deploy: bool = True) -> Iterator[LocalCloudClient]:
    """Use the local cloud that is up on this data, or start one for as long as this takes.

    One that is started has the bundle deployed to it first, unless `deploy` is False.
    """
    gives_up = time.monotonic() + CHANGES_WITHIN_S
    while True:
        client = running(data)
        if client is not None:
            yield client
            return
        from localcloud.cloud import LocalCloud  # Late: a command whose cloud is up needs none.

        cloud = LocalCloud(data, mongodb_uri=configured_uri(), deploy=deploy)
        try:
            cloud.start()
            break
        except AlreadyUp:  # Another command is just starting or stopping it.
            if time.monotonic() > gives_up:
                raise
            time.sleep(0.3)
    try:
        yield LocalCloudClient(cloud.url, cloud.vendor_url, data)
    finally:
        cloud.stop()
