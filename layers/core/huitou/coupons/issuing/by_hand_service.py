"""Coupons that staff give by hand, each within the transaction that counts its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.errors import COUPON, CouponErrors
from huitou.coupons.issuing.repository import CouponRepository
from huitou.coupons.issuing.rules import coupon_for, coupon_id, is_over, next_places, subject_of
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.issuing.storing_service import CouponStore
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    from huitou.coupons.issuing.models import Coupon, CouponTemplate, IssueCouponRequest

Result = TypeVar("Result")


class CouponsByHand:
    """What the four-eyes flow needs to issue a coupon; only that flow decides who may give it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._store = CouponStore(database)
        self._coupons = Coupons(database, clock)
        self._limiter = Limiter(database, clock)
        self._stores = Stores(database, clock)
        self._clock = clock

    def get_template(self, template_id: str) -> CouponTemplate:
        """Return a template; raises Refusal NOT_FOUND naming `template_id`."""
        template = self._repository.template(template_id)
        if template is None:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        return template

    def find_coupon(self, request: IssueCouponRequest) -> Coupon | None:
        """Return the coupon that was issued for this request, under whichever id of the person."""
        cause = request.whole_cause
        return self._repository.find(
            coupon_id(self._store.cause_before(request.member_id, cause) or cause)
        )

    def with_quota_unit(
        self, template: CouponTemplate, cause: str, work: Callable[[str | None], Result]
    ) -> Result:
        """Run a transaction that may issue a coupon, with a unit of the template's quota, if any.

        The sweep never issues a coupon for such a unit: only the transaction may. Raises Refusal
        COUPON_NOT_ISSUED naming `template_id` if the quota is used up, or if the template's last
        day is over: nobody could use the coupon.
        """
        if is_over(template, self._stores.today()):
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="template_id")
        if template.limits.quota is None:
            return work(None)
        more = {"cause": cause, "template_id": template.id, "by_hand": True}
        piece = self._limiter.take_units(subject_of(template.id), coupon_id(cause), 1, 0, more)
        if piece is None:
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="template_id")
        try:
            done = work(piece.piece)
        except Refusal:
            self._coupons.settle_quota_unit(piece)
            raise
        self._coupons.settle_quota_unit(piece)
        return done

    def issue_within(
        self,
        template: CouponTemplate,
        request: IssueCouponRequest,
        piece: str | None,
        session: ClientSession,
    ) -> None:
        """Issue the coupon within the caller's transaction, keeping to the template's limits.

        Raises Refusal COUPON_NOT_ISSUED naming `template_id`. If another coupon of this member
        takes the same place at once, the transaction fails at a unique index and runs again.
        """
        now = self._clock.now()
        day = brand_day(now)
        had = self._repository.had(request.member_id, template.id, day, session)
        places = next_places(template, had, day)
        if places is None:
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="template_id")
        coupon = coupon_for(
            template,
            member_id=request.member_id,
            cause=request.whole_cause,
            at=now,
            first_day=self._stores.newest_day(),
            places=places,
            piece=piece,
            actor=request.actor,
            reason=request.reason,
        )
        self._store.store_within(coupon, session)
