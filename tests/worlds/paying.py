"""A chain that takes payments: real services and the WeChat Pay stand-in in one process.

Outgoing calls reach the stand-in through `requests` without a network. Its notices and later
actions wait until the test lets them happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from chain_data import FakeClock, Shop
from huitou.operations.reconciliation.service import Reconciliation
from huitou.ordering.fulfilment.service import Fulfilment
from huitou.ordering.orders.models import Order
from huitou.payments.charges.service import Payments
from huitou.payments.profit_sharing.models import ShareRules
from huitou.payments.profit_sharing.rules_service import ShareRuleBook
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.refunds.models import Refund, RefundRequest
from huitou.payments.refunds.progress_service import RefundProgress
from huitou.payments.refunds.service import Refunds
from huitou.payments.shipping.service import Shipping
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.identity import Caller
from localcloud.keys import LocalSecrets
from localcloud.target import merchant_settings
from localcloud.wechat_pay import WeChatPayStandIn

Notice = tuple[dict[str, str], bytes]


class Door(BaseAdapter):
    """Hands the calls that `requests` would send over the network to the stand-in.

    `calls` lists the calls. The stand-in does a call to a path in `lose`, but its answer is lost.
    `spoil` changes a request before it arrives.
    """

    def __init__(self, stand_in: WeChatPayStandIn) -> None:
        super().__init__()
        self._stand_in = stand_in
        self.calls: list[tuple[str, str]] = []
        self.lose: Callable[[str], bool] = lambda _: False
        self.spoil: Callable[[str, bytes], bytes] = lambda _, sent: sent

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = request.body or b""
        self.calls.append((str(request.method), parts.path))
        status, answer, headers = self._stand_in.serve(
            str(request.method),
            parts.path,
            parts.query,
            request.headers["Authorization"],
            body.encode() if isinstance(body, str) else body,
            request.headers.get("Wechatpay-Serial", ""),
        )
        if self.lose(parts.path):
            status, answer, headers = 502, b"", {}
        content = BytesIO(self.spoil(parts.path, answer))
        response = requests.Response()
        response.status_code, response.url = status, request.url or ""
        response.headers.update(headers)
        response.request = request
        response.raw = HTTPResponse(content, headers, status, preload_content=False)
        return response

    def close(self) -> None:
        """Do nothing, because nothing is open."""


class PayingShop(Shop):
    """The sample chain with a WeChat Pay stand-in."""

    def __init__(
        self, database: Database, clock: FakeClock, keys: LocalSecrets, folder: Path
    ) -> None:
        super().__init__(database, clock)
        self.keys = keys
        self.notices: list[Notice] = []
        self._later: list[Callable[[], None]] = []
        self.wechat = WeChatPayStandIn(
            keys,
            clock,
            folder / "wechat-pay.sqlite",
            deliver=lambda _, headers, body: self.notices.append((dict(headers), body)),
            later=lambda _, work: self._later.append(work),
        )
        self.start()

    def start(self) -> None:
        """Build the services, as a new instance does."""
        self.gateway = WeChatPay(merchant_settings(self.keys))
        self.gateway.session.mount("https://", self.door())
        self.payments = Payments(self.database, self.clock, "huitou", self.gateway)
        self.refunds = Refunds(self.database, self.clock, "huitou", self.gateway)
        self.refund_progress = RefundProgress(self.database, self.clock, "huitou", self.gateway)
        self.sharing = Sharing(self.database, self.clock, self.gateway)
        self.fulfilment = Fulfilment(self.database, self.clock, "huitou")
        self.shipping = Shipping(self.database, self.clock, "huitou")

    def door(self) -> Door:
        """Return the connection to WeChat Pay."""
        return Door(self.wechat)

    def prepaid(self, member_id: str, order: Order, name: str = "alice") -> dict[str, str]:
        """Prepay; returns what the guest's phone gets."""
        answer = self.payments.prepay_order(member_id, Caller(name, self.keys.appid), order.id)
        assert answer.payment is not None
        return answer.payment.model_dump()

    def confirm(self, member_id: str, order: Order, name: str = "alice") -> None:
        """Prepay and pay at WeChat Pay; the notice is not delivered yet."""
        self.wechat.pay(name, self.prepaid(member_id, order, name))

    def bought(self, member_id: str, name: str = "alice", **cart: Any) -> Order:
        """Create an order, pay it and deliver the notice."""
        order = self.order(member_id, **cart)
        self.confirm(member_id, order, name)
        self.let_happen()
        return self.orders.get_order(order.id)

    def register(self, name: str = "alice") -> str:
        return str(self.members.login(Caller(name, self.keys.appid), None)["member_id"])

    def take(self, notice: Notice) -> str | Refusal:
        """Deliver one notice to our door."""
        try:
            return self.payments.process_notice(*notice, time.time())
        except Refusal as refused:
            return refused

    def let_happen(self) -> list[str | Refusal]:
        """Let WeChat Pay act and deliver its notices, until nothing is left to do."""
        outcomes: list[str | Refusal] = []
        while self.vendor_acts():
            while self.notices:
                outcomes.append(self.take(self.notices.pop(0)))
        return outcomes

    def vendor_acts(self) -> list[Notice]:
        """Let WeChat Pay do its waiting actions; returns the notices that it sends."""
        while self._later:
            self._later.pop(0)()
        return self.notices

    def give_back(self, order_id: str, refund_id: str = "R00001", **fields: Any) -> Refund:
        """Refund as the till does, for a person without a limit."""
        request = {
            "order_id": order_id,
            "refund_id": refund_id,
            "reason": "test",
            "actor": "till",
            "role": "finance",
            **fields,
        }
        return self.refunds.begin_refund(RefundRequest.model_validate(request))

    def work(self) -> dict[str, tuple[Callable[[], Iterable[str]], Callable[[str], str]]]:
        """Return the timers' lists: for each, how to find due entries and how to work on one."""
        return {
            "unpaid": (self.payments.due_unpaid_orders, self.payments.close_unpaid_order),
            "unanswered": (self.payments.unanswered_attempts, self.payments.ask_about_attempt),
            "refunds": (self.refund_progress.due_refunds, self.refund_progress.carry_on_refund),
            "completed": (self.fulfilment.orders_to_complete, self.fulfilment.complete_order),
            "shares": (self.sharing.due_shares, self.sharing.carry_on_share),
            "settlements": (self.settlement.due_orders, self.settlement.settle_order),
        }

    def timers(self, minutes: float = 2.0, rounds: int = 1) -> None:
        """Advance the clock and run the timers of `pay`."""
        for _ in range(rounds):
            self.clock.advance(minutes=minutes)
            for due, carry_on in self.work().values():
                for document_id in list(due()):
                    carry_on(document_id)
            self.let_happen()

    def allocate(self, store_id: str, **rules: Any) -> None:
        """Let receivers share in a store's orders; give {account: ratio_bp} or whole rules."""
        ShareRuleBook(self.database).put_rules(
            ShareRules.model_validate({"_id": store_id, **rules})
        )

    def forget(self) -> None:
        """Empty the cache, so that changed stores and rules are seen at once."""
        self.database.cache.clear()

    def everything_agrees(self) -> None:
        """Check that our books agree with each other and with WeChat Pay's, to the fen."""
        page = Reconciliation(self.database, self.clock).reconcile_page(None, 1_000)
        assert page["differences"] == []
        totals, books = page["totals"], self.wechat.books()
        assert {
            "kept": totals.revenue_fen,
            "fees": totals.fees_fen,
            "shared": totals.shared_fen,
        } == {
            "kept": books["taken_fen"] - books["refunded_fen"],
            "fees": books["fees_fen"],
            "shared": books["shared_fen"],
        }
