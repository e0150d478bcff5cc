"""scf 2018-04-16: timers, asynchronous retries and reserved concurrency of functions."""

from __future__ import annotations

import json
from typing import Any

from localcloud.errors import PlatformError
from localcloud.platform import Platform
from localcloud.registry import DEFAULT, Function, Trigger, timestamp
from localcloud.tencent import requests as asked

MAX_TRIGGERS = 10  # Timers of one function.
Answer = dict[str, Any]


class TriggerActions:
    """What starts functions and how many at once; each method is an action of its name."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._registry = platform.registry

    def actions(self) -> dict[str, Any]:
        """Method and request model by the name of the action."""
        return {
            "CreateTrigger": (self.create_trigger, asked.CreateTrigger),
            "UpdateTrigger": (self.update_trigger, asked.CreateTrigger),
            "BatchCreateTrigger": (self.batch_create_trigger, asked.BatchCreateTrigger),
            "DeleteTrigger": (self.delete_trigger, asked.DeleteTrigger),
            "ListTriggers": (self.list_triggers, asked.OfFunction),
            "GetFunctionEventInvokeConfig": (self.get_event_invoke, asked.OfFunction),
            "UpdateFunctionEventInvokeConfig": (self.update_event_invoke, asked.UpdateEventInvoke),
            "PutReservedConcurrencyConfig": (self.reserve, asked.ReservedConcurrency),
            "GetReservedConcurrencyConfig": (self.get_reserved, asked.OfFunction),
            "DeleteReservedConcurrencyConfig": (self.delete_reserved, asked.OfFunction),
        }

    def create_trigger(self, request: asked.CreateTrigger) -> Answer:
        function = self._function(request)
        if request.TriggerName in function.triggers:
            raise PlatformError("ResourceInUse.TriggerName", f"{request.TriggerName} exists")
        if len(function.triggers) >= MAX_TRIGGERS:
            raise PlatformError("LimitExceeded.Trigger", f"{MAX_TRIGGERS} at most")
        return self._put_trigger(function, request)

    def update_trigger(self, request: asked.CreateTrigger) -> Answer:
        function = self._function(request)
        self._trigger(function, request.TriggerName)
        return self._put_trigger(function, request)

    def _put_trigger(self, function: Function, request: asked.CreateTrigger) -> Answer:
        function.revision(request.Qualifier)
        trigger = Trigger(
            function=function.name,
            name=request.TriggerName,
            cron=request.TriggerDesc,
            message=request.CustomArgument,
            qualifier=request.Qualifier,
            enabled=request.Enable == "OPEN",
            added_at=timestamp(),
        )
        function.triggers[trigger.name] = trigger
        return {"TriggerInfo": shown_trigger(trigger)}

    def batch_create_trigger(self, request: asked.BatchCreateTrigger) -> Answer:
        """Put several timers in place at once, with no message (the client has none to give)."""
        function = self._function(request)
        if request.Count not in (None, len(request.Triggers)):
            raise PlatformError("InvalidParameterValue.Count", f"Count: {request.Count}")
        for wanted in request.Triggers:
            # The same again is no fault: the client sends all of them with every deployment.
            kept = function.triggers.get(wanted.TriggerName)
            self._put_trigger(
                function,
                asked.CreateTrigger(
                    **wanted.model_dump(),
                    FunctionName=function.name,
                    Qualifier=kept.qualifier if kept else DEFAULT,
                    CustomArgument=kept.message if kept else "",
                ),
            )
        return {"Triggers": [shown_trigger(trigger) for trigger in function.triggers.values()]}

    def delete_trigger(self, request: asked.DeleteTrigger) -> Answer:
        function = self._function(request)
        trigger = self._trigger(function, request.TriggerName)
        if request.Qualifier not in (None, trigger.qualifier):
            place = f"{function.name}:{request.Qualifier}"
            raise PlatformError("ResourceNotFound.Trigger", f"{place}: no {trigger.name}")
        del function.triggers[request.TriggerName]
        return {}

    def list_triggers(self, request: asked.OfFunction) -> Answer:
        shown = [shown_trigger(t) for t in self._function(request).triggers.values()]
        return {"Triggers": shown, "TotalCount": len(shown)}

    def get_event_invoke(self, request: asked.OfFunction) -> Answer:
        function = self._function(request)
        retries = [{"RetryNum": function.retries}]
        return {"AsyncTriggerConfig": {"RetryConfig": retries, "MsgTTL": function.message_ttl_s}}

    def update_event_invoke(self, request: asked.UpdateEventInvoke) -> Answer:
        function = self._function(request)
        function.retries = request.AsyncTriggerConfig.RetryConfig[0].RetryNum
        function.message_ttl_s = request.AsyncTriggerConfig.MsgTTL
        return {}

    def reserve(self, request: asked.ReservedConcurrency) -> Answer:
        """Limit a function to as many instances as fit into so many MB."""
        return self._reserve(self._function(request), request.ReservedConcurrencyMem)

    def delete_reserved(self, request: asked.OfFunction) -> Answer:
        return self._reserve(self._function(request), None)

    def _reserve(self, function: Function, memory_mb: int | None) -> Answer:
        function.reserved_mb = memory_mb
        return {}

    def get_reserved(self, request: asked.OfFunction) -> Answer:
        return {"ReservedMem": self._function(request).reserved_mb}

    def _function(self, request: asked.OfFunction) -> Function:
        self._platform.check_namespace(request.Namespace)
        return self._registry.function(request.FunctionName)

    def _trigger(self, function: Function, name: str) -> Trigger:
        try:
            return function.triggers[name]
        except KeyError:
            raise PlatformError("ResourceNotFound.Trigger", f"{function.name}: no {name}") from None


def shown_trigger(trigger: Trigger) -> Answer:
    return {
        "TriggerName": trigger.name,
        "Type": "timer",
        "TriggerDesc": json.dumps({"cron": trigger.cron}),
        "CustomArgument": trigger.message,
        "Qualifier": trigger.qualifier,
        "Enable": int(trigger.enabled),
        "AvailableStatus": "Available",
        "BindStatus": "",
        "AddTime": trigger.added_at,
        "ModTime": trigger.added_at,
    }
