"""Verifying WeChat Pay's notices with keys made by the test: what we trust and what we refuse."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
from cryptography.x509.oid import NameOID

from huitou.payments.charges.errors import ChargeErrors
from huitou.payments.charges.rules import (
    NotificationKeys,
    certificate_span,
    encrypt_name,
    open_sealed,
    verify_and_decrypt,
)
from huitou.runtime.errors import Refusal

NOW = 1_790_000_000.0
PLATFORM = generate_private_key(public_exponent=65537, key_size=2048)
OTHER = generate_private_key(public_exponent=65537, key_size=2048)


def public(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key: RSAPrivateKey, since: datetime | None = None) -> str:
    """Return a platform certificate like WeChat Pay's authority issues, valid for five years."""
    since = since or datetime.now(UTC) - timedelta(days=1)
    name = Name([NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    built = (
        CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=1_825))
        .sign(OTHER, SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def keys(api_v3_key: bytes = b"k" * 32) -> NotificationKeys:
    return NotificationKeys({"CERT1": public(PLATFORM), "PUB_KEY_ID_2": public(OTHER)}, api_v3_key)


def notice(resource: object, key: bytes = b"k" * 32, associated: str = "transaction") -> bytes:
    sealed = AESGCM(key).encrypt(b"n" * 12, json.dumps(resource).encode(), associated.encode())
    return json.dumps(
        {
            "event_type": "TRANSACTION.SUCCESS",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": "n" * 12,
                "associated_data": associated,
                "ciphertext": base64.b64encode(sealed).decode(),
            },
        }
    ).encode()


def headers(
    body: bytes, at: float = NOW, key: RSAPrivateKey = PLATFORM, **change: str
) -> dict[str, str]:
    signed = f"{int(at)}\nabc\n".encode() + body + b"\n"
    signature = base64.b64encode(key.sign(signed, PKCS1v15(), SHA256())).decode()
    return {
        "Wechatpay-Serial": "CERT1",
        "Wechatpay-Signature": signature,
        "Wechatpay-Timestamp": str(int(at)),
        "Wechatpay-Nonce": "abc",
    } | {name.replace("_", "-"): value for name, value in change.items()}


def test_a_genuine_notice_is_decrypted() -> None:
    body = notice({"out_trade_no": "o1"})
    opened = verify_and_decrypt(headers(body), body, keys(), NOW)
    event = json.loads(body)
    assert opened == {**event, "resource": {"out_trade_no": "o1"}}


def test_the_whole_event_is_returned() -> None:
    body = json.dumps({"id": "EV-1", "summary": "支付成功", **json.loads(notice({}))}).encode()
    opened = verify_and_decrypt(headers(body), body, keys(), NOW)
    assert (opened["id"], opened["summary"], opened["resource"]) == ("EV-1", "支付成功", {})


def test_header_names_may_be_in_any_case() -> None:
    body = notice({})
    shouted = {name.upper(): value for name, value in headers(body).items()}
    assert verify_and_decrypt(shouted, body, keys(), NOW)


def test_a_certificate_and_a_public_key_are_trusted_at_the_same_time() -> None:
    body = notice({})
    by_public_key = headers(body, key=OTHER, Wechatpay_Serial="PUB_KEY_ID_2")
    assert verify_and_decrypt(by_public_key, body, keys(), NOW)


def test_a_whole_certificate_works_instead_of_a_public_key() -> None:
    body = notice({})
    by_certificate = NotificationKeys({"CERT1": certificate(PLATFORM)}, b"k" * 32)
    assert verify_and_decrypt(headers(body), body, by_certificate, NOW)
    with pytest.raises(Refusal):
        verify_and_decrypt(headers(body, key=OTHER), body, by_certificate, NOW)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_shorter_keys_of_published_vectors_work_too(length: int) -> None:
    body = notice({"a": 1}, key=b"k" * length, associated="")
    assert verify_and_decrypt(headers(body), body, keys(b"k" * length), NOW)["resource"] == {"a": 1}


def test_only_what_was_encrypted_for_us_can_be_decrypted() -> None:
    sealed = json.loads(notice({"a": 1}))["resource"]
    assert json.loads(open_sealed(sealed, b"k" * 32)) == {"a": 1}
    for spoilt in ({}, {**sealed, "algorithm": "none"}, {**sealed, "associated_data": "x"}):
        with pytest.raises(Refusal):
            open_sealed(spoilt, b"k" * 32)


def test_only_wechat_pay_can_read_a_receivers_name() -> None:
    for pem in (public(PLATFORM), certificate(PLATFORM)):
        sealed = base64.b64decode(encrypt_name(pem, "张三网络公司"))
        padding = OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303
        assert PLATFORM.decrypt(sealed, padding).decode() == "张三网络公司"


def test_a_certificate_has_a_start_and_an_end_of_validity() -> None:
    since, until = certificate_span(certificate(PLATFORM))
    assert (until - since).days == 1_825
    with pytest.raises(ValueError, match=r".*"):
        certificate_span(public(PLATFORM))


BODY = notice({})
GENUINE = headers(BODY)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"Wechatpay-Signature": ""}, "Wechatpay-Signature"),
        ({"Wechatpay-Signature": "AAAA"}, "Wechatpay-Signature"),
        ({"Wechatpay-Signature": "not base64!"}, "Wechatpay-Signature"),
        (
            {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + GENUINE["Wechatpay-Signature"]},
            "Wechatpay-Signature",
        ),
        ({"Wechatpay-Serial": "UNKNOWN"}, "Wechatpay-Serial"),
        ({"Wechatpay-Serial": "PUB_KEY_ID_2"}, "Wechatpay-Signature"),
        ({"Wechatpay-Timestamp": "now"}, "Wechatpay-Timestamp"),
        ({"Wechatpay-Timestamp": str(int(NOW) + 1)}, "Wechatpay-Signature"),
        ({"Wechatpay-Nonce": ""}, "Wechatpay-Nonce"),
        ({"Wechatpay-Nonce": "other"}, "Wechatpay-Signature"),
    ],
)
def test_a_notice_with_any_change_is_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        verify_and_decrypt(GENUINE | change, BODY, keys(), NOW)
    assert (refused.value.code, refused.value.field) == (ChargeErrors.SIGNATURE_INVALID, field)


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_notice_more_than_five_minutes_off_is_refused(skew: int) -> None:
    with pytest.raises(Refusal) as refused:
        verify_and_decrypt(headers(BODY, at=NOW + skew), BODY, keys(), NOW)
    assert refused.value.field == "Wechatpay-Timestamp"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"resource": 1}', notice({}, key=b"x" * 32)],
    ids=["empty", "no resource", "a list", "not an object", "another key"],
)
def test_a_signed_body_without_meaning_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal):
        verify_and_decrypt(headers(body), body, keys(), NOW)


def test_the_signature_covers_the_raw_bytes() -> None:
    body = notice({"name": "回头"})
    respelled: Any = json.dumps(json.loads(body), indent=1).encode()
    with pytest.raises(Refusal):
        verify_and_decrypt(headers(body), respelled, keys(), NOW)
