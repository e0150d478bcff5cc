"""The local cloud's keys: made on first use, kept in the data folder, worth nothing elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

CERTIFICATE_LIVES = timedelta(days=5 * 365)


@dataclass(frozen=True, repr=False)
class PlatformCertificate:
    """One of WeChat Pay's certificates, with the key that only WeChat Pay has."""

    serial: str
    private_key: str
    certificate: str


@dataclass(frozen=True, repr=False)
class LocalSecrets:
    """Everything secret that the functions and the stand-ins of one local cloud share."""

    internal_secret: str
    phone_key: str
    secret_id: str
    secret_key: str
    appid: str
    app_secret: str
    mchid: str
    merchant_serial: str
    merchant_private_key: str
    merchant_public_key: str
    platform_serial: str
    platform_private_key: str
    platform_public_key: str
    api_v3_key: str
    platform_certificate: PlatformCertificate

    @property
    def weather_key(self) -> str:
        """The chain's key at the weather service."""
        return hashlib.sha256(f"weather {self.phone_key}".encode()).hexdigest()[:32]


def load_secrets(folder: Path) -> LocalSecrets:
    """Return the folder's secrets, making what is missing (readable by this user only)."""
    path = folder / "secrets.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    certificate = kept.get("platform_certificate")
    complete = bool(certificate)
    if not kept:
        kept = _made()
    if not certificate:  # The folder is new, or from before there were certificates.
        certificate = asdict(make_platform_certificate())
    loaded = LocalSecrets(**kept | {"platform_certificate": PlatformCertificate(**certificate)})
    if not complete:
        _write(path, asdict(loaded))
    return loaded


def _made() -> dict[str, Any]:
    merchant_private, merchant_public = _key_pair()
    platform_private, platform_public = _key_pair()
    return {
        "internal_secret": secrets.token_hex(24),
        "phone_key": secrets.token_hex(24),
        "secret_id": "AKID" + secrets.token_hex(16),
        "secret_key": secrets.token_hex(16),
        "appid": "wx" + secrets.token_hex(8),
        "app_secret": secrets.token_hex(16),
        "mchid": "1" + "".join(secrets.choice("0123456789") for _ in range(9)),
        "merchant_serial": secrets.token_hex(20).upper(),
        "merchant_private_key": merchant_private,
        "merchant_public_key": merchant_public,
        "platform_serial": "PUB_KEY_ID_" + secrets.token_hex(16).upper(),
        "platform_private_key": platform_private,
        "platform_public_key": platform_public,
        "api_v3_key": secrets.token_hex(16),
    }


def own_folder(path: Path) -> None:
    """Make a folder that only its owner may enter: members' data and everybody's keys lie in it.

    A folder that holds other people's things as well keeps its rights.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (path / "secrets.json").exists() or not any(path.iterdir()):
        path.chmod(0o700)


def _write(path: Path, content: dict[str, Any]) -> None:
    own_folder(path.parent)
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    os.replace(scratch, path)  # Readers see the old file or the new one, never half.


def make_platform_certificate() -> PlatformCertificate:
    """Make a certificate such as WeChat Pay signs with; nobody but itself vouches for it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    # Forty hex digits and no leading zero, as the real ones: clients write the number unpadded.
    number, now = x509.random_serial_number() | 1 << 158, datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIVES)
        .sign(key, SHA256())
    )
    return PlatformCertificate(
        serial=f"{number:X}",
        private_key=_private_pem(key),
        certificate=made.public_bytes(Encoding.PEM).decode(),
    )


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return _private_pem(key), public.decode()


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
