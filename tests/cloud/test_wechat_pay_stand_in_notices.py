"""WeChat Pay's stand-in as a plain object: its notices, its keys and its moods."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from cloud.wechat_pay_merchant import JSAPI, NOTIFY_URL, Merchant
from localcloud.keys import LocalSecrets, load_secrets, make_platform_certificate
from localcloud.wechat_pay import FORGERIES


def verifies(public: Any, headers: dict[str, str], body: bytes) -> bool:
    stamped = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
    try:
        signature = base64.b64decode(headers["Wechatpay-Signature"])
        public.verify(signature, stamped + body + b"\n", PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def test_notices_are_lost_doubled_or_turned_around(merchant: Merchant) -> None:
    mode = merchant.pay_service.mode
    for copies in (0, 2):
        mode.set({"copies": copies})
        merchant.paid(f"order-{copies}")
        merchant.pass_time()
        assert len(merchant.delivered) == copies
    merchant.pay_service.reset()
    mode.set({"reorder": True})
    merchant.paid("order-3")
    merchant.paid("order-4")
    merchant.pass_time()
    assert len(merchant.delivered) == 2
    assert merchant.pay_service.release() == {"released": 2}
    merchant.pass_time()
    assert [told["out_trade_no"] for told in merchant.told()[2:]] == ["order-4", "order-3"]
    assert {url for url, _headers, _body in merchant.delivered} == {NOTIFY_URL}


def test_every_forged_notice_is_wrong_in_its_own_way_only(merchant: Merchant) -> None:
    merchant.paid_for_store("order-1")
    truth = merchant.ok("GET", merchant.partner("order-1"))
    public = load_pem_public_key(merchant.keys.platform_public_key.encode())
    wrong = {
        "amount": "amount",
        "currency": "amount",
        "appid": "sp_appid",
        "mchid": "sp_mchid",
        "payer": "payer",
        "order": "out_trade_no",
    }
    for kind in FORGERIES:
        headers, body = merchant.pay_service.forge(kind, "order-1")
        signed_right = verifies(public, headers, body)
        assert signed_right == (kind not in ("signature", "signtest", "body")), kind
        assert (headers["Wechatpay-Serial"] == merchant.keys.platform_serial) == (kind != "serial")
        stale = time.time() - int(headers["Wechatpay-Timestamp"]) > 300
        assert stale == (kind == "stale")
        probe = headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
        assert probe == (kind == "signtest")
        resource = json.loads(body)["resource"]
        if kind == "tag":
            with pytest.raises(InvalidTag):
                merchant.unsealed(resource)
            continue
        told = json.loads(merchant.unsealed(resource))
        assert [name for name in truth if told[name] != truth[name]] == (
            [wrong[kind]] if kind in wrong else []
        )
    with pytest.raises(ValueError, match="kinds"):
        merchant.pay_service.forge("nonsense")


def test_a_forged_notice_of_an_unpaid_order_says_that_it_is_paid(merchant: Merchant) -> None:
    merchant.ok("POST", JSAPI, merchant.order("order-1"))
    _headers, body = merchant.pay_service.forge("amount")
    told = json.loads(merchant.unsealed(json.loads(body)["resource"]))
    assert (told["trade_state"], told["amount"]["total"]) == ("SUCCESS", 1)
    assert merchant.ok("GET", merchant.direct("order-1"))["trade_state"] == "NOTPAY"


def test_certificates_are_served_sealed_and_sign_when_told_to(merchant: Merchant) -> None:
    first = merchant.keys.platform_certificate
    assert merchant.raw("GET", "/v3/certificates")[2]["Wechatpay-Serial"] == (
        merchant.keys.platform_serial
    )
    merchant.pay_service.mode.set({"signs_with": "certificate"})
    second = merchant.pay_service.rotate_certificate()
    status, body, headers = merchant.raw("GET", "/v3/certificates")
    served = {entry["serial_no"]: entry for entry in json.loads(body)["data"]}
    assert (status, list(served)) == (200, [first.serial, second.serial])
    assert headers["Wechatpay-Serial"] == second.serial
    pem = merchant.unsealed(served[second.serial]["encrypt_certificate"])
    certificate = load_pem_x509_certificate(pem)
    assert f"{certificate.serial_number:X}" == second.serial
    assert verifies(certificate.public_key(), headers, body)


def test_a_certificates_number_has_forty_digits_and_no_leading_zero() -> None:
    """Clients write it unpadded into a header: a leading zero would be lost there."""
    for _ in range(3):
        serial = make_platform_certificate().serial
        assert len(serial) == 40
        assert serial == f"{int(serial, 16):X}"


@pytest.mark.slow
def test_old_secrets_get_a_certificate_and_keep_it(tmp_path: Path, keys: LocalSecrets) -> None:
    made = load_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    old = json.loads(path.read_text())
    del old["platform_certificate"]
    path.write_text(json.dumps(old))
    loaded = load_secrets(tmp_path)
    assert loaded.mchid == made.mchid
    assert loaded.platform_certificate != made.platform_certificate
    assert load_secrets(tmp_path) == loaded
    assert path.stat().st_mode & 0o777 == 0o600


def test_wechat_pay_is_down_loses_answers_and_fails_as_told(merchant: Merchant) -> None:
    mode = merchant.pay_service.mode
    mode.set({"down": True})
    assert merchant.raw("GET", "/v3/certificates") == (503, b"", {})
    mode.set({"down": False, "answer_lost": True})
    assert merchant.raw("POST", JSAPI, merchant.order("order-1")) == (502, b"", {})
    mode.set({"answer_lost": False, "fail_next": ["SYSTEM_ERROR", "FREQUENCY_LIMITED"]})
    assert merchant.refused("GET", "/v3/certificates") == (500, "SYSTEM_ERROR")
    assert merchant.refused("GET", "/v3/certificates") == (429, "FREQUENCY_LIMITED")
    assert merchant.ok("GET", merchant.direct("order-1"))["trade_state"] == "NOTPAY"


@pytest.mark.parametrize(
    "change",
    [{"colour": "red"}, {"copies": -1}, {"down": 1}, {"refunds_end": "LOST"}, {"copies": "2"},
     {"fail_next": ["NONSENSE"]}, {"fail_next": "SYSTEM_ERROR"}, {"signs_with": "a stamp"}],
    ids=str,
)  # fmt: skip
def test_a_switch_that_is_not_there_changes_nothing(
    merchant: Merchant, change: dict[str, Any]
) -> None:
    before = merchant.pay_service.mode.set({})
    with pytest.raises(ValueError, match=next(iter(change))):
        merchant.pay_service.mode.set({"copies": 5} | change)
    assert merchant.pay_service.mode.set({}) == before
