"""How members are named: opaque ids, identities, hashed phones."""

from __future__ import annotations

import base64
import hashlib
import hmac


def member_id_from(randomness: bytes) -> str:
    """Return an opaque member id (`m` and 24 letters) from 15 random bytes."""
    return "m" + base64.b32encode(randomness).decode().lower()


def wechat_identity(appid: str, openid: str) -> str:
    """Return the identity of a WeChat user in one mini-program."""
    return f"wx:{appid}:{openid}"


def phone_identity(phone_hash: str) -> str:
    """Return the identity of a phone number's holder."""
    return f"phone:{phone_hash}"


def till_identity(number: str) -> str:
    """Return the identity of a member by their number at the chain's till."""
    return f"till:{number}"


def phone_hash(phone: str, key: bytes) -> str:
    """Hash a phone number in international form under the chain's key.

    Keyed, since eleven digits can be guessed through any plain hash.
    """
    return hmac.new(key, phone.encode(), hashlib.sha256).hexdigest()[:40]


FRIEND_PREFIX = "r-"  # Of the scene in a member's own code; those of stickers have none such.


def friend_scene(code: str) -> str:
    """Return the scene that a member's mini-program code carries (at most 32 letters, no %)."""
    return FRIEND_PREFIX + code


def friend_code(scene: str | None) -> str | None:
    """Return the personal code in a scene; None for stickers and the like."""
    if scene is None or not scene.startswith(FRIEND_PREFIX):
        return None
    return scene.removeprefix(FRIEND_PREFIX).upper()


def network_of(address: str | None, key: bytes) -> str | None:
    """Return what tells two networks apart without telling which they are."""
    if not address:
        return None
    return hmac.new(key, f"network {address}".encode(), hashlib.sha256).hexdigest()[:16]
