"""scf 2018-04-16: calling functions, and what their calls printed."""

from __future__ import annotations

import json
from typing import Any

from huitou.runtime.parsing import parse_json
from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.pool import Invocation
from localcloud.tencent import requests as asked

TAIL_CHARACTERS = 4_096  # Of what a call printed, in the answer of a call that asks for it.
Answer = dict[str, Any]


class CallActions:
    """Calls and their logs; each method is an action of its name."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "Invoke": (self.invoke, asked.Invoke),
            "InvokeFunction": (self.invoke_function, asked.InvokeFunction),
            "GetFunctionLogs": (self.get_logs, asked.GetLogs),
        }

    def invoke(self, request: asked.Invoke) -> Answer:
        self._platform.check_namespace(request.Namespace)
        try:
            event = parse_json(request.ClientContext or "{}")
        except ValueError:
            raise PlatformError("InvalidParameterValue.Param", "ClientContext: no JSON") from None
        if request.InvocationType == "Event":
            request_id = self._platform.start(request.FunctionName, event, request.Qualifier)
            return {"Result": {"FunctionRequestId": request_id, "InvokeResult": 0}}
        done = self._platform.call(request.FunctionName, event, {}, request.Qualifier)
        return {"Result": _shown_result(done, tail=request.LogType == "Tail")}

    def invoke_function(self, request: asked.InvokeFunction) -> Answer:
        """Call and wait, under the names of the newer action."""
        return self.invoke(
            asked.Invoke(
                Namespace=request.Namespace,
                FunctionName=request.FunctionName,
                Qualifier=request.Qualifier,
                ClientContext=request.Event,
                LogType=request.LogType,
            )
        )

    def get_logs(self, request: asked.GetLogs) -> Answer:
        """Tell a function's calls, the newest first unless asked for `ASC`."""
        self._platform.check_namespace(request.Namespace)
        self._platform.registry.function(request.FunctionName)
        wanted = request.Filter.RetCode if request.Filter else ""
        found = [
            record
            for record in self._platform.log.newest(request.FunctionName)
            if request.FunctionRequestId in (None, "", record["RequestId"])
            and (request.StartTime or "") <= record["StartTime"] <= (request.EndTime or "9")
            and {"not0": record["RetCode"] != 0, "is0": record["RetCode"] == 0}.get(wanted, True)
        ]
        if request.Order == "ASC":
            found.reverse()
        return {"Data": found[request.Offset :][: request.Limit], "TotalCount": len(found)}


def _shown_result(done: Invocation, *, tail: bool) -> Answer:
    """How a call ended, as the API tells it.

    A failed call is an answer too: `ErrMsg` says what failed, `RetMsg` has it with the status
    code. The exact words of the real platform are unproven here; ours come from its documents.
    """
    failure = done.failure
    failed = failure and json.dumps(
        {
            "errorCode": 1,
            "errorMessage": failure.message,
            "statusCode": failure.status,
            "requestId": done.request_id,
        }
    )
    return {
        "FunctionRequestId": done.request_id,
        "RetMsg": failed or done.text,
        "ErrMsg": failure.message if failure else "",
        "InvokeResult": 1 if failure else 0,
        "Duration": round(done.duration_ms, 2),
        "BillDuration": round(done.duration_ms),
        "MemUsage": done.memory_bytes,
        "Log": done.log[-TAIL_CHARACTERS:] if tail else "",
    }
