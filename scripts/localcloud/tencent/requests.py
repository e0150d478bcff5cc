"""What scf 2018-04-16 is asked on the local cloud: the fields we use of each request, checked.

Names, meanings and limits are those of Tencent's API. Fields we have no use for are let through,
as clients send many.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from croniter import croniter
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Json

from localcloud.errors import PlatformError
from localcloud.registry import DEFAULT, LATEST

Order = Annotated[Literal["ASC", "DESC"], BeforeValidator(lambda order: str(order).upper())]
FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,58}[a-zA-Z0-9]$")]
LayerName = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,62}[a-zA-Z0-9]$")]
MAX_ENVIRONMENT_BYTES = 4 * 1024


def _memory_step(memory_mb: int) -> int:
    if memory_mb != 64 and not (128 <= memory_mb <= 3072 and memory_mb % 128 == 0):
        raise ValueError("64, or a multiple of 128 up to 3072")
    return memory_mb


def _seven_fields(cron: str) -> str:
    if len(cron.split()) != 7 or not croniter.is_valid(cron, second_at_beginning=True):
        raise ValueError("a cron expression of 7 fields")
    return cron


class Request(BaseModel):
    """Part of a request. A parameter that isn't named here is refused, never let through unread.

    One that changes nothing here takes only the values for which that is right.
    """

    model_config = ConfigDict(extra="forbid")


class OfNamespace(Request):
    Namespace: str = "default"


class OfFunction(OfNamespace):
    FunctionName: FunctionName


class Package(Request):
    """A package: only as base64 in the call, since there is no object storage behind this API."""

    ZipFile: str | None = None

    def content(self) -> bytes:
        """The zip; PlatformError where there is none."""
        if not self.ZipFile:
            raise PlatformError("InvalidParameterValue.Code", "Code.ZipFile is needed here")
        try:
            return base64.b64decode(self.ZipFile, validate=True)
        except (binascii.Error, ValueError):  # ValueError: not even ASCII.
            raise PlatformError("InvalidParameterValue.Code", "Code.ZipFile: no base64") from None


class Variable(Request):
    Key: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")
    Value: str = Field(pattern=r"^[^\x00]*$")  # No process can be given more.


class Variables(Request):
    Variables: list[Variable] = []

    def mapping(self) -> dict[str, str]:
        """By name; PlatformError over the platform's 4 KB."""
        found = {variable.Key: variable.Value for variable in self.Variables}
        if sum(len(f"{name}{value}".encode()) for name, value in found.items()) > (
            MAX_ENVIRONMENT_BYTES
        ):
            raise PlatformError("InvalidParameterValue.Environment", "4 KB in all at most")
        return found


class LayerUse(Request):
    LayerName: str
    LayerVersion: int


class Vpc(Request):
    VpcId: str = ""
    SubnetId: str = ""


class Configuration(OfFunction):
    """What CreateFunction and UpdateFunctionConfiguration have in common; None leaves as it is."""

    Description: str | None = Field(default=None, max_length=1_000)
    MemorySize: Annotated[int, AfterValidator(_memory_step)] | None = None
    Timeout: int | None = Field(default=None, ge=1, le=900)
    Environment: Variables | None = None
    Layers: list[LayerUse] | None = Field(default=None, max_length=5)
    VpcConfig: Vpc | None = None
    Runtime: str | None = None
    Publish: Literal["FALSE"] = "FALSE"
    InstallDependency: Literal["FALSE"] = "FALSE"


class CreateFunction(Configuration):
    Code: Package
    Handler: str = Field(default="index.main_handler", pattern=r"^[\w-]+\.[\w-]+$")
    Type: Literal["Event"] = "Event"
    Role: str = ""  # What a function may do at other products: there are none here.
    Stamp: str = ""  # Marks functions of CloudBase.


