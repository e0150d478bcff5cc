"""Tencent's API says no where the real one does, names what is wrong, and changes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from cloud.bad_zips import BAD_ZIPS
from cloud.probes import ECHO, Probes, scf_client, zipped
from cloud_guest import eventually
from deployment.cloud_api import CloudApiError
from deployment.packages import MAX_ZIP_BYTES
from deployment.unpacking import UNPACKED_FOLDER, unpacked_folder
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow
HTTP = urllib3.PoolManager(maxsize=4)
MB = 1024 * 1024


@pytest.fixture(scope="module")
def echo(probes: Probes) -> str:
    return probes.create(ECHO)


def refused(call: Callable[..., Any], *arguments: Any, **fields: Any) -> tuple[str, str]:
    """Make a call that must be refused; returns the API's code and words."""
    with pytest.raises(CloudApiError) as error:
        call(*arguments, **fields)
    return error.value.code, str(error.value)


# --- signatures, by hand: the SDK makes only good ones --------------------------------------


def signed(
    cloud: LocalCloud,
    body: str,
    *,
    action: str = "ListFunctions",
    version: str = "2018-04-16",
    service: str = "scf",
    secret_id: str = "",
    secret_key: str = "",
    stamp: str = "",
) -> dict[str, str]:
    """Sign as Tencent's documents say (TC3-HMAC-SHA256); returns the headers."""
    stamp = stamp or str(int(time.time()))
    digits = stamp if stamp.isascii() and stamp.isdigit() and len(stamp) < 12 else "0"
    date = datetime.fromtimestamp(int(digits), UTC).date().isoformat()
    host = cloud.url.removeprefix("http://")
    canonical = (
        f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n"
        f"{hashlib.sha256(body.encode()).hexdigest()}"
    )
    scope = f"{date}/{service}/tc3_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{secret_key or cloud.keys.secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Version": version,
        "X-TC-Timestamp": stamp,
        "Authorization": f"TC3-HMAC-SHA256 Credential={secret_id or cloud.keys.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}",
    }


def posted(cloud: LocalCloud, body: str, headers: dict[str, str]) -> str:
    """Send a request; returns the API's code of refusal, or nothing."""
    answer = HTTP.request("POST", cloud.url + "/", body=body.encode(), headers=headers)
    assert answer.status == 200
    return str(answer.json()["Response"].get("Error", {}).get("Code", ""))


def seconds_ago(seconds: int) -> str:
    return str(int(time.time()) - seconds)


def test_a_good_signature_gets_in_and_no_other(empty_cloud: LocalCloud) -> None:
    body = json.dumps({"Namespace": empty_cloud.platform.namespace})

    def code(**differs: str) -> str:
        return posted(empty_cloud, body, signed(empty_cloud, body, **differs))

    assert code() == ""
    assert code(stamp=seconds_ago(295)) == ""
    assert code(stamp=seconds_ago(301)) == "AuthFailure.SignatureExpire"
    assert code(stamp=seconds_ago(-302)) == "AuthFailure.SignatureExpire"
    for stamp in ("²", "9" * 5_000, "-1", "1e9"):
        assert code(stamp=stamp) == "AuthFailure.SignatureExpire"
    assert code(secret_key="another") == "AuthFailure.SignatureFailure"
    assert code(secret_id="AKIDnobody") == "AuthFailure.SecretIdNotFound"
    assert code(service="cvm") == "NoSuchVersion"
    assert code(service="tcb") == "NoSuchVersion"
    assert code(service="tcb", version="2018-06-08") == "InvalidAction"
    assert code(version="2017-03-12") == "NoSuchVersion"
    assert code(action="DropEverything") == "InvalidAction"
    changed = body.replace("{", '{"Limit": 1, ')
    assert posted(empty_cloud, changed, signed(empty_cloud, body)) == "AuthFailure.SignatureFailure"
    other_service = signed(empty_cloud, body)
    other_service["Authorization"] = other_service["Authorization"].replace("/scf/", "/tcb/")
    assert posted(empty_cloud, body, other_service) == "AuthFailure.SignatureFailure"
    other_day = signed(empty_cloud, body)
    day = datetime.now(UTC).date().isoformat()
    other_day["Authorization"] = other_day["Authorization"].replace(day, "2020-01-01")
    assert posted(empty_cloud, body, other_day) == "AuthFailure.SignatureFailure"
    assert posted(empty_cloud, body, {"Content-Type": "application/json"}).startswith("AuthFailure")
    for odd in ("", "[]", "not json", '{"Namespace": 5}', "[" * 100_000):
        code_of_odd = posted(empty_cloud, odd, signed(empty_cloud, odd))
        assert code_of_odd.startswith(("InvalidParameter", "ResourceNotFound.Namespace"))


