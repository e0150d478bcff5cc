"""Foreign clients work: CloudBase's own `tcb` deploys the bundle, and Tencent's SDK calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models
from tencentcloud.scf.v20180416.scf_client import ScfClient

from bootstrap import ROOT
from cloud.tcb_client import TELEMETRY, Tcb
from cloud.tls_proxy import TlsProxy
from deployment.deploy import Deployment, prepare
from deployment.found import look
from deployment.packages import local_target
from deployment.plan import plan
from huitou.runtime.identity import internal_token
from localcloud.cloud import LocalCloud
from localcloud.target import NAMESPACE
from test_readme import run

pytestmark = pytest.mark.slow
NAMES = sorted(path.parent.name for path in ROOT.glob("functions/*/index.py"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run a local cloud without functions; our own command publishes its layers."""
    with LocalCloud(tmp_path_factory.mktemp("tcb"), deploy=False) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def proxy(bare: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsProxy]:
    folder = tmp_path_factory.mktemp("authority")
    with TlsProxy(folder, {"*.tencentcloudapi.com": bare.url}) as running:
        yield running


@pytest.fixture(scope="module")
def tcb(bare: LocalCloud, proxy: TlsProxy, tmp_path_factory: pytest.TempPathFactory) -> Tcb:
    """Return the client, logged in with the local cloud's key."""
    home = tmp_path_factory.mktemp("home")
    client = Tcb(home / "tcb", proxy.url, proxy.certificate_path, ROOT)
    output = client.run(
        "login", "--apiKeyId", bare.keys.secret_id, "--apiKey", bare.keys.secret_key
    )
    assert "✖" not in output, output
    return client


@pytest.fixture(scope="module")
def variables(bare: LocalCloud) -> dict[str, str]:
    """Return every {{env.X}} of the file, with layer versions as `layers publish` prints them."""
    published = run("scripts/huitou layers publish", bare.data)
    assert published.returncode == 0, published.stderr
    versions = dict(line.split("=") for line in published.stdout.splitlines())
    assert versions == dict.fromkeys(
        map("HUITOU_{}_LAYER_VERSION".format, ("CORE", "DEPS", "WEB", "IMAGE", "STORAGE")), "1"
    )
    return {
        # The client puts values into the file's text, so a value can't contain a line break.
        **{k: v.replace("\n", "\\n") for k, v in bare.target.variables.items()},
        **versions,
    }


@pytest.fixture(scope="module")
def deployed(tcb: Tcb, variables: dict[str, str]) -> str:
    """Run `tcb fn deploy` for the whole bundle; returns what it printed."""
    return tcb.run("fn", "deploy", "--deployMode", "zip", "--yes", variables=variables)


@pytest.fixture
def sdk(bare: LocalCloud) -> ScfClient:
    """Return Tencent's SDK with a usual configuration."""
    http = HttpProfile(protocol="http", endpoint=f"127.0.0.1:{bare.port}")
    credential = Credential(bare.keys.secret_id, bare.keys.secret_key)
    return ScfClient(credential, "ap-shanghai", ClientProfile(httpProfile=http))


def invoke(client: ScfClient, function: str, event: dict[str, Any]) -> Any:
    request = models.InvokeRequest()
    request.FunctionName, request.Namespace = function, NAMESPACE
    request.ClientContext = json.dumps(event)
    return client.Invoke(request).Result


def test_the_client_deploys_the_whole_bundle(
    bare: LocalCloud, deployed: str, proxy: TlsProxy
) -> None:
    assert f"Successfully deployed {len(NAMES)} function(s)" in deployed, deployed
    assert "✖" not in deployed
    assert sorted(bare.registry.functions) == NAMES
    pay = bare.registry.function("pay").revision("$LATEST")
    assert (pay.timeout_s, pay.memory_mb, pay.handler) == (120, 256, "index.main_handler")
    assert pay.vpc == {"VpcId": "vpc-local", "SubnetId": "subnet-local"}
    assert [name for name, _ in pay.layers] == [
        f"{layer}_{NAMESPACE}" for layer in ("deps", "web", "core")
    ]
    timers = {t.name: t.cron for t in bare.registry.function("pay").triggers.values()}
    assert timers == {
        "follow-up": "0 * * * * * *",
        "share": "20 * * * * * *",
        "hourly": "0 10 * * * * *",
    }
    assert set(proxy.refused) <= {TELEMETRY}, "it called nobody else"


