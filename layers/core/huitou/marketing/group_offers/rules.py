"""Read from WeChat's encrypted proof which group a member came from."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any


def group_of(encrypted_data: str, iv: str, session_key: str, appid: str) -> str | None:
    """Return the opengid in the data of `wx.getGroupEnterInfo`.

    WeChat encrypts the data by AES-128-CBC with the member's session key, and puts a watermark
    with the mini-program's id into it. Returns None if the key doesn't fit, or if the watermark
    names another mini-program.
    """
    # Imported here, since few calls need it and it takes long.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    try:
        key, data, start = (
            base64.b64decode(text, validate=True) for text in (session_key, encrypted_data, iv)
        )
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(start)).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        found: Any = json.loads(unpadder.update(padded) + unpadder.finalize())
    except (ValueError, binascii.Error):
        # A wrong key gives noise. It fails at the padding, or at the latest as JSON.
        return None
    if not isinstance(found, dict) or not isinstance(found.get("watermark"), dict):
        return None
    opengid = found.get("opengid") or found.get("openGId")
    return str(opengid) if opengid and found["watermark"].get("appid") == appid else None
