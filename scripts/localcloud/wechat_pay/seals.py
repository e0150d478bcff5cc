"""WeChat Pay's keys at work: signatures checked and made, names opened, certificates handed out.

Two trust modes stand side by side: a public key with an id, and certificates with serial numbers.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificate

from localcloud.keys import LocalSecrets, PlatformCertificate, make_platform_certificate
from localcloud.wechat_pay.errors import Refused, wrong_field
from localcloud.wechat_pay.vendor_time import stamp

MAX_SKEW_S = 300
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')


def request_id() -> dict[str, str]:
    """Return the header by which WeChat Pay's support finds a call or a notice."""
    return {"Request-ID": secrets.token_hex(16).upper()}


def _oaep() -> OAEP:
    return OAEP(MGF1(SHA1()), SHA1(), None)  # noqa: S303  As WeChat Pay's own.


class Seals:
    """The merchant's public key, and the platform's own."""

    def __init__(self, keys: LocalSecrets) -> None:
        self._keys = keys
        self._merchant: Any = load_pem_public_key(keys.merchant_public_key.encode())
        self._private: dict[str, Any] = {}
        self._certificates: list[PlatformCertificate] = []
        self._add(keys.platform_serial, keys.platform_private_key)
        self._serve(keys.platform_certificate)

    def _add(self, serial: str, private_key: str) -> None:
        # We made the key ourselves; proving its primes again would take a twentieth of a second.
        self._private[serial] = load_pem_private_key(
            private_key.encode(), None, unsafe_skip_rsa_key_validation=True
        )

    def _serve(self, certificate: PlatformCertificate) -> None:
        self._certificates.append(certificate)
        self._add(certificate.serial, certificate.private_key)

    def rotate_certificate(self) -> PlatformCertificate:
        """Begin to use a new certificate; the old one is still served, as in the real overlap."""
        made = make_platform_certificate()
        self._serve(made)
        return made

    def check_request(
        self, method: str, path: str, query: str, authorization: str, body: bytes
    ) -> None:
        """Refuse a call that the merchant has not signed just now."""
        scheme, _, rest = authorization.partition(" ")
        parts = dict(_AUTHORIZATION.findall(rest))
        if scheme != SIGNATURE_TYPE:
            raise Refused(401, "SIGN_ERROR", "scheme")
        if parts.get("mchid") != self._keys.mchid:
            raise Refused(401, "SIGN_ERROR", "mchid")
        if parts.get("serial_no") != self._keys.merchant_serial:
            raise Refused(401, "SIGN_ERROR", "serial_no")
        stamped = parts.get("timestamp", "")
        if not stamped.isdigit() or abs(time.time() - int(stamped)) > MAX_SKEW_S:
            raise Refused(401, "SIGN_ERROR", "timestamp")
        url = f"{path}?{query}" if query else path
        signed = f"{method}\n{url}\n{stamped}\n{parts.get('nonce_str', '')}\n".encode()
        self.check_signature(parts.get("signature", ""), signed + body + b"\n")

    def check_signature(self, signature: str, signed: bytes) -> None:
        """Refuse what the merchant's key has not signed."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._merchant.verify(raw, signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            raise Refused(401, "SIGN_ERROR", "signature") from None

    def signed(self, body: bytes, at: float | None, mode: str) -> dict[str, str]:
        """Return the headers by which a body is known as WeChat Pay's; `at` is epoch seconds."""
        newest = self._certificates[-1].serial
        serial = self._keys.platform_serial if mode == "public_key" else newest
        stamped, nonce = str(int(at if at is not None else time.time())), secrets.token_hex(16)
        message = f"{stamped}\n{nonce}\n".encode() + body + b"\n"
        signature = self._private[serial].sign(message, PKCS1v15(), SHA256())
        return {
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Signature-Type": SIGNATURE_TYPE,
            "Wechatpay-Timestamp": stamped,
            "Wechatpay-Nonce": nonce,
            "Content-Type": "application/json",
            **request_id(),
        }

    def opened(self, serial: str, name: str, place: str) -> str:
        """Return a name that was encrypted (RSAES-OAEP) under the key that `serial` names."""
        if serial not in self._private:
            raise wrong_field("Wechatpay-Serial", "no such key")
        try:
            raw = base64.b64decode(name, validate=True)
            return str(self._private[serial].decrypt(raw, _oaep()).decode())
        except ValueError:
            raise wrong_field(place, "not encrypted under that key") from None

    def closed(self, name: str) -> str:
        """Encrypt a name under the merchant's key: the merchant is who reads our answers."""
        return base64.b64encode(self._merchant.encrypt(name.encode(), _oaep())).decode()

    def sealed(self, plain: bytes, associated: str) -> dict[str, str]:
        """Return bytes sealed with the APIv3 key, as notices and certificates carry them."""
        nonce = secrets.token_hex(6)
        key = AESGCM(self._keys.api_v3_key.encode())
        secret = key.encrypt(nonce.encode(), plain, associated.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": associated,
            "ciphertext": base64.b64encode(secret).decode(),
        }

    def certificates(self) -> dict[str, Any]:
        """Return the answer of `/v3/certificates`."""
        shown = []
        for certificate in self._certificates:
            pem = certificate.certificate.encode()
            known = load_pem_x509_certificate(pem)
            shown.append(
                {
                    "serial_no": certificate.serial,
                    "effective_time": stamp(known.not_valid_before_utc),
                    "expire_time": stamp(known.not_valid_after_utc),
                    "encrypt_certificate": self.sealed(pem, "certificate"),
                }
            )
        return {"data": shown}
