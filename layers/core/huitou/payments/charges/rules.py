"""WeChat Pay API v3: signing requests, verifying notices, comparing a notice with our payment.

Source: WeChat Pay's API v3 documents on request signing, callback verification and
callback decryption (AEAD_AES_256_GCM).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from huitou.payments.charges.errors import ChargeErrors
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from huitou.runtime.parsing import parse_json

if TYPE_CHECKING:
    from huitou.catalog.stores.models import Merchant
    from huitou.ordering.orders.models import Order
    from huitou.payments.charges.models import Payment, TransactionNotice

MAX_SKEW_S = 300
FIRST_ASKING = timedelta(minutes=1)
PROBE = "WECHATPAY/SIGNTEST/"  # WeChat Pay sends wrong signatures to test whether we check.


@dataclass(frozen=True, repr=False)
class NotificationKeys:
    """The keys that notices are checked with: PEM keys or certificates by serial, the APIv3 key.

    A serial is that of a platform certificate or of a WeChat Pay public key (`PUB_KEY_ID_…`): while
    a merchant switches from one to the other, both arrive. Serials not listed are refused: we never
    fetch a key because a caller named it.
    """

    platform_keys: Mapping[str, str]
    api_v3_key: bytes


def verify_and_decrypt(
    headers: Mapping[str, str], body: bytes, keys: NotificationKeys, now: float
) -> dict[str, Any]:
    """Return a callback's whole event, with its `resource` replaced by the decrypted content.

    A pure function: no clock, no network, no settings. Header names may be in any case; `body` is
    the raw bytes as received; `now` is real epoch seconds; `keys` is what we trust, for example::

        NotificationKeys(
            platform_keys={
                "5157F09EFDC096DE15EBE81A47057A7232F1B8E1": "-----BEGIN CERTIFICATE-----…",
                "PUB_KEY_ID_0114232134912410000000000000": "-----BEGIN PUBLIC KEY-----…",
            },
            api_v3_key=b"0123456789abcdef0123456789abcdef",
        )

    APIv3 keys have 32 bytes; 16 and 24 work as well, since vectors published with SDKs use them.
    Raises Refusal SIGNATURE_INVALID naming the check that failed; returns only if all checks pass.
    """
    verify_signature(headers, body, keys.platform_keys, now)
    try:
        event = parse_json(body)
        # Only WeChat Pay can have sealed it: what is odd in it is recorded, never refused unread.
        opened = json.loads(open_sealed(event["resource"], keys.api_v3_key))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid("resource") from error
    return {**event, "resource": opened}


def open_sealed(sealed: Mapping[str, Any], key: bytes) -> bytes:
    """Decrypt what WeChat Pay encrypted with the APIv3 key: a notice's resource, a certificate.

    The encryption also proves the origin, since only WeChat Pay and we know the key. Raises Refusal
    SIGNATURE_INVALID naming the part at fault.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        if sealed["algorithm"] != "AEAD_AES_256_GCM":
            raise _invalid("resource.algorithm")
        return AESGCM(key).decrypt(
            str(sealed["nonce"]).encode(),
            base64.b64decode(sealed["ciphertext"], validate=True),
            str(sealed.get("associated_data") or "").encode(),
        )
    except InvalidTag as error:
        raise _invalid("resource.ciphertext") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid("resource") from error


def verify_signature(
    headers: Mapping[str, str], body: bytes, platform_keys: Mapping[str, str], now: float
) -> None:
    """Check WeChat Pay's RSA-SHA256 signature over `timestamp\\nnonce\\nbody\\n`.

    Used for callbacks and for the answers to our own calls. Raises Refusal SIGNATURE_INVALID
    naming the header at fault.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    lower = {name.lower(): value for name, value in headers.items()}
    serial, signature, timestamp, nonce = (
        lower.get(f"wechatpay-{name}", "") for name in ("serial", "signature", "timestamp", "nonce")
    )
    if not nonce:
        raise _invalid("Wechatpay-Nonce")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(now - int(timestamp)) > MAX_SKEW_S:
        raise _invalid("Wechatpay-Timestamp")
    if serial not in platform_keys:
        raise _invalid("Wechatpay-Serial")
    if not signature or signature.startswith(PROBE):
        raise _invalid("Wechatpay-Signature")
    try:
        signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        _public_key(platform_keys[serial]).verify(
            base64.b64decode(signature, validate=True), signed, PKCS1v15(), SHA256()
        )
    except (InvalidSignature, ValueError) as error:
        raise _invalid("Wechatpay-Signature") from error


def sign(private_key_pem: str, message: str) -> str:
    """Sign as the merchant: RSA-SHA256, base64."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    signature = _private_key(private_key_pem).sign(message.encode(), PKCS1v15(), SHA256())
    return base64.b64encode(signature).decode()


