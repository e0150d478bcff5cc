"""A chain that takes payments, for benchmarks; WeChat Pay's answers are made beforehand."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from huitou.growth.referrals.binding_service import FirstOrders
from huitou.members.profiles.service import Members
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.models import CreateRequest
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.ordering.orders.rules import order_id
from huitou.ordering.orders.service import Orders
from huitou.ordering.settlement.service import Settlement
from huitou.payments.charges.rules import NotificationKeys, out_trade_no
from huitou.payments.charges.service import Payments
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.payments.wechat_pay.service import PlatformKeys
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database
from huitou.runtime.identity import Caller
from localcloud.keys import load_secrets
from localcloud.target import merchant_settings
from localcloud.wechat_pay import WeChatPayStandIn
from simulation.chain import chain

BRAND = "huitou"
_CART = {
    "store_id": "jingan",  # Always open.
    "items": [
        {"dish_id": "milk-tea", "sku_id": "l", "quantity": 2, "methods": ["少冰"]},
        {"dish_id": "spring-rolls", "sku_id": "one", "quantity": 1},
    ],
}

Answer = tuple[dict[str, str], bytes]


@dataclass(frozen=True)
class Visit:
    """One order that a guest will make."""

    caller: Caller
    member_id: str
    order_id: str
    request: CreateRequest


class ReadyAnswers(BaseAdapter):
    """Answers requests to WeChat Pay with the next prepared answer."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: deque[Answer] = deque()

    def send(  # type: ignore[override]  # The options are not used.
        self, request: requests.PreparedRequest, **_: Any
    ) -> requests.Response:
        headers, body = self.ready.popleft()
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url or "", request
        response.headers.update(headers)
        response.raw = HTTPResponse(BytesIO(body), headers, 200, preload_content=False)
        return response

    def close(self) -> None:
        """Do nothing, because nothing is open."""


class Till:
    """The services of `pay` and `points-sync`, and guests who all order the same cart."""

    def __init__(self, database: Database, folder: Path, members: int) -> None:
        self._keys = load_secrets(folder)
        self._clock = RealClock()
        self._wechat = WeChatPayStandIn(self._keys, self._clock, folder / "wechat-pay.sqlite")
        self._answers = ReadyAnswers()
        self._notices: dict[str, Answer] = {}
        settings = merchant_settings(self._keys)
        self._gateway = WeChatPay(settings, PlatformKeys(database, settings).trusted_keys)
        self._gateway.session.mount("https://", self._answers)
        self.database = database
        Maintenance(database, self._clock).load_chain(LoadRequest.model_validate(chain()))
        self._orders = Orders(database, self._clock, BRAND)
        self._payments = Payments(database, self._clock, BRAND, self._gateway)
        self._settlement = Settlement(database, self._clock, FirstOrders(database, self._clock))
        enrolled = Members(database, self._clock, BRAND)
        self._guests = [
            (caller, str(enrolled.login(caller, None)["member_id"]))
            for caller in (Caller(f"guest-{n}", self._keys.appid) for n in range(members))
        ]
        quote = self._orders.quote_cart(self._guests[0][1], QuoteRequest.model_validate(_CART))
        self._payable_fen = quote.payable_fen

    @property
    def notification_keys(self) -> NotificationKeys:
        settings = self._gateway.settings
        return NotificationKeys(self._gateway.platform_keys, settings.api_v3_key)

    def visits(self, first: int, count: int) -> list[Visit]:
        """Return orders to make; `first` is their first number, so that ids don't repeat."""
        visits = []
        for number in range(first, first + count):
            caller, member_id = self._guests[number % len(self._guests)]
            cart = {**_CART, "quote_id": f"q{number:032x}", "payable_fen": self._payable_fen}
            request = CreateRequest.model_validate(cart)
            identity = order_id(member_id, request.quote_id)
            visits.append(Visit(caller, member_id, identity, request))
        return visits

    def wechat_prepares(self, visits: list[Visit]) -> None:
        """Prepare WeChat Pay's answers and notices; their signatures are valid for five minutes."""
        for visit in visits:
            answer = json.dumps({"prepay_id": f"wx{visit.order_id}"}).encode()
            self._answers.ready.append((self._wechat.signed_headers(answer), answer))
            self._notices[visit.order_id] = self.notice(visit)

    def notice(self, visit: Visit) -> Answer:
        """Return WeChat Pay's encrypted and signed notice that this order was paid."""
        total = self._payable_fen
        body = self._wechat.notice(
            "TRANSACTION.SUCCESS",
            "transaction",
            {
                "appid": self._keys.appid,
                "mchid": self._keys.mchid,
                "out_trade_no": out_trade_no(visit.order_id, 1),
                "trade_type": "JSAPI",
                "trade_state": "SUCCESS",
                "trade_state_desc": "支付成功",
                "bank_type": "OTHERS",
                "attach": "",
                "transaction_id": f"42{visit.order_id}",
                "success_time": datetime.now(UTC).isoformat(timespec="seconds"),
                "payer": {"openid": visit.caller.openid},
                "amount": {
                    "total": total,
                    "payer_total": total,
                    "currency": "CNY",
                    "payer_currency": "CNY",
                },
            },
        )
        return self._wechat.signed_headers(body), body

    def serve(self, visit: Visit) -> None:
        """Take one order from the cart to its points."""
        self.create(visit)
        self.prepay(visit)
        self.take_notice(visit)
        self.settle(visit)

    def create(self, visit: Visit) -> None:
        self._orders.create_order(visit.member_id, visit.request)

    def prepay(self, visit: Visit) -> None:
        self._payments.prepay_order(visit.member_id, visit.caller, visit.order_id)

    def take_notice(self, visit: Visit) -> None:
        outcome = self._payments.process_notice(*self._notices[visit.order_id], time.time())
        if outcome != "paid":
            raise RuntimeError(f"{visit.order_id}: {outcome}")

    def settle(self, visit: Visit) -> None:
        outcome = self._settlement.settle_order(visit.order_id)
        if outcome != "settled":
            raise RuntimeError(f"{visit.order_id}: {outcome}")
