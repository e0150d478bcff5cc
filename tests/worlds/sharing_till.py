"""A till with profit sharing: guests pay and are refunded, and the timer shares the money."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chain_data import FakeClock
from huitou.payments.charges.models import Payment
from huitou.payments.profit_sharing.models import Receiver, Share, ShareRules, ShareTerm
from huitou.payments.profit_sharing.rules_service import ShareRuleBook
from huitou.payments.profit_sharing.service import Sharing
from huitou.payments.wechat_pay.client import WeChatPay
from huitou.runtime.database import Database
from localcloud.keys import LocalSecrets
from localcloud.target import merchant_settings
from localcloud.wechat_pay import WeChatPayStandIn
from paying import Door

PLATFORM, FRANCHISEE, BRAND, STORE = "1900000101", "1900000102", "1900000108", "1900000110"


class AtWeChat:
    """A merchant's WeChat Pay; its later actions wait until `happen` is called."""

    def __init__(self, keys: LocalSecrets, clock: FakeClock, folder: Path) -> None:
        self.keys, self.settings = keys, merchant_settings(keys)
        self._later: list[Callable[[], None]] = []
        self.standin = WeChatPayStandIn(
            keys,
            clock,
            folder / "wechat-pay.sqlite",
            deliver=lambda *_: None,
            later=lambda _, work: self._later.append(work),
        )
        self.door = Door(self.standin)

    def gateway(self, platform_keys: Callable[[], Mapping[str, str]] | None = None) -> WeChatPay:
        """Return a client of this WeChat Pay."""
        gateway = WeChatPay(self.settings, platform_keys)
        gateway.session.mount("https://", self.door)
        return gateway

    def happen(self) -> None:
        """Let WeChat Pay finish its waiting actions."""
        while self._later:
            self._later.pop(0)()


def adds_up(share: Share) -> bool:
    """Tell whether every fen that was paid and not refunded belongs to somebody."""
    shared_fen = sum(part.amount_fen - part.returned_fen for part in share.parts)
    whole = share.paid_fen - share.refunded_fen
    return whole == share.fee_fen + shared_fen + share.kept_fen


class Till:
    """The profit sharing of a chain, whose guests pay and are refunded."""

    def __init__(self, database: Database, clock: FakeClock, at_wechat: AtWeChat) -> None:
        self.database, self.clock, self.wechat = database, clock, at_wechat
        self.gateway = at_wechat.gateway()
        self.sharing = Sharing(database, clock, self.gateway)
        self.numbers = 0

    def rules(self, *, brand_mchid: str | None = None, **change: Any) -> None:
        """Set the rules: 10 % to the franchisee, 5 % to the platform."""
        revision = change.pop("revision", 1)
        ShareRuleBook(self.database).put_rules(
            ShareRules.model_validate(
                {
                    "id": "default",
                    "revision": revision,
                    "brand_mchid": brand_mchid,
                    "terms": [
                        ShareTerm(account=FRANCHISEE, role="franchisee", ratio_bp=1_000),
                        ShareTerm(account=PLATFORM, role="platform", ratio_bp=500),
                    ],
                    "receivers": [
                        Receiver(account=FRANCHISEE, name="加盟商", relation_type="DISTRIBUTOR"),
                        Receiver(account=PLATFORM, name="平台", relation_type="SERVICE_PROVIDER"),
                    ],
                    **change,
                }
            )
        )
        self.database.cache.clear()  # Empties the cache, as a second does.
        self.sharing = Sharing(self.database, self.clock, self.gateway)

    def paid(self, amount_fen: int = 10_000, *, sub_mchid: str | None = None) -> str:
        """Let a guest pay an order; returns its id."""
        self.numbers += 1
        order_id, now = f"order{self.numbers}", self.clock.now()
        terms = self.sharing.terms_for("jingan")
        payment = Payment(
            id=f"{order_id}n1",
            order_id=order_id,
            member_id="m",
            attempt=1,
            amount_fen=amount_fen,
            store_id="jingan",
            sharing=terms,
            created_at=now,
            merchant=self.gateway.merchant_for(sub_mchid),
            expires_at=now + timedelta(minutes=15),
        )
        assert payment.merchant is not None
        prepay_id = self.gateway.prepay(
            merchant=payment.merchant,
            out_trade_no=payment.id,
            description="奶茶",
            amount_fen=amount_fen,
            openid="alice",
            expires_at=payment.expires_at,
            profit_sharing=bool(terms.terms),
        )
        self.wechat.standin.pay("alice", self.gateway.client_parameters(prepay_id))
        found = self.gateway.query(payment.merchant, payment.id)
        assert found is not None
        paid_at = datetime.fromisoformat(found["success_time"])
        self.database.transact(
            lambda session: self.sharing.open_share(
                payment, found["transaction_id"], paid_at, session
            )
        )
        return order_id

    def share(self, order_id: str) -> Share:
        found = self.database.collection("shares").find_one({"_id": order_id})
        assert found
        share = Share.model_validate(found)
        assert adds_up(share), share
        return share

    def run(self, *, after_s: float = 61) -> list[str]:
        """Run the timer after some seconds; WeChat Pay then does what it was asked for."""
        self.clock.advance(seconds=after_s)
        done = [self.sharing.carry_on_share(order_id) for order_id in self.sharing.due_shares()]
        self.wechat.happen()
        return done

    def shared(self, amount_fen: int = 10_000, *, sub_mchid: str | None = None) -> str:
        """Let a guest pay an order and share it out; returns its id."""
        order_id = self.paid(amount_fen, sub_mchid=sub_mchid)
        assert self.run() == ["asked"]
        assert self.run() == ["finished"]
        return order_id

    def hold(self, order_id: str, refund_id: str, amount_fen: int) -> None:
        self.database.transact(
            lambda session: self.sharing.hold_refund(order_id, refund_id, amount_fen, session)
        )

    def let_go(self, order_id: str, refund_id: str) -> None:
        self.database.transact(
            lambda session: self.sharing.release_refund(order_id, refund_id, session)
        )

    def refunded(self, order_id: str, refund_id: str, amount_fen: int) -> None:
        """Let WeChat Pay refund the guest, and count the refund in our books."""
        share = self.share(order_id)
        self.gateway.refund(
            merchant=self.gateway.merchant_for(share.sub_mchid),
            out_refund_no=refund_id,
            out_trade_no=share.out_trade_no,
            amount_fen=amount_fen,
            total_fen=share.paid_fen,
            reason="退款",
        )
        self.wechat.happen()
        self.count(order_id, refund_id, amount_fen)

    def count(self, order_id: str, refund_id: str, amount_fen: int) -> None:
        self.database.transact(
            lambda session: self.sharing.count_refund(order_id, refund_id, amount_fen, session)
        )

    def agrees(self, order_id: str) -> dict[str, Any]:
        """Check that WeChat Pay's book of the payment equals our share; returns the book."""
        share = self.share(order_id)
        book = self.wechat.standin.book_of(share.out_trade_no)
        ours = {part.account: part.amount_fen - part.returned_fen for part in share.parts}
        if share.status in ("planned", "asked"):  # Not given to anybody yet.
            ours = dict.fromkeys(ours, 0)
        theirs = dict.fromkeys(ours, 0) | book["receivers"]
        assert theirs == ours
        assert (book["refunded_fen"], book["fees_fen"]) == (share.refunded_fen, share.fee_fen)
        return book


def amounts(share: Share) -> list[int]:
    return [part.amount_fen for part in share.parts]