@pytest.mark.usefixtures("deployed")
def test_the_sdk_calls_what_the_client_deployed(bare: LocalCloud, sdk: ScfClient) -> None:
    secret = bare.keys.internal_secret.encode()
    declared = invoke(
        sdk,
        "maintenance",
        {"action": "declare", "token": internal_token(secret, "maintenance")},
    )
    assert json.loads(declared.RetMsg)["ok"], declared.ErrMsg
    stores = invoke(
        sdk, "store-menu", {"action": "stores", "token": internal_token(secret, "store-menu")}
    )
    assert json.loads(stores.RetMsg) == {"ok": True, "data": {"stores": []}}
    assert stores.Duration > 0
    assert stores.MemUsage > 10_000_000
    forged = invoke(sdk, "maintenance", {"action": "declare", "token": "forged"})
    assert json.loads(forged.RetMsg)["error"]["code"] == "FORBIDDEN"


@pytest.mark.usefixtures("deployed")
def test_the_client_deploys_again_and_deploys_one_function(
    bare: LocalCloud, tcb: Tcb, variables: dict[str, str]
) -> None:
    more = {**variables, "HUITOU_BRAND_ID": "second"}
    again = tcb.run("fn", "deploy", "--deployMode", "zip", "--yes", variables=more)
    assert f"Successfully deployed {len(NAMES)} function(s)" in again, again
    for name in NAMES:
        latest = bare.registry.function(name).revision("$LATEST")
        assert latest.variables["HUITOU_BRAND_ID"] == "second", name
    one = tcb.run("fn", "deploy", "pay", "--deployMode", "zip", "--yes", variables=variables)
    assert "Cloud function updated successfully" in one, one
    pay = bare.registry.function("pay")
    assert pay.revision("$LATEST").variables["HUITOU_BRAND_ID"] == "huitou"
    assert len(pay.triggers) == 3


@pytest.mark.usefixtures("deployed")
def test_the_client_lists_and_invokes(tcb: Tcb, variables: dict[str, str]) -> None:
    listed = tcb.run("fn", "list", variables=variables)
    assert all(name in listed for name in NAMES), listed
    event = json.dumps({"action": "stores"})
    invoked = tcb.run("fn", "invoke", "store-menu", "--params", event, variables=variables)
    assert "IDENTITY_REQUIRED" in invoked, invoked
    logged = tcb.run("fn", "log", "store-menu", variables=variables)
    assert '"outcome":"IDENTITY_REQUIRED"' in logged, logged


@pytest.mark.usefixtures("deployed")
def test_our_own_command_takes_over_what_the_client_deployed(bare: LocalCloud) -> None:
    """Our command adds what the client can't set: timers' tokens, security rules, versions."""
    api, wanted = prepare(bare.target, local_target())
    found = look(api, wanted)
    Deployment(api, wanted, found, lambda _: None).run(plan(wanted, found))
    steps = plan(wanted, look(api, wanted))
    # Static hosting isn't open there, so the pages aren't uploaded.
    assert {step.action for step in steps if step.kind != "pages"} == {"unchanged"}
    for name in NAMES:
        function = bare.registry.function(name)
        assert function.aliases["$DEFAULT"] == "1"
        assert all(trigger.message for trigger in function.triggers.values())


def test_the_client_with_a_wrong_key_is_refused(
    bare: LocalCloud, proxy: TlsProxy, tmp_path: Path
) -> None:
    client = Tcb(tmp_path / "home", proxy.url, proxy.certificate_path, ROOT)
    output = client.run("login", "--apiKeyId", bare.keys.secret_id, "--apiKey", "wrong")
    assert "SignatureFailure" in output or "✖" in output, output


@pytest.mark.parametrize(
    ("secret_id", "secret_key", "code"),
    [
        ("AKIDnobody", None, "AuthFailure.SecretIdNotFound"),
        (None, "wrong", "AuthFailure.SignatureFailure"),
    ],
)
def test_the_sdk_with_a_wrong_key_is_refused(
    bare: LocalCloud, secret_id: str | None, secret_key: str | None, code: str
) -> None:
    http = HttpProfile(protocol="http", endpoint=f"127.0.0.1:{bare.port}")
    credential = Credential(secret_id or bare.keys.secret_id, secret_key or bare.keys.secret_key)
    client = ScfClient(credential, "ap-shanghai", ClientProfile(httpProfile=http))
    with pytest.raises(TencentCloudSDKException) as refused:
        client.ListFunctions(models.ListFunctionsRequest())
    assert refused.value.code == code