class UpdateFunctionCode(OfFunction):
    Code: Package | None = None
    ZipFile: str | None = None  # The older place for the same.
    Handler: str | None = Field(default=None, pattern=r"^[\w-]+\.[\w-]+$")
    Publish: Literal["FALSE"] = "FALSE"
    InstallDependency: Literal["FALSE"] = "FALSE"


class OfVersion(OfFunction):
    Qualifier: str = LATEST


class GetFunction(OfVersion):
    ShowCode: Literal["TRUE", "FALSE"] = "TRUE"  # Only of code that wasn't uploaded as a zip.


class DeleteFunction(OfFunction):
    Qualifier: str | None = None  # A version; without it the whole function goes.


class PublishVersion(OfFunction):
    Description: str = Field(default="", max_length=1_000)


class Page(OfNamespace):
    Offset: int = Field(default=0, ge=0)
    Limit: int = Field(default=20, ge=0, le=100)


class OrderedPage(Page):
    Order: Order = "DESC"


class ListFunctions(Page):
    Order: Order = "ASC"
    Orderby: Literal["AddTime", "ModTime", "FunctionName"] = "FunctionName"
    SearchKey: str = ""  # Part of a name.


class ListVersions(OrderedPage, OfFunction):
    pass


class OfAlias(OfFunction):
    Name: str


class UpdateAlias(OfAlias):
    FunctionVersion: str
    Description: str = Field(default="", max_length=1_000)
    RoutingConfig: dict[str, Any] | None = None


class CreateTrigger(OfFunction):
    TriggerName: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,100}$")
    Type: Literal["timer"]
    TriggerDesc: Annotated[str, AfterValidator(_seven_fields)]
    Qualifier: str = LATEST
    Enable: Literal["OPEN", "CLOSE"] = "OPEN"
    CustomArgument: str = Field(default="", max_length=4_096)


class BatchTrigger(Request):
    TriggerName: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,100}$")
    Type: Literal["timer"]
    TriggerDesc: Annotated[str, AfterValidator(_seven_fields)]


class BatchCreateTrigger(OfFunction):
    """Not in the SDK; the `tcb` client sends it, with the list as text inside the JSON."""

    Triggers: Json[list[BatchTrigger]]
    Count: int | None = None


class DeleteTrigger(OfFunction):
    TriggerName: str
    Type: Literal["timer"]
    Qualifier: str | None = None


class Retry(Request):
    RetryNum: int = Field(ge=0, le=2)


class AsyncRetries(Request):
    RetryConfig: list[Retry] = Field(min_length=1, max_length=1)
    MsgTTL: int = Field(ge=60, le=21_600)


class UpdateEventInvoke(OfFunction):
    AsyncTriggerConfig: AsyncRetries


class ReservedConcurrency(OfFunction):
    ReservedConcurrencyMem: int = Field(ge=0)


class PublishLayer(Request):
    LayerName: LayerName
    CompatibleRuntimes: list[str] = Field(min_length=1)
    Content: Package
    Description: str = Field(default="", max_length=1_000)


class ListLayers(Request):
    SearchKey: str = ""  # Part of a name.
    Offset: int = Field(default=0, ge=0)
    Limit: int = Field(default=20, ge=0, le=100)


class OfLayer(Request):
    LayerName: str


class OfLayerVersion(OfLayer):
    LayerVersion: int


class OfCall(OfFunction):
    LogType: Literal["None", "Tail"] = "None"


class Invoke(OfCall):
    InvocationType: Literal["RequestResponse", "Event"] = "RequestResponse"
    Qualifier: str = LATEST
    ClientContext: str = ""


class InvokeFunction(OfCall):
    """The newer way to call and wait; it has other names and another default."""

    Qualifier: str = DEFAULT
    Event: str = ""


class LogFilter(Request):
    RetCode: Literal["", "is0", "not0"] = ""


class GetLogs(OrderedPage):
    FunctionName: FunctionName
    Limit: int = Field(default=20, ge=0, le=10_000)
    FunctionRequestId: str | None = None
    StartTime: str | None = None
    EndTime: str | None = None
    Filter: LogFilter | None = None
