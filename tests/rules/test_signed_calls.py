"""Calls of functions through the platform's API: signed as Tencent's client signs, sent once."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.scf.v20180416.scf_client import ScfClient

from bootstrap import ROOT
from huitou.integrations.functions import Functions
from huitou.runtime import invoking
from huitou.runtime.errors import Unavailable
from huitou.runtime.identity import internal_token
from huitou.runtime.invoking import InvokeFailed, invoke, signed_headers
from huitou.runtime.settings import CloudSettings
from invoke_api import InvokeApi, event_of, invoke_api, refusal

SECRET = b"secret-of-this-test"


@pytest.fixture
def api() -> Iterator[InvokeApi]:
    with invoke_api() as running:
        yield running
    invoking.close_idle()


def start(api: InvokeApi, kind: invoking.Invocation = "Event") -> dict[str, Any]:
    return invoke(api.settings, SECRET, "points-sync", {"events": []}, kind, 5.0)


def test_a_call_names_the_live_version_and_carries_the_functions_own_token(api: InvokeApi) -> None:
    assert start(api) == {"FunctionRequestId": "f1"}
    [call] = api.calls
    assert event_of(call) == {"events": [], "token": internal_token(SECRET, "points-sync")}
    assert {k: v for k, v in call.items() if k != "ClientContext"} == {
        "FunctionName": "points-sync",
        "Namespace": "env-1",
        "InvocationType": "Event",
        "Qualifier": "$DEFAULT",
    }


@pytest.mark.parametrize("token", [None, "session"])
def test_the_signature_is_the_one_that_tencents_own_client_makes(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, params = 1_772_424_000.7, {"FunctionName": "pay", "ClientContext": '{"a": "茶"}'}
    cloud = CloudSettings(
        "env-1", "ap-shanghai", "scf.tencentcloudapi.com", "https", "id", "key", token
    )
    client = ScfClient(Credential("id", "key", token), "ap-shanghai")
    theirs = RequestInternal("scf.tencentcloudapi.com", "POST", "/")
    monkeypatch.setattr("time.time", lambda: at)
    client._build_req_with_tc3_signature("Invoke", params, theirs)
    ours = signed_headers(cloud, json.dumps(params).encode(), at)
    assert ours == {name: value for name, value in theirs.header.items() if name in ours}
    assert ("X-TC-Token" in ours) == (token is not None)


def test_a_connection_is_kept_from_call_to_call(api: InvokeApi) -> None:
    for _ in range(3):
        start(api)
    assert (len(api.calls), api.connections) == (3, 1)


def test_an_old_connection_is_not_used_again(
    api: InvokeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(api)
    monkeypatch.setattr(invoking, "_KEPT_S", 0.0)
    start(api)
    assert api.connections == 2


def test_a_start_whose_kept_connection_ends_is_sent_again_and_a_question_is_not(
    api: InvokeApi,
) -> None:
    start(api)
    api.hangs_up = 1
    start(api)
    assert len(api.calls) == 3
    api.hangs_up = 1
    with pytest.raises(InvokeFailed) as failed:
        start(api, "RequestResponse")
    assert not failed.value.answered
    assert len(api.calls) == 4


def test_a_refusal_is_told_by_its_code(api: InvokeApi) -> None:
    api.answer = refusal("AuthFailure.UnauthorizedOperation")
    with pytest.raises(InvokeFailed, match="AuthFailure") as failed:
        start(api)
    assert failed.value.answered
    with pytest.raises(Unavailable):
        Functions(api.settings, SECRET).start("points-sync", {})


@pytest.mark.parametrize("answer", ["", "<html>", "[]", "{}", '{"Response": []}'])
def test_an_answer_that_is_none_of_the_apis_is_no_answer(api: InvokeApi, answer: str) -> None:
    api.answer = answer
    with pytest.raises(InvokeFailed, match="HTTP 200") as failed:
        start(api)
    assert not failed.value.answered


def test_an_api_that_is_not_there_is_no_answer() -> None:
    nowhere = CloudSettings("e", "r", "127.0.0.1:9", "http", "id", "key", None)
    with pytest.raises(InvokeFailed, match="ConnectionRefusedError") as failed:
        invoke(nowhere, SECRET, "pay", {}, "Event", 1.0)
    assert not failed.value.answered


def test_the_real_apis_certificate_is_checked() -> None:
    context = invoking._tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] > 100


def test_a_cold_start_imports_nothing_of_it_before_something_is_due() -> None:
    code = (
        "import sys, huitou.runtime.handler, huitou.runtime.followers\n"
        "print([m for m in ('huitou.runtime.invoking', 'http.client', 'requests', 'tencentcloud')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT / "layers" / "core")},
    )
    assert done.stdout.strip() == "[]"
