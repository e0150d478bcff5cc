"""WeChat Pay's notices: what is believed and what isn't, with keys made here."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from huitou.payments.rules import NotificationKeys, verify_and_decrypt
from huitou.runtime.errors import Code, Refusal

NOW = 1_790_000_000.0
PLATFORM = generate_private_key(public_exponent=65537, key_size=2048)
OTHER = generate_private_key(public_exponent=65537, key_size=2048)


def public(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def keys(api_v3_key: bytes = b"k" * 32) -> NotificationKeys:
    return NotificationKeys({"CERT1": public(PLATFORM), "PUB_KEY_ID_2": public(OTHER)}, api_v3_key)


def notice(resource: object, key: bytes = b"k" * 32, associated: str = "transaction") -> bytes:
    sealed = AESGCM(key).encrypt(b"n" * 12, json.dumps(resource).encode(), associated.encode())
    return json.dumps({
        "event_type": "TRANSACTION.SUCCESS",
        "resource": {"algorithm": "AEAD_AES_256_GCM", "nonce": "n" * 12,
                     "associated_data": associated,
                     "ciphertext": base64.b64encode(sealed).decode()},
    }).encode()  # fmt: skip


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


def test_a_genuine_notice_is_opened() -> None:
    body = notice({"out_trade_no": "o1"})
    opened = verify_and_decrypt(headers(body), body, keys(), NOW)
    assert opened == {"event_type": "TRANSACTION.SUCCESS", "resource": {"out_trade_no": "o1"}}


def test_header_names_come_in_any_case() -> None:
    body = notice({})
    shouted = {name.upper(): value for name, value in headers(body).items()}
    assert verify_and_decrypt(shouted, body, keys(), NOW)


def test_a_certificate_and_a_public_key_are_believed_side_by_side() -> None:
    body = notice({})
    by_public_key = headers(body, key=OTHER, Wechatpay_Serial="PUB_KEY_ID_2")
    assert verify_and_decrypt(by_public_key, body, keys(), NOW)


def test_shorter_keys_of_published_vectors_work_too() -> None:
    body = notice({"a": 1}, key=b"k" * 16, associated="")
    assert verify_and_decrypt(headers(body), body, keys(b"k" * 16), NOW)["resource"] == {"a": 1}


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
def test_anything_changed_is_refused(change: dict[str, str], field: str) -> None:
    with pytest.raises(Refusal) as refused:
        verify_and_decrypt(GENUINE | change, BODY, keys(), NOW)
    assert (refused.value.code, refused.value.field) == (Code.SIGNATURE_INVALID, field)


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_notice_over_five_minutes_off_is_stale(skew: int) -> None:
    with pytest.raises(Refusal) as refused:
        verify_and_decrypt(headers(BODY, at=NOW + skew), BODY, keys(), NOW)
    assert refused.value.field == "Wechatpay-Timestamp"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"resource": 1}', notice({}, key=b"x" * 32)],
    ids=["empty", "no resource", "a list", "not an object", "another key"],
)
def test_signed_nonsense_is_refused_not_crashed_on(body: bytes) -> None:
    with pytest.raises(Refusal):
        verify_and_decrypt(headers(body), body, keys(), NOW)


def test_raw_bytes_are_what_is_signed() -> None:
    body = notice({"name": "回头"})
    respelled: Any = json.dumps(json.loads(body), indent=1).encode()
    with pytest.raises(Refusal):
        verify_and_decrypt(headers(body), respelled, keys(), NOW)
