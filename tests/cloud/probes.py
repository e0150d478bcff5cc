"""Small functions of the tests' own, put into a local cloud and called by Tencent's plain SDK."""

from __future__ import annotations

import base64
import io
import itertools
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416.models import InvokeRequest
from tencentcloud.scf.v20180416.scf_client import ScfClient

from deployment.cloud_api import Account, CloudApi
from localcloud.cloud import LocalCloud

ECHO = "def main_handler(event, context):\n    return event\n"
_names = itertools.count()


def zipped(files: Mapping[str, str]) -> str:
    """Zip these files, as base64: what the API takes as code."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(into.getvalue()).decode()


@dataclass(frozen=True)
class Called:
    """What Invoke answered: the handler's answer, or the status and the words of a failure."""

    request_id: str
    status: int
    message: str
    answer: Any
    memory_bytes: int


class Probes:
    """One developer at a local cloud: makes functions, calls them, reads their logs."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.namespace = cloud.platform.namespace
        self.api = CloudApi(cloud.target.account)
        self.scf = scf_client(cloud.target.account)

    def create(
        self, source: str, *, timeout_s: int = 10, memory_mb: int = 128, **fields: Any
    ) -> str:
        """Make a function whose index.py is this; returns its name once it can be called."""
        name = f"probe-{next(_names)}"
        self.api.scf(
            "CreateFunction", FunctionName=name, Runtime="Python3.11", Timeout=timeout_s,
            MemorySize=memory_mb, Code={"ZipFile": zipped({"index.py": source})}, **fields,
        )  # fmt: skip
        self.api.wait_until_active(name, "$LATEST")
        return name

    def update(self, name: str, source: str) -> None:
        """Give a function other code."""
        code = zipped({"index.py": source})
        self.api.scf("UpdateFunctionCode", FunctionName=name, Code={"ZipFile": code})
        self.api.wait_until_active(name, "$LATEST")

    def publish(self, name: str) -> str:
        """Freeze what a function is now; returns the version's number."""
        return str(self.api.scf("PublishVersion", FunctionName=name)["FunctionVersion"])

    def point_default_to(self, name: str, version: str) -> None:
        """Let callers that name no version have this one."""
        self.api.scf("UpdateAlias", FunctionName=name, Name="$DEFAULT", FunctionVersion=version)

    def call(self, name: str, event: Any = None, qualifier: str = "$DEFAULT") -> Called:
        """Call and wait."""
        result = self._invoke(name, event, qualifier, "RequestResponse")
        told = json.loads(result.RetMsg)
        if not result.InvokeResult:
            return Called(result.FunctionRequestId, 0, "", told, result.MemUsage)
        assert told["errorMessage"] == result.ErrMsg
        return Called(
            result.FunctionRequestId, told["statusCode"], result.ErrMsg, None, result.MemUsage
        )

    def start(self, name: str, event: Any = None) -> str:
        """Call without waiting; returns the request id."""
        return str(self._invoke(name, event, "$DEFAULT", "Event").FunctionRequestId)

    def _invoke(self, name: str, event: Any, qualifier: str, how: str) -> Any:
        request = InvokeRequest()
        request.FunctionName = name
        request.Namespace = self.namespace
        request.InvocationType = how
        request.Qualifier = qualifier
        request.ClientContext = json.dumps(event)
        return self.scf.Invoke(request).Result

    def log(self, name: str, request_id: str) -> str:
        """Read what one call printed."""
        found = self.api.scf("GetFunctionLogs", FunctionName=name, FunctionRequestId=request_id)
        assert found["TotalCount"] == 1
        return str(found["Data"][0]["Log"])

    def pids(self, name: str) -> list[int]:
        return self.cloud.platform.pool(name).pids()


def scf_client(account: Account, *, secret_key: str | None = None) -> ScfClient:
    """Tencent's own client, which tries nothing again."""
    http = HttpProfile(protocol=account.protocol, endpoint=account.endpoint, reqTimeout=120)
    credential = Credential(account.secret_id, secret_key or account.secret_key)
    return ScfClient(credential, "ap-shanghai", ClientProfile(httpProfile=http))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but isn't reaped yet doesn't."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def gone_within(pid: int, seconds: float = 3.0) -> bool:
    """Wait for a process to end."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
