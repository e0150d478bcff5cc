"""The local cloud's keys: made on first use, kept in the data folder, worth nothing elsewhere."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


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


def load_secrets(folder: Path) -> LocalSecrets:
    """Return the folder's secrets, making them the first time (readable by this user only)."""
    path = folder / "secrets.json"
    if path.exists():
        return LocalSecrets(**json.loads(path.read_text()))
    merchant_private, merchant_public = _key_pair()
    platform_private, platform_public = _key_pair()
    made = LocalSecrets(
        internal_secret=secrets.token_hex(24),
        phone_key=secrets.token_hex(24),
        secret_id="AKID" + secrets.token_hex(16),
        secret_key=secrets.token_hex(16),
        appid="wx" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16),
        mchid="1" + "".join(secrets.choice("0123456789") for _ in range(9)),
        merchant_serial=secrets.token_hex(20).upper(),
        merchant_private_key=merchant_private,
        merchant_public_key=merchant_public,
        platform_serial="PUB_KEY_ID_" + secrets.token_hex(16).upper(),
        platform_private_key=platform_private,
        platform_public_key=platform_public,
        api_v3_key=secrets.token_hex(16),
    )
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file)
    return made


def _key_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