def encrypt_name(platform_key_pem: str, text: str) -> str:
    """Encrypt a name so that only WeChat Pay can read it: RSA-OAEP with SHA-1, base64."""
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA1

    # SHA-1 is what WeChat Pay's documents ask for; as the hash of OAEP it is no weakness.
    padding = OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303
    sealed = _public_key(platform_key_pem).encrypt(text.encode(), padding)
    return base64.b64encode(sealed).decode()


def certificate_span(pem: str) -> tuple[datetime, datetime]:
    """Return when a platform certificate becomes and stops being valid.

    Raises ValueError if `pem` is no certificate.
    """
    from cryptography.x509 import load_pem_x509_certificate

    certificate = load_pem_x509_certificate(pem.encode())
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def request_message(method: str, path: str, timestamp: int, nonce: str, body: str) -> str:
    """Return the text that a merchant signs for a request; `path` includes the query."""
    return f"{method}\n{path}\n{timestamp}\n{nonce}\n{body}\n"


def client_message(appid: str, timestamp: str, nonce: str, prepay_id: str) -> str:
    """Return the text that is signed as `paySign` of `wx.requestPayment`."""
    return f"{appid}\n{timestamp}\n{nonce}\nprepay_id={prepay_id}\n"


def mismatch(
    notice: TransactionNotice, payment: Payment, merchant: Merchant, appid: str, sp_appid: str
) -> str | None:
    """Return the field in which a genuine notice differs from our payment, or None.

    `appid` is the mini-program's, `sp_appid` the provider's in partner mode (often the same).
    The caller raises an alarm for a difference and settles nothing. (The payer is compared
    elsewhere, through `identities`.)
    """
    if merchant.sub_mchid is None:
        expected = {"appid": appid, "mchid": merchant.mchid}
    else:
        expected = {"sp_appid": sp_appid, "sp_mchid": merchant.mchid}
        expected["sub_mchid"] = merchant.sub_mchid
    for field, value in expected.items():
        if getattr(notice, field) != value:
            return field
    if notice.out_trade_no != payment.id:
        return "out_trade_no"
    if notice.amount is None or notice.amount.total != payment.amount_fen:
        return "amount.total"
    if notice.amount.currency != "CNY":
        return "amount.currency"
    if not notice.transaction_id:
        return "transaction_id"
    if notice.success_time is None or notice.success_time.tzinfo is None:
        return "success_time"
    return None


def payer_openid(notice: TransactionNotice, appid: str, sp_appid: str) -> str | None:
    """Return the payer's openid at our mini-program; None if the notice doesn't have it."""
    payer = notice.payer
    if payer is None:
        return None
    if notice.sp_mchid is None:
        return payer.openid
    return payer.sp_openid if sp_appid == appid else payer.sub_openid


def next_asking(since: datetime, now: datetime) -> datetime:
    """Return when to ask about an attempt again: after a minute first, then ever more rarely."""
    return now + max(FIRST_ASKING, now - since)


def out_trade_no(order_id: str, attempt: int) -> str:
    """Return an attempt's number at WeChat Pay: at most 32 characters, never used twice."""
    return f"{order_id}n{attempt}"


def order_of(out_trade_no: str) -> str:
    """Return the order's id that an attempt's number begins with; empty if it isn't one of ours."""
    return out_trade_no.rpartition("n")[0]


def _invalid(part: str) -> Refusal:
    return Refusal(ChargeErrors.SIGNATURE_INVALID, field=part, detail=part)


# Kept, because parsing a key costs about as much as using it. An instance has two or three keys.
@cache
def _public_key(pem: str) -> Any:
    """Return the public key of a platform certificate, or a bare WeChat Pay public key."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if "BEGIN CERTIFICATE" in pem:
        return load_pem_x509_certificate(pem.encode()).public_key()
    return load_pem_public_key(pem.encode())


@cache
def _private_key(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode(), None)


def payer_mark(caller: Caller) -> str:
    """Return a hash of a caller's WeChat: payments tell payers apart and name none of them."""
    named = f"{caller.appid}:{caller.openid}"
    return hashlib.blake2b(named.encode(), digest_size=12).hexdigest()


def is_of_other_payer(attempt: Payment, order: Order, caller: Caller) -> bool:
    """Tell whether an attempt was opened by another WeChat of the person, after a merge.

    An attempt of an earlier version doesn't say it: of a merged member's order we can't know.
    """
    if attempt.payer is None:
        return order.placed_by is not None
    return attempt.payer != payer_mark(caller)
