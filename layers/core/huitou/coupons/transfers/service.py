"""A coupon given to a friend: a signed gift, and one guarded change of holder."""

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
    """Nothing is stored of a gift: it names coupon and giver, and ends when the holder changes."""

    def __init__(self, database: Database, clock: Clock, key: bytes) -> None:
        self._coupons = Coupons(database, clock)
        self._key = key

    def give(self, member_id: str, coupon_id: str) -> GiveAnswer:
        """Return a gift of one of the member's own usable coupons.

        Raises Refusal NOT_FOUND for another's, COUPON_NOT_USABLE for one that can't be given.
        """
        coupon = next(iter(self._coupons.known([coupon_id])), None)
        if coupon is None or coupon.member_id != member_id:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        if coupon.status != "issued" or not coupon.transferable:
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_GIVABLE)
        until = int(time.time()) + LIVES_S
        gift = sign(self._key, _MARK, (coupon_id, member_id), until)
        return GiveAnswer(gift=gift, until=datetime.fromtimestamp(until, UTC))

    def take(self, member_id: str, gift: str) -> ShownCoupon:
        """Make the member the holder; Refusal GIFT_GONE for all that can't be taken.

        Holder and state are in the filter: of two who take it, and of a taker and the giver who
        uses it, one finds it gone.
        """
        said = read(self._key, _MARK, gift)
        if said is None or time.time() > said.until:
            raise Refusal(TransferErrors.GIFT_GONE, field="gift")
        coupon_id, giver_id = said.words
        if not self._coupons.change_holder(coupon_id, giver_id, member_id):
            coupon = next(iter(self._coupons.known([coupon_id])), None)
            if coupon is None or coupon.member_id != member_id or coupon.given_by != giver_id:
                raise Refusal(TransferErrors.GIFT_GONE, field="gift")
        return self._coupons.shown(coupon_id)
