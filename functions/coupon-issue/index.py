"""coupon-issue: issues the coupons of tiers, months and birthdays; marks and takes back others.

Started for accounts whose benefits are due, by the function that made it due, and by its own timer.
Not callable by members (the welcome coupon is taken through member-profile).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.codes.models import (
        BatchesAnswer,
        BatchesRequest,
        CodesAnswer,
        CodesRequest,
        MakeCodesRequest,
        RevokeBatchRequest,
        ShownBatch,
    )
    from huitou.coupons.codes.service import Codes
    from huitou.coupons.issuing.models import IssueCouponRequest, RevokeCouponRequest, ShownCoupon
    from huitou.coupons.issuing.service import Coupons
    from huitou.loyalty.adjustments.service import Adjustments
    from huitou.loyalty.tier_benefits.service import TierCoupons
    from huitou.ordering.orders.units_service import OrderUnits
    from huitou.ordering.till.models import RedeemTokenRequest, TillCouponAnswer, VerifyTokenRequest
    from huitou.ordering.till.service import Till
    from huitou.promotions.quotas.service import Limiter, UnitsInFlight


class CouponCall(Call):
    """One call of coupon-issue with its services, each built at its first use."""

    @cached_property
    def coupons(self) -> Coupons:
        return Coupons(self.database, self.clock)

    @cached_property
    def benefits(self) -> TierCoupons:
        return TierCoupons(self.database, self.clock)

    @cached_property
    def quota_units(self) -> UnitsInFlight:
        limiter = Limiter(self.database, self.clock)
        orders = OrderUnits(self.database, self.clock)
        return UnitsInFlight(limiter, self.coupons.finish_issuing, orders.quota_units)

    @cached_property
    def codes(self) -> Codes:
        return Codes(self.database, self.clock, self.settings.codes_key)

    @cached_property
    def till(self) -> Till:
        return Till(self.database, self.clock, self.settings.token_key)


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "coupon-issue",
        event,
        context,
        call_type=CouponCall,
        internal=INTERNAL,
        changes=_grant_changed,
        timer=_grant_due,
    )


def _grant_changed(call: CouponCall) -> dict[str, Any]:
    return call.each(call.due_ids("accounts"), call.benefits.grant_entry_coupons)


def _grant_due(call: CouponCall) -> dict[str, Any]:
    benefits, coupons, units = call.benefits, call.coupons, call.quota_units

    def expire(_: str) -> str:
        return f"{coupons.expire_coupons()} coupons"

    return call.sweep(
        {
            "granted": (benefits.due_entry_coupons(), benefits.grant_entry_coupons),
            "monthly": (benefits.due_monthly_coupons(), benefits.grant_monthly_coupons),
            "birthdays": (benefits.due_birthday_coupons(), benefits.grant_birthday_coupons),
            "pieces": (units.due_units(), units.settle_unit),
            "expired": (["one batch"], expire),
        }
    )


def _issue(call: CouponCall, request: IssueCouponRequest) -> object:
    return Adjustments(call.database, call.clock).give_coupon(request)


def _revoke(call: CouponCall, request: RevokeCouponRequest) -> object:
    return call.coupons.revoke_coupon(request.coupon_id, request.actor, request.reason)


def _verify_token(call: CouponCall, request: VerifyTokenRequest) -> object:
    return call.till.verify_token(request.coupon_token, request.store_id, call.lang)


def _redeem_token(call: CouponCall, request: RedeemTokenRequest) -> object:
    return call.till.redeem_token(request, call.lang)


def _make_codes(call: CouponCall, request: MakeCodesRequest) -> object:
    if request.role is not None and not call.codes.is_made(request.batch):
        Adjustments(call.database, call.clock).allow_codes(request)
    return call.codes.make_batch(request)


def _codes(call: CouponCall, request: CodesRequest) -> object:
    return call.codes.list_codes(request)


def _batches(call: CouponCall, request: BatchesRequest) -> object:
    return call.codes.list_batches(request.limit)


def _revoke_batch(call: CouponCall, request: RevokeBatchRequest) -> object:
    return call.codes.revoke_batch(request.batch, request.actor)


INTERNAL = {
    "issue": Action(IssueCouponRequest, _issue, ShownCoupon),
    "revoke": Action(RevokeCouponRequest, _revoke, ShownCoupon),
    "verify_token": Action(VerifyTokenRequest, _verify_token, TillCouponAnswer),
    "redeem_token": Action(RedeemTokenRequest, _redeem_token, TillCouponAnswer),
    "make_codes": Action(MakeCodesRequest, _make_codes, ShownBatch),
    "codes": Action(CodesRequest, _codes, CodesAnswer),
    "batches": Action(BatchesRequest, _batches, BatchesAnswer),
    "revoke_batch": Action(RevokeBatchRequest, _revoke_batch, ShownBatch),
}
