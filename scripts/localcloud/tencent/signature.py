"""TC3-HMAC-SHA256, Tencent Cloud's request signature, verified as the real API does it."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from localcloud.errors import PlatformError

MAX_SKEW_S = 300
_STAMP = re.compile(r"[0-9]{1,12}")
_PARTS = re.compile(
    r"^TC3-HMAC-SHA256 Credential=([^/]+)/([^/]+)/([^/]+)/tc3_request, *"
    r"SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$"
)


def verified_service(headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> str:
    """Verify a POST's signature and return the service it was signed for.

    `headers` by lower-case name; `secrets` holds the secret key of each known secret id.
    PlatformError says what is wrong: no such key, stale, or another signature than ours.
    """
    parts = _PARTS.match(headers.get("authorization", ""))
    if parts is None:
        raise PlatformError("AuthFailure.SignatureFailure", "Authorization")
    secret_id, date, service, signed_names, signature = parts.groups()
    if secret_id not in secrets:
        raise PlatformError("AuthFailure.SecretIdNotFound", "SecretId")
    stamp = headers.get("x-tc-timestamp", "")
    if not _STAMP.fullmatch(stamp) or abs(time.time() - int(stamp)) > MAX_SKEW_S:
        raise PlatformError("AuthFailure.SignatureExpire", "X-TC-Timestamp")
    if datetime.fromtimestamp(int(stamp), UTC).date().isoformat() != date:
        raise PlatformError("AuthFailure.SignatureFailure", "date")
    names = signed_names.split(";")
    if not {"content-type", "host"} <= set(names):
        raise PlatformError("AuthFailure.SignatureFailure", "SignedHeaders")
    canonical = _canonical(headers, body, names, signed_names)
    expected = _signature(secrets[secret_id], date, service, stamp, canonical)
    if not hmac.compare_digest(expected, signature):
        raise PlatformError("AuthFailure.SignatureFailure", "signature")
    return service


def _canonical(headers: Mapping[str, str], body: bytes, names: list[str], signed_names: str) -> str:
    lines = "".join(f"{name}:{headers.get(name, '').strip().lower()}\n" for name in names)
    return f"POST\n/\n\n{lines}\n{signed_names}\n{hashlib.sha256(body).hexdigest()}"


def _signature(secret_key: str, date: str, service: str, stamp: str, canonical: str) -> str:
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{date}/{service}/tc3_request\n{hashed}"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
