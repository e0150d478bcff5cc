"""A guest's phone that uses the local cloud, and helpers that wait for results."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import urllib3

from cli.reconcile import reconciled
from localcloud.client import LocalCloudClient

HTTP = urllib3.PoolManager(maxsize=16)
guest_numbers = itertools.count()


class Guest:
    """A guest's phone with the mini-program."""

    def __init__(
        self, client: LocalCloudClient, openid: str | None = None, scene: str | None = None
    ) -> None:
        self.client = client
        self.openid = openid or f"guest-{next(guest_numbers)}"
        self.login = self.ok(
            "member-profile", action="login", **({"scene": scene} if scene else {})
        )

    def call(self, function: str, **data: Any) -> dict[str, Any]:
        return self.client.member_call(function, self.openid, data)

    def ok(self, function: str, **data: Any) -> dict[str, Any]:
        answer = self.call(function, **data)
        assert answer["ok"], answer
        return dict(answer["data"])

    def order(self, quantity: int = 1, **cart: Any) -> str:
        line = {"dish_id": "milk-tea", "sku_id": "m", "quantity": quantity}
        cart = {"store_id": "jingan", "items": [line], **cart}
        quote = self.ok("pay", action="quote", **cart)
        created = self.ok(
            "pay",
            action="create",
            **cart,
            quote_id=quote["quote_id"],
            payable_fen=quote["payable_fen"],
        )
        return str(created["order_id"])

    def prepay(self, order_id: str) -> dict[str, str]:
        return dict(self.ok("pay", action="prepay", order_id=order_id)["payment"])

    def buy(self, quantity: int = 1, **cart: Any) -> str:
        order_id = self.order(quantity, **cart)
        assert self.client.pay(self.openid, self.prepay(order_id))["trade_state"] == "SUCCESS"
        return order_id

    def points(self) -> int:
        return int(self.ok("member-profile", action="profile")["points"]["available"])

    def status(self, order_id: str) -> str:
        return str(self.ok("pay", action="status", order_id=order_id)["status"])


def eventually(check: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def clean(client: LocalCloudClient) -> None:
    client.control("drain")
    assert reconciled(client)["differences"] == []
