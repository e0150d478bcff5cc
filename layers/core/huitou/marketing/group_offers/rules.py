"""Read which group a member came from, as only WeChat can have written it."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any


def group_of(encrypted_data: str, iv: str, session_key: str, appid: str) -> str | None:
    """Return the opengid in what `wx.getGroupEnterInfo` gave; None if it isn't WeChat's, or ours.

    AES-128-CBC under the member's session key, and a watermark that names the mini-program.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # Late: rare.
    from cryptography.hazmat.primitives.padding import PKCS7

    try:
        key, data, start = (
            base64.b64decode(text, validate=True) for text in (session_key, encrypted_data, iv)
        )
        decryptor = Cipher(algorithms.AES128(key), modes.CBC(start)).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        unpadder = PKCS7(128).unpadder()
        found: Any = json.loads(unpadder.update(padded) + unpadder.finalize())
    except (ValueError, binascii.Error):  # Another key gives noise, rarely even with good padding.
        return None
    if not isinstance(found, dict) or not isinstance(found.get("watermark"), dict):
        return None
    opengid = found.get("opengid") or found.get("openGId")
    return str(opengid) if opengid and found["watermark"].get("appid") == appid else None
