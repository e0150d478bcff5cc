"""A strict stand-in for WeChat Pay API v3: it refuses what the real one refuses.

It checks the merchant's signatures, signs and encrypts its own notices, repeats them until they
are answered with 200, and keeps books of its own that tests compare with ours.
Paying is what the guest's phone does: `pay` takes what the mini-program got from `prepay`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from huitou.runtime.parsing import parse_json
from localcloud.keys import LocalSecrets, PlatformCertificate
from localcloud.wechat_pay.bills import DOWNLOAD_PATH, Bills
from localcloud.wechat_pay.books import Doc, WeChatBooks, shared_to
from localcloud.wechat_pay.errors import Refused, wrong_field
from localcloud.wechat_pay.mode import FAILURES, Mode
from localcloud.wechat_pay.notices import Deliver, Notices
from localcloud.wechat_pay.orders import Orders
from localcloud.wechat_pay.planting import Planting
from localcloud.wechat_pay.receivers import Receivers
from localcloud.wechat_pay.refunds import Refunds
from localcloud.wechat_pay.seals import Seals, request_id
from localcloud.wechat_pay.share_returns import ShareReturns
from localcloud.wechat_pay.sharing import Sharing
from localcloud.wechat_pay.vendor import Answer, Call, Clock, Later, Route, Vendor, digits

BASE_URL = "https://api.mch.weixin.qq.com"
RESUMES_AFTER_S = 0.5


class WeChatPayStandIn:
    """One merchant's WeChat Pay, or one service provider's.

    It is a plain object: `serve` takes a call and returns its answer. `later` takes over what
    happens after a while (seconds, what to do) and `deliver` the sending of notices (address,
    headers, body); with both there are no threads and no network.
    """

    def __init__(
        self,
        keys: LocalSecrets,
        clock: Clock,
        books: Path,
        *,
        base_url: str = BASE_URL,
        deliver: Deliver | None = None,
        later: Later | None = None,
    ) -> None:
        self.ledger = WeChatBooks(books)
        self._vendor = Vendor(keys, clock, self.ledger, later or _in_a_thread)
        self._lock = self._vendor.lock
        self._seals = Seals(keys)
        self._notices = Notices(self._vendor, self._seals, deliver)
        self._orders = Orders(self._vendor, self._seals, self._notices)
        self._refunds = Refunds(self._vendor, self._notices)
        receivers = Receivers(self._vendor, self._seals)
        self._sharing = Sharing(self._vendor, receivers)
        self._bills = Bills(self._vendor, base_url)
        self._planting = Planting(self._vendor)
        self._routes = [
            *self._orders.routes(),
            *self._refunds.routes(),
            *receivers.routes(),
            *self._sharing.routes(),
            *ShareReturns(self._vendor).routes(),
            *self._bills.routes(),
            Route("GET", "/v3/certificates", self._certificates),
        ]

    @property
    def mode(self) -> Mode:
        return self._vendor.mode

    def reset(self) -> None:
        """Be the real thing on a good day again; notices that are still held are dropped."""
        self.mode.reset()
        self._notices.drop_held()

    # --- the merchant's API -------------------------------------------------------------------

    def serve(
        self,
        method: str,
        path: str,
        query: str,
        authorization: str,
        body: bytes,
        serial: str = "",
    ) -> tuple[int, bytes, dict[str, str]]:
        """Answer one API call; returns status, body and (signed) headers.

        `serial` is the request's Wechatpay-Serial: the key under which its names are encrypted.
        """
        if self.mode.down:
            return 503, b"", {}
        asked = dict(parse_qsl(query, keep_blank_values=True))
        headers: dict[str, str] | None = None
        try:
            self._seals.check_request(method, path, query, authorization, body)
            self._fail_if_told()
            if (method, path) == ("GET", DOWNLOAD_PATH):
                status, payload = 200, self._bills.download(asked)
                # The real one doesn't sign a file either.
                headers = {"Content-Type": "application/octet-stream", **request_id()}
            else:
                answer = self._route(method, path, asked, _parsed(body), serial)
                status = 204 if answer is None else 200
                payload = b"" if answer is None else _written(answer)
        except Refused as refused:
            status, payload = refused.status, _written(refused.answer())
        if self.mode.answer_lost:
            return 502, b"", {}
        return status, payload, headers or self.signed_headers(payload)

    def _fail_if_told(self) -> None:
        with self._lock:
            if self.mode.fail_next:
                code = self.mode.fail_next.pop(0)
                raise Refused(FAILURES[code], code)

    def _route(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any], serial: str
    ) -> Answer:
        with self._lock:
            for route in self._routes:
                found = re.fullmatch(route.path, path) if route.method == method else None
                if found:
                    numbers = tuple(unquote(number) for number in found.groups())
                    return route.answer(Call(numbers, query, body, serial))
        raise Refused(404, "RESOURCE_NOT_EXISTS", path)

    def _certificates(self, call: Call) -> Answer:
        call.check_query(())
        return self._seals.certificates()

    def rotate_certificate(self) -> PlatformCertificate:
        """Begin to use a new platform certificate, served beside those before it."""
        with self._lock:
            return self._seals.rotate_certificate()

    # --- the guest's phone --------------------------------------------------------------------

    def pay(self, openid: str, parameters: dict[str, str]) -> Doc:
        """Do what `wx.requestPayment` and a password do; Refused where the phone would balk."""
        with self._lock:
            paid = self._orders.pay(openid, parameters)
        self._orders.notify_paid(paid)
        return self.shown(paid)

    def force_paid(self, out_trade_no: str) -> Doc:
        """Make money arrive for any attempt, closed or not: what must never happen, for tests."""
        with self._lock:
            return self.shown(self._orders.mark_paid(self.payment(out_trade_no)))

    def notify_paid(self, out_trade_no: str) -> None:
        """Send the notice of a payment, as many copies as the mode says."""
        self._orders.notify_paid(self.payment(out_trade_no))

    def mend_refund(self, out_refund_no: str) -> None:
        """Have an operator settle an ABNORMAL refund at the merchant's console; nobody is told."""
        with self._lock:
            self._refunds.mend(out_refund_no)

    # --- notices ------------------------------------------------------------------------------

    def notice(self, event_type: str, kind: str, resource: dict[str, Any]) -> bytes:
        """Build a notice's body: the resource sealed with the APIv3 key."""
        return self._notices.sealed(event_type, kind, resource)

    def signed_headers(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """Sign a body as the platform; `at` (epoch seconds) makes it stale for tests."""
        return self._notices.signed_headers(body, at)

    def release(self) -> dict[str, int]:
        """Send the notices that `reorder` held, the last one first."""
        return {"released": self._notices.release()}

    def forge(self, kind: str, out_trade_no: str = "") -> tuple[dict[str, str], bytes]:
        """Return headers and body of a payment's notice that is wrong in one way (`FORGERIES`).

        It is of the payment named, else of the last one; of one that isn't paid it says so.
        """
        with self._lock:
            last = self.ledger.last_payment()
        if not out_trade_no and last is None:
            raise ValueError("no payment to forge a notice of")
        payment = self.payment(out_trade_no) if out_trade_no else dict(last or {})
        if not payment["transaction_id"]:
            paid = {"transaction_id": "42" + digits(26), "success_time": self._vendor.stamp()}
            payment |= paid
        return self._notices.forge(kind, self.shown(payment | {"trade_state": "SUCCESS"}))

    def resume(self) -> None:
        """Finish what was under way when the local cloud last stopped."""
        with self._lock:
            refunds, shares = self.ledger.unfinished_refunds(), self.ledger.unfinished_shares()
        for refund in refunds:
            finish = partial(self._refunds.finish, refund["out_refund_no"])
            self._vendor.later(RESUMES_AFTER_S, finish)
        for share in shares:
            finish = partial(self._sharing.finish, share["out_order_no"])
            self._vendor.later(RESUMES_AFTER_S, finish)

    # --- books --------------------------------------------------------------------------------

    def books(self) -> dict[str, int]:
        """Return what WeChat Pay believes it took, gave back, charged and shared, in fen.

        `fees_fen` is net of what refunds gave back, `shared_fen` of what was returned.
        """
        with self._lock:
            return self.ledger.totals()

    def book_of(self, out_trade_no: str) -> dict[str, Any]:
        """Return the same of one payment, what each receiver has of it, and if it is frozen."""
        with self._lock:
            payment = self.payment(out_trade_no)
            refunds = self.ledger.refunds_for(out_trade_no)
            shares = self.ledger.shares_of(out_trade_no)
            returns = self.ledger.returns_of(out_trade_no)
            frozen = self._sharing.is_frozen(payment)
        done = [refund for refund in refunds if refund["status"] == "SUCCESS"]
        back = [each for each in returns if each["result"] == "SUCCESS"]
        receivers: dict[str, int] = {}
        for receiver in (r for share in shares for r in shared_to(share)):
            if receiver["result"] == "SUCCESS":
                account = receiver["account"]
                receivers[account] = receivers.get(account, 0) + receiver["amount"]
        for each in back:
            receivers[each["return_mchid"]] -= each["amount"]
        return {
            "taken_fen": payment["total"] if payment["transaction_id"] else 0,
            "refunded_fen": sum(refund["amount"] for refund in done),
            "fees_fen": payment["fee"] - sum(refund["fee_back"] for refund in done),
            "shared_fen": sum(receivers.values()),
            "returned_fen": sum(each["amount"] for each in back),
            "receivers": receivers,
            "frozen": frozen,
        }

    def plant(self, kind: str, day: str, number: str = "", by_fen: int = 100) -> dict[str, Any]:
        """Put a difference into the books of a day, as an error at the vendor would."""
        with self._lock:
            return self._planting.plant(kind, day, number, by_fen)

    def find(self, *, transaction_id: str = "", out_trade_no: str = "") -> Doc | None:
        """Return a payment's document by either number, as the mini-program's platform would."""
        with self._lock:
            if transaction_id:
                return self.ledger.transaction(transaction_id)
            return self.ledger.payment(out_trade_no)

    def forget_everything(self) -> None:
        """Empty the books, when the local cloud's sample data is made anew."""
        with self._lock:
            self.ledger.forget_everything()

    def shown(self, payment: Doc) -> Doc:
        """Return a payment as queries and notices show it."""
        return self._orders.shown(payment)

    def payment(self, out_trade_no: str) -> Doc:
        """Return a payment's document; Refused if nobody ever ordered it."""
        found = self.find(out_trade_no=out_trade_no)
        if found is None:
            raise Refused(404, "ORDER_NOT_EXIST")
        return found


def _in_a_thread(delay_s: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, work)
    timer.daemon = True
    timer.start()


def _written(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = parse_json(body) if body else {}
    except ValueError:
        raise wrong_field("body", "not JSON") from None
    if not isinstance(parsed, dict):
        raise wrong_field("body", "not an object")
    return parsed
