"""tcb 2018-06-08: what calls printed, as CloudBase's own client asks for it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.tencent.requests import FunctionName, Request

Answer = dict[str, Any]


class ListLogs(Request):
    EnvId: str
    FunctionName: FunctionName
    Offset: int = Field(default=0, ge=0)
    Limit: int = Field(default=20, ge=0, le=100)
    StartTime: str = ""
    EndTime: str = "9"
    LogRequestId: str | None = None
    Qualifier: str | None = None


class LogDetail(Request):
    """Names no function: a request id is enough."""

    LogRequestId: str
    EnvId: str | None = None
    StartTime: str = ""
    EndTime: str = "9"


class LogActions:
    """Calls of a function, and one call whole; each method is an action of its name."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "GetFunctionLogs": (self.list_logs, ListLogs),
            "GetFunctionLogDetail": (self.log_detail, LogDetail),
        }

    def list_logs(self, request: ListLogs) -> Answer:
        """Tell a function's calls, the newest first."""
        self._platform.check_namespace(request.EnvId)
        self._platform.registry.function(request.FunctionName)
        found = [
            {
                "RequestId": record["RequestId"],
                "RetCode": record["RetCode"],
                "RetryNum": record["RetryNum"],
                "StartTime": record["StartTime"],
            }
            for record in self._platform.log.newest(request.FunctionName)
            if request.Qualifier in (None, record["Qualifier"])
            and request.LogRequestId in (None, "", record["RequestId"])
            and request.StartTime <= record["StartTime"] <= request.EndTime
        ]
        return {"LogList": found[request.Offset :][: request.Limit], "TotalCount": len(found)}

    def log_detail(self, request: LogDetail) -> Answer:
        """Tell one call whole; of one that was tried again, what all attempts printed."""
        if request.EnvId is not None:
            self._platform.check_namespace(request.EnvId)
        attempts = [
            attempt
            for attempt in self._platform.log.of_request(request.LogRequestId)
            if request.StartTime <= attempt["StartTime"] <= request.EndTime
        ]
        if not attempts:
            raise PlatformError("ResourceNotFound", f"no call {request.LogRequestId}")
        printed = "".join(attempt["Log"] for attempt in reversed(attempts))
        shown = ("StartTime", "Duration", "MemUsage", "RequestId", "RetCode", "RetMsg")
        return {**{name: attempts[0][name] for name in shown}, "LogJson": printed}
