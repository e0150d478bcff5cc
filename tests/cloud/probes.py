"""Small test functions in a local cloud, created and called with Tencent's own SDK."""

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
    """Zip these files and encode them as base64, as the API takes code."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(into.getvalue()).decode()


@dataclass(frozen=True)
class Called:
    """The answer of Invoke: the handler's answer, or the status and message of a failure."""

    request_id: str
    status: int
    message: str
    answer: Any
    memory_bytes: int


class Probes:
    """Creates functions in a local cloud, calls them and reads their logs."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.namespace = cloud.platform.namespace
        self.api = CloudApi(cloud.target.account)
        self.scf = scf_client(cloud.target.account)

    def create(
        self, source: str, *, timeout_s: int = 10, memory_mb: int = 128, **fields: Any
    ) -> str:
        """Create a function with this index.py; returns its name when it can be called."""
        name = f"probe-{next(_names)}"
        self.api.scf(
            "CreateFunction",
            FunctionName=name,
            Runtime="Python3.11",
            Timeout=timeout_s,
            MemorySize=memory_mb,
            Code={"ZipFile": zipped({"index.py": source})},
            **fields,
        )
        self.api.wait_until_active(name, "$LATEST")
        return name

    def update(self, name: str, source: str) -> None:
        """Change a function's code."""
        code = zipped({"index.py": source})
        self.api.scf("UpdateFunctionCode", FunctionName=name, Code={"ZipFile": code})
        self.api.wait_until_active(name, "$LATEST")

    def publish(self, name: str) -> str:
        """Publish the present function as a version; returns the version's number."""
        return str(self.api.scf("PublishVersion", FunctionName=name)["FunctionVersion"])

    def point_default_to(self, name: str, version: str) -> None:
        """Send callers that name no version to this one."""
        self.api.scf("UpdateAlias", FunctionName=name, Name="$DEFAULT", FunctionVersion=version)

    def call(self, name: str, event: Any = None, qualifier: str = "$DEFAULT") -> Called:
        """Call a function and wait for its answer."""
        result = self._invoke(name, event, qualifier, "RequestResponse")
        told = json.loads(result.RetMsg)
        if not result.InvokeResult:
            return Called(result.FunctionRequestId, 0, "", told, result.MemUsage)
        assert told["errorMessage"] == result.ErrMsg
        return Called(
            result.FunctionRequestId, told["statusCode"], result.ErrMsg, None, result.MemUsage
        )

    def start(self, name: str, event: Any = None) -> str:
        """Call a function without waiting; returns the request id."""
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
    """Return Tencent's own client, set to make no retries."""
    http = HttpProfile(protocol=account.protocol, endpoint=account.endpoint, reqTimeout=120)
    credential = Credential(account.secret_id, secret_key or account.secret_key)
    return ScfClient(credential, "ap-shanghai", ClientProfile(httpProfile=http))


def alive(pid: int) -> bool:
    """Tell whether a process runs; a process that has ended and isn't reaped yet doesn't run."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def gone_within(pid: int, seconds: float = 3.0) -> bool:
    """Tell whether a process ends within some seconds."""
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
