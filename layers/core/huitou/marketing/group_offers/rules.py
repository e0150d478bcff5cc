"""Read from WeChat's encrypted proof which group a member came from."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from huitou.runtime.parsing import parse_json


def group_of(
    encrypted_data: str, iv: str, session_key: str, appid: str, since: float = 0
) -> str | None:
    """Return the opengid in the data of `wx.getGroupEnterInfo`.

    WeChat encrypts the data by AES-128-CBC with the member's session key, and puts a watermark
    with the mini-program's id and the time into it. Returns None if the key doesn't fit, or if the
    watermark names another mini-program or a time before `since` (epoch seconds): somebody who has
    left the group may have kept an old proof, and session keys live for long.
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
        found: Any = parse_json(unpadder.update(padded) + unpadder.finalize())
    except (ValueError, binascii.Error):
        # A wrong key gives noise. It fails at the padding, or at the latest as JSON.
        return None
    if not isinstance(found, dict) or not isinstance(found.get("watermark"), dict):
        return None
    mark = found["watermark"]
    at = mark.get("timestamp")
    if mark.get("appid") != appid or not isinstance(at, int) or at < since:
        return None
    opengid = found.get("opengid") or found.get("openGId")
    return str(opengid) if opengid else None