def test_the_sdk_tells_a_wrong_key_apart(empty_cloud: LocalCloud) -> None:
    client = scf_client(empty_cloud.target.account, secret_key="another")
    with pytest.raises(TencentCloudSDKException) as error:
        client.call_json("ListFunctions", {"Namespace": empty_cloud.platform.namespace})
    assert error.value.code == "AuthFailure.SignatureFailure"


# --- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "fields", "code", "names"),
    [
        ("GetFunction", {"FunctionName": None}, "MissingParameter", "FunctionName"),
        ("GetFunction", {"FunctionName": "no/name"}, "InvalidParameterValue.FunctionName", "Func"),
        ("GetFunction", {"FunctionName": "nobody"}, "ResourceNotFound.Function", "nobody"),
        ("GetFunction", {"Namespace": "elsewhere"}, "ResourceNotFound.Namespace", "elsewhere"),
        ("GetFunction", {"Qualifier": "9"}, "ResourceNotFound.Qualifier", "9"),
        ("Invoke", {"Qualifier": "9"}, "ResourceNotFound.Qualifier", "9"),
        ("Invoke", {"Namespace": "elsewhere"}, "ResourceNotFound.Namespace", "elsewhere"),
        ("Invoke", {"ClientContext": "{"}, "InvalidParameterValue.Param", "ClientContext"),
        ("Invoke", {"ClientContext": "[" * 99_999}, "InvalidParameterValue.Param", "ClientContext"),
        ("Invoke", {"InvocationType": "Later"}, "InvalidParameterValue.InvocationType", "Event"),
        (
            "Invoke",
            {"InvocationType": "Event", "ClientContext": json.dumps("x" * 131_072)},
            "InvalidParameter.RequestTooLarge",
            "128 KB",
        ),
        ("Invoke", {"ClientContext": json.dumps("x" * 6 * MB)}, "InvalidParameter", "6 MB"),
        ("UpdateFunctionConfiguration", {"Timeout": 0}, "InvalidParameterValue.Timeout", "Timeout"),
        ("UpdateFunctionConfiguration", {"Timeout": 901}, "InvalidParameterValue.Timeout", "900"),
        ("UpdateFunctionConfiguration", {"Timeout": "soon"}, "InvalidParameterValue.Time", "Time"),
        ("UpdateFunctionConfiguration", {"MemorySize": 100}, "InvalidParameterValue.Mem", "128"),
        ("UpdateFunctionConfiguration", {"MemorySize": 3200}, "InvalidParameterValue.Mem", "3072"),
        ("UpdateFunctionConfiguration", {"Runtime": "Nodejs18.15"}, "InvalidParam", "runtime"),
        (
            "UpdateFunctionConfiguration",
            {"Layers": [{"LayerName": "l", "LayerVersion": n} for n in range(6)]},
            "InvalidParameterValue.Layers",
            "5",
        ),
        (
            "UpdateFunctionConfiguration",
            {"Layers": [{"LayerName": "nowhere", "LayerVersion": 1}]},
            "ResourceNotFound.LayerVersion",
            "nowhere:1",
        ),
        *(
            (
                "UpdateFunctionConfiguration",
                {"Environment": {"Variables": [{"Key": key, "Value": value}]}},
                "InvalidParameterValue.Environment",
                names,
            )
            for key, value, names in [
                ("A", "x" * 4_096, "4 KB"),
                ("A", "中" * 1_366, "4 KB"),
                ("A=B", "x", "Key"),
                ("", "x", "Key"),
                ("A", "\0", "Value"),
            ]
        ),
        (
            "CreateTrigger",
            {"TriggerName": "t", "Type": "timer", "TriggerDesc": "0 * * * * *"},
            "InvalidParameterValue.TriggerDesc",
            "7 fields",
        ),
        (
            "CreateTrigger",
            {"TriggerName": "t", "Type": "timer", "TriggerDesc": "0 61 * * * * *"},
            "InvalidParameterValue.TriggerDesc",
            "7 fields",
        ),
        (
            "CreateTrigger",
            {"TriggerName": "t", "Type": "cos", "TriggerDesc": "0 * * * * * *"},
            "InvalidParameterValue.Type",
            "timer",
        ),
        (
            "CreateTrigger",
            {
                "TriggerName": "t",
                "Type": "timer",
                "TriggerDesc": "0 * * * * * *",
                "Qualifier": "9",
            },
            "ResourceNotFound.Qualifier",
            "9",
        ),
        ("DeleteTrigger", {"TriggerName": "t", "Type": "timer"}, "ResourceNotFound.Trigger", "t"),
        ("UpdateAlias", {"Name": "$DEFAULT"}, "MissingParameter", "FunctionVersion"),
        ("UpdateAlias", {"Name": "$DEFAULT", "FunctionVersion": "9"}, "ResourceNotFound", "9"),
        ("UpdateAlias", {"Name": "live", "FunctionVersion": "$LATEST"}, "ResourceNotFound", "live"),
        ("DeleteFunctionVersion", {"Qualifier": "9"}, "ResourceNotFound.Qualifier", "9"),
        ("DeleteFunctionVersion", {"Qualifier": "$DEFAULT"}, "ResourceNotFound.Qual", "$DEFAULT"),
        ("DeleteFunctionVersion", {"Qualifier": "$LATEST"}, "UnsupportedOperation", "$LATEST"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_changes(
    probes: Probes, echo: str, action: str, fields: dict[str, Any], code: str, names: str
) -> None:
    before = probes.api.scf("GetFunction", FunctionName=echo)
    sent = {"FunctionName": echo, **fields}
    got, message = refused(
        probes.api.scf, action, **{k: v for k, v in sent.items() if v is not None}
    )
    assert got.startswith(code)
    assert names in message
    after = probes.api.scf("GetFunction", FunctionName=echo)
    assert {**after, "RequestId": ""} == {**before, "RequestId": ""}


def test_what_is_within_the_limits_is_taken(probes: Probes, echo: str) -> None:
    for fields in (
        {"Timeout": 1},
        {"Timeout": 900},
        {"MemorySize": 64},
        {"MemorySize": 3072},
        {"Environment": {"Variables": [{"Key": "A", "Value": "x" * 4_095}]}},
        {"Environment": {"Variables": []}},
    ):
        probes.api.scf("UpdateFunctionConfiguration", FunctionName=echo, **fields)
        probes.api.wait_until_active(echo, "$LATEST")
        assert probes.call(echo, 7).answer == 7


# --- packages -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BAD_ZIPS)
def test_a_package_that_is_not_as_it_should_be_is_refused_and_leaves_nothing(
    probes: Probes, echo: str, kind: str
) -> None:
    content = BAD_ZIPS[kind]()
    code = {"ZipFile": base64.b64encode(content).decode()}
    got, message = refused(probes.api.scf, "UpdateFunctionCode", FunctionName=echo, Code=code)
    assert got == "InvalidParameterValue.Code"
    assert "Code" in message
    assert not unpacked_folder(hashlib.sha256(content).hexdigest()).exists()
    # Other tests may unpack at this moment; what they have begun is gone a little later.
    begun = set(UNPACKED_FOLDER.glob("unpacking-*"))
    eventually(lambda: not any(path.exists() for path in begun))
    assert probes.call(echo, 7).answer == 7


def test_a_request_over_ten_megabytes_is_refused_whatever_it_asks(
    probes: Probes, echo: str
) -> None:
    code = {"ZipFile": base64.b64encode(bytes(MAX_ZIP_BYTES + 64 * 1024)).decode()}
    got, _ = refused(probes.api.scf, "UpdateFunctionCode", FunctionName=echo, Code=code)
    assert got == "RequestSizeLimitExceeded"
    code = {"ZipFile": base64.b64encode(bytes(MAX_ZIP_BYTES)).decode()}
    got, _ = refused(probes.api.scf, "UpdateFunctionCode", FunctionName=echo, Code=code)
    assert got == "InvalidParameterValue.Code", "it came in, and is no zip"
    assert probes.call(echo, 7).answer == 7


def test_code_that_is_no_base64_or_not_there_is_refused(probes: Probes, echo: str) -> None:
    for code in ({}, {"ZipFile": "%%%"}, {"ZipFile": "中"}):
        got, _ = refused(probes.api.scf, "UpdateFunctionCode", FunctionName=echo, Code=code)
        assert got == "InvalidParameterValue.Code"


def test_a_layer_in_use_stays_and_five_of_them_cover_each_other_in_order(probes: Probes) -> None:
    uses = []
    for number in range(5):
        files = {"shared.py": f"here = {number}\n", f"only_{number}.py": "", "index.py": "1 / 0"}
        published = probes.api.layers(
            "PublishLayerVersion",
            LayerName=f"layer-{number}",
            CompatibleRuntimes=["Python3.11"],
            Content={"ZipFile": zipped(files)},
        )
        uses.append({"LayerName": f"layer-{number}", "LayerVersion": published["LayerVersion"]})
    source = (
        "import shared, only_0, only_1, only_2, only_3, only_4\n"
        "def main_handler(event, context):\n    return shared.here\n"
    )
    name = probes.create(source, Layers=uses)
    assert probes.call(name).answer == 4
    code, message = refused(probes.api.layers, "DeleteLayerVersion", **uses[0])
    assert code == "ResourceInUse.LayerVersion"
    assert name in message
    probes.api.scf("DeleteFunction", FunctionName=name)
    probes.api.layers("DeleteLayerVersion", **uses[0])


# --- the door itself ------------------------------------------------------------------------


def test_clients_that_keep_their_connections_leave_room_for_others(
    empty_cloud: LocalCloud, probes: Probes, echo: str
) -> None:
    http = urllib3.PoolManager(maxsize=300, block=False)
    body = json.dumps({"name": echo, "openid": "x", "data": 1})

    def call(_: int) -> int:
        return http.request(
            "POST",
            f"{empty_cloud.url}/callFunction",
            body=body,
            timeout=30,
            retries=False,
            headers={"Content-Type": "application/json"},
        ).status

    with ThreadPoolExecutor(250) as pool:
        assert set(pool.map(call, range(500))) == {200}
        started = time.monotonic()
        assert probes.call(echo, 7).answer == 7
        assert time.monotonic() - started < 5
    http.clear()


def test_a_members_call_without_a_name_or_with_an_odd_openid_is_refused(
    empty_cloud: LocalCloud, echo: str
) -> None:
    for body in (
        {},
        [],
        {"name": echo},
        {"name": echo, "openid": 5},
        {"name": echo, "openid": "a\0b"},
    ):
        answer = HTTP.request("POST", f"{empty_cloud.url}/callFunction", json=body)
        assert answer.status == 400
        assert answer.json()["errCode"] == "InvalidParameter"
