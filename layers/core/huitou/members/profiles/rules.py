"""Member ids, identities, and the hashing of phone numbers and network addresses."""

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
    """Return the identity of a phone number, given its hash."""
    return f"phone:{phone_hash}"


def till_identity(number: str) -> str:
    """Return the identity of a member number at the chain's till."""
    return f"till:{number}"


def phone_hash(phone: str, key: bytes) -> str:
    """Hash a phone number in international form with the chain's key.

    Without a key, anybody could try all numbers of eleven digits and find the right one.
    """
    return hmac.new(key, phone.encode(), hashlib.sha256).hexdigest()[:40]


FRIEND_PREFIX = "r-"  # Scenes of members' own codes begin so; scenes of stickers don't.


def friend_scene(code: str) -> str:
    """Return the scene that a member's mini-program code carries (at most 32 letters, no %)."""
    return FRIEND_PREFIX + code


def friend_code(scene: str | None) -> str | None:
    """Return the member's personal code in a scene; None if it is a sticker's or similar."""
    if scene is None or not scene.startswith(FRIEND_PREFIX):
        return None
    return scene.removeprefix(FRIEND_PREFIX).upper()


def network_of(address: str | None, key: bytes) -> str | None:
    """Hash a network address with the chain's key; None if the address is unknown.

    Equal hashes mean the same network; the hash doesn't tell which one.
    """
    if not address:
        return None
    return hmac.new(key, f"network {address}".encode(), hashlib.sha256).hexdigest()[:16]
