"""What the parts of the WeChat Pay stand-in share: whose it is, its time, its books, its mode."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from localcloud.keys import LocalSecrets
from localcloud.wechat_pay.books import Doc, WeChatBooks
from localcloud.wechat_pay.errors import Refused, wrong_field
from localcloud.wechat_pay.mode import Mode
from localcloud.wechat_pay.vendor_time import stamp

Later = Callable[[float, Callable[[], None]], None]
Answer = dict[str, Any] | None


class Clock(Protocol):
    """Whatever says what time it is."""

    def now(self) -> datetime: ...


@dataclass(frozen=True)
class Call:
    """One API call whose signature was right; `numbers` are those in its path."""

    numbers: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]
    serial: str  # Wechatpay-Serial: the key under which names are encrypted.

    def check_query(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        """Refuse a query with a parameter too many or too few, naming it."""
        for name in self.query:
            if name not in required + optional:
                raise wrong_field(name, "unknown")
        for name in required:
            if not self.query.get(name):
                raise wrong_field(name, "missing")


@dataclass(frozen=True)
class Route:
    """A method, a pattern whose groups are the path's numbers, and who answers."""

    method: str
    path: str
    answer: Callable[[Call], Answer]


@dataclass
class Vendor:
    """One merchant's WeChat Pay (or one service provider's, with merchants under it)."""

    keys: LocalSecrets
    clock: Clock
    books: WeChatBooks
    later: Later
    mode: Mode = field(default_factory=Mode)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def stamp(self) -> str:
        return stamp(self.clock.now())

    def age_s(self, since: str) -> float:
        """Return how long ago a moment was, in seconds of the driven clock."""
        return (self.clock.now() - datetime.fromisoformat(since)).total_seconds()

    def owned(self, payment: Doc | None, sub_mchid: str | None, missing: str) -> Doc:
        """Return a payment that belongs to exactly this merchant; nobody else's is to be seen."""
        if payment is None or payment.get("sub_mchid") != sub_mchid:
            raise Refused(404, missing)
        return payment

    def money_of(self, payment: Doc) -> str:
        """Return the merchant whose money a payment is."""
        return payment.get("sub_mchid") or self.keys.mchid


def digits(count: int) -> str:
    """Return a number that nobody has yet."""
    return "".join(secrets.choice("0123456789") for _ in range(count))
