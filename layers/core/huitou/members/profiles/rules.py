"""Member ids, identities, and the hashing of phone numbers and network addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import date

from huitou.members.profiles.errors import ProfileErrors
from huitou.runtime.errors import Refusal

OLDEST_BIRTHDAY = "1900-01-01"
MOST_YEARS = 120
MINOR_YEARS = 14  # Below this age a guardian must consent (PIPL, article 31).


def member_id_from(randomness: bytes) -> str:
    """Return an opaque member id (`m` and 24 letters) from 15 random bytes."""
    return "m" + base64.b32encode(randomness).decode().lower()


def is_member_id(typed: str) -> bool:
    """Tell whether a text has the form of a member id; it doesn't say whether there is one."""
    return re.fullmatch(r"m[a-z2-7]{24}", typed) is not None


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


def years_old(birthday: str, today: str) -> int:
    """Return somebody's age in whole years; both days are YYYY-MM-DD."""
    born, on = date.fromisoformat(birthday), date.fromisoformat(today)
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def is_possible(birthday: str, today: str) -> bool:
    """Tell whether somebody alive may be born on a day: not later, and at most 120 years ago."""
    return OLDEST_BIRTHDAY <= birthday <= today and years_old(birthday, today) <= MOST_YEARS


def check_birthday(birthday: str, today: str) -> None:
    """Check a birthday that a member says.

    Raises Refusal BIRTHDAY_IMPOSSIBLE or BIRTHDAY_OF_MINOR naming `birthday`.
    """
    if not is_possible(birthday, today):
        raise Refusal(ProfileErrors.BIRTHDAY_IMPOSSIBLE, field="birthday", detail=OLDEST_BIRTHDAY)
    if years_old(birthday, today) < MINOR_YEARS:
        detail = str(MINOR_YEARS)
        raise Refusal(ProfileErrors.BIRTHDAY_OF_MINOR, field="birthday", detail=detail)


def may_celebrate_twice(before: str, after: str, said_on: str | None, today: str) -> bool:
    """Tell whether a corrected birthday could bring a year's gifts a second time.

    That is so if the former one may have brought some this year, on its day or in its month, and
    the new one is still to come this year. `said_on` is the day on which the former one was said;
    None: before we noted that.
    """
    this_year = today[:4]
    since = max(said_on or "", f"{this_year}-01-01")[5:]

    def had(width: int) -> bool:
        return since[:width] <= before[5:][:width] <= today[5:][:width]

    def comes(width: int) -> bool:
        return after[5:][:width] >= today[5:][:width]

    of_month = before[5:7] != after[5:7] and had(2) and comes(2)
    return of_month or (before[5:] != after[5:] and had(5) and comes(5))
