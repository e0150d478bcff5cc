"""Give a coupon to a friend: the giver gets a signed token, and one write changes the holder."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from huitou.coupons.issuing.errors import COUPON, NOT_GIVABLE, CouponErrors
from huitou.coupons.issuing.models import ShownCoupon
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.errors import TransferErrors
from huitou.coupons.transfers.models import GiveAnswer
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.tokens import read, sign

LIVES_S = 48 * 3_600
_MARK = "HG1"


class Gifts:
    """Gifts of coupons. A gift is a signed token: the coupon, its giver, how often it was given.

    The coupon counts how often it was given away. So each giving is a fact of its own: once a gift
    is taken it is used for ever, also if the coupon comes back to its giver.
    """

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._coupons = Coupons(database, clock)
        self._key = key

    def give_coupon(self, member_id: str, coupon_id: str) -> GiveAnswer:
        """Return a gift for one of the member's own usable coupons.

        Raises Refusal NOT_FOUND if the coupon isn't theirs, COUPON_NOT_USABLE if it can't be given
        away; both name `coupon_id`.
        """
        coupon = next(iter(self._coupons.find_coupons([coupon_id])), None)
        if coupon is None or coupon.member_id != member_id:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        if coupon.status != "issued" or not coupon.transferable:
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_GIVABLE)
        until = int(time.time()) + LIVES_S
        gift = sign(self._key, _MARK, (coupon_id, member_id, str(coupon.hand)), until)
        return GiveAnswer(gift=gift, until=datetime.fromtimestamp(until, UTC))

    def take_gift(self, member_id: str, gift: str) -> ShownCoupon:
        """Make the member the holder of the coupon; a repeated call returns the same coupon.

        Raises Refusal GIFT_GONE naming `gift` if it can't be taken, for whatever reason. Holder and
        status are in the write's filter: if two members take it at once, or the giver uses it at
        the same moment, one of them finds it gone.
        """
        content = read(self._key, _MARK, gift)
        if content is None or time.time() > content.until:
            raise Refusal(TransferErrors.GIFT_GONE, field="gift")
        coupon_id, giver_id, *more = content.words
        hand = int(more[0]) if more else 0  # The version before didn't say it: never given before.
        if not self._coupons.change_coupon_holder(coupon_id, giver_id, member_id, hand):
            coupon = next(iter(self._coupons.find_coupons([coupon_id])), None)
            taken = coupon and (coupon.member_id, coupon.given_by, coupon.hand)
            if taken != (member_id, giver_id, hand + 1):
                raise Refusal(TransferErrors.GIFT_GONE, field="gift")
        return self._coupons.show_coupon(coupon_id)
