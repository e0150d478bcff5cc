"""At the till: a member shows a coupon; staff verify it and redeem it once."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from huitou.catalog.stores.rules import store_day, store_day_clock
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.errors import COUPON, NOT_HELD, CouponErrors
from huitou.coupons.issuing.models import Coupon, TillUse
from huitou.coupons.issuing.rules import rule_for
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tiers.service import Tiers
from huitou.ordering.quotes.rules import words
from huitou.ordering.till.errors import TillErrors
from huitou.ordering.till.models import CouponTokenAnswer, RedeemTokenRequest, TillCouponAnswer
from huitou.promotions.discounts.models import Reason
from huitou.promotions.offers.rules import Context, out_of
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal
from huitou.runtime.tokens import read, sign

if TYPE_CHECKING:
    from huitou.catalog.stores.models import Store

LIVES_S = 90  # Long enough to hold a phone to a reader, too short to send to a friend.
_MARK = "HT1"


class Till:
    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._coupons = Coupons(database, clock)
        self._stores = Stores(database, clock)
        self._tiers = Tiers(database, clock)
        self._clock = clock
        self._key = key

    def make_coupon_token(self, member_id: str, coupon_id: str) -> CouponTokenAnswer:
        """Return a token for one of the member's own coupons.

        Raises Refusal NOT_FOUND if it isn't theirs, COUPON_NOT_USABLE if it isn't usable now.
        """
        coupon = next(iter(self._coupons.find_coupons([coupon_id])), None)
        if coupon is None or coupon.member_id != member_id:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        if coupon.status != "issued":
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_HELD)
        # Short, because it is shown as a QR code. Tokens of the version before say no hand: 0.
        said = f"{coupon_id}~{coupon.hand}" if coupon.hand else coupon_id
        token = sign(self._key, _MARK, (said,), time.time() + LIVES_S)
        return CouponTokenAnswer(coupon_token=token, expires_in_s=LIVES_S)

    def verify_token(self, token: str, store_id: str, lang: Lang = "zh") -> TillCouponAnswer:
        """Return a token's coupon and whether this store can take it.

        Raises Refusal TOKEN_NOT_VALID or TOKEN_EXPIRED.
        """
        coupon = self._coupon(token)
        store = self._stores.get_store(store_id)
        if coupon.till is not None:
            return _shown(coupon, words(Reason("not_held"), lang))
        return _shown(coupon, self._why_not(coupon, store, lang))

    def redeem_token(self, request: RedeemTokenRequest, lang: Lang = "zh") -> TillCouponAnswer:
        """Redeem a token's coupon for an order of the till; repeating the same call is safe.

        The write is guarded by the coupon's state. If two tills, or a till and an order in the
        mini-program, use the coupon at the same time, one of them finds it used.
        """
        store = self._stores.get_store(request.store_id)
        coupon = self._coupon(request.coupon_token, even_if_expired=True)
        use = TillUse(
            store_id=store.id,
            till_reference=request.till_reference,
            actor=request.actor,
            at=self._clock.now(),
        )
        if coupon.till is not None:
            return self._answer_again(coupon, use, lang)
        self._coupon(request.coupon_token)
        short_fen = coupon.terms.threshold_fen - (request.amount_fen or 0)
        why_not = self._why_not(coupon, store, lang)
        if why_not is None and request.amount_fen is not None and short_fen > 0:
            why_not = words(Reason("short", short_fen), lang)
        if why_not is not None:
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_token", detail=why_not)
        at = store_day_clock(store, use.at)
        if self._coupons.redeem_coupon_at_till(coupon.id, use, at, coupon.hand):
            return _shown(coupon.model_copy(update={"status": "redeemed", "till": use}), None)
        (coupon,) = self._coupons.find_coupons([coupon.id])
        return self._answer_again(coupon, use, lang)

    def _answer_again(self, coupon: Coupon, use: TillUse, lang: Lang) -> TillCouponAnswer:
        till = coupon.till
        if till and (till.store_id, till.till_reference) == (use.store_id, use.till_reference):
            return _shown(coupon, None)
        detail = words(Reason("not_held"), lang)
        raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_token", detail=detail)

    def _coupon(self, token: str, *, even_if_expired: bool = False) -> Coupon:
        """Return the coupon of a genuine token, of an expired one only with `even_if_expired`.

        The token of a member who has given the coupon away since then isn't valid any more.
        """
        said = read(self._key, _MARK, token)
        coupon_id, _, hand = said.words[0].partition("~") if said else ("", "", "")
        found = self._coupons.find_coupons([coupon_id]) if said else []
        if said is None or not found or found[0].hand != int(hand or 0):
            raise Refusal(TillErrors.TOKEN_NOT_VALID, field="coupon_token")
        if time.time() > said.until and not even_if_expired:
            raise Refusal(TillErrors.TOKEN_EXPIRED, field="coupon_token")
        return found[0]

    def _why_not(self, coupon: Coupon, store: Store, lang: Lang) -> str | None:
        """Return why this store can't take a coupon now, None if it can.

        The till itself checks what was ordered. Nobody knows whether an order at the till is the
        member's first, so a coupon for first orders isn't taken.
        """
        now = self._clock.now()
        code = rule_for(coupon, now, store).out
        level = self._tiers.level_of(coupon.member_id)[0].level if coupon.terms.tiers else ""
        modes = coupon.terms.modes
        context = Context(
            store.id,
            date.fromisoformat(store_day(store, now)),
            now.astimezone(ZoneInfo(store.zone)).strftime("%H:%M"),
            modes[0] if modes else "dine_in",
            "till",
            level,
            first_order=False,
        )
        other = out_of(coupon.terms, context)
        reason = code or (Reason(other) if other else None)
        return words(reason, lang) if reason else None


def _shown(coupon: Coupon, why_not: str | None) -> TillCouponAnswer:
    return TillCouponAnswer(
        coupon_id=coupon.id,
        name=coupon.name,
        status=coupon.status,
        terms=coupon.terms,
        valid_until=coupon.valid_until,
        why_not=why_not,
    )
