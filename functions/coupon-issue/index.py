"""coupon-issue: issues the coupons of tiers, months and birthdays; marks and takes back others.

Started by trigger-relay for accounts whose benefits are due, and by its own timer. Not callable
by members (the welcome coupon is taken through member-profile).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from huitou.loyalty.tier_benefits.service import TierCoupons
from huitou.ordering.orders.service import Orders
from huitou.ordering.till.models import RedeemTokenRequest, TillCouponAnswer, VerifyTokenRequest
from huitou.ordering.till.service import Till
from huitou.promotions.quotas.service import Limiter, UnitsInFlight
from huitou.runtime.handler import Action, Call, serve


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "coupon-issue", event, context, internal=INTERNAL, changes=_grant_changed, timer=_grant_due
    )


def _grant_changed(call: Call) -> dict[str, Any]:
    return call.each(call.due_ids("accounts"), TierCoupons(call.database, call.clock).grant)


def _grant_due(call: Call) -> dict[str, Any]:
    granting, coupons = TierCoupons(call.database, call.clock), Coupons(call.database, call.clock)
    orders = Orders(call.database, call.clock, call.settings.brand_id)
    limiter = Limiter(call.database, call.clock)
    units = UnitsInFlight(limiter, coupons.finish, orders.quota_units)
    return call.sweep(
        {
            "granted": (granting.due(), granting.grant),
            "monthly": (granting.monthly_due(), granting.grant_month),
            "birthdays": (granting.birthdays_due(), granting.grant_birthday),
            "pieces": (units.due(), units.settle),
            "expired": (["one batch"], lambda _: f"{coupons.expire()} coupons"),
        }
    )


def _codes(call: Call) -> Codes:
    return Codes(call.database, call.clock, call.settings.codes_key)


def _till(call: Call) -> Till:
    return Till(call.database, call.clock, call.settings.token_key)


INTERNAL = {
    "issue": Action(
        IssueCouponRequest,
        lambda call, r: Coupons(call.database, call.clock).issue_by_staff(r),
        ShownCoupon,
    ),
    "verify_token": Action(
        VerifyTokenRequest,
        lambda call, r: _till(call).verify(r.coupon_token, r.store_id, call.lang),
        TillCouponAnswer,
    ),
    "redeem_token": Action(
        RedeemTokenRequest, lambda call, r: _till(call).redeem(r, call.lang), TillCouponAnswer
    ),
    "make_codes": Action(MakeCodesRequest, lambda call, r: _codes(call).make(r), ShownBatch),
    "codes": Action(CodesRequest, lambda call, r: _codes(call).page(r), CodesAnswer),
    "batches": Action(BatchesRequest, lambda call, r: _codes(call).batches(r.limit), BatchesAnswer),
    "revoke_batch": Action(
        RevokeBatchRequest, lambda call, r: _codes(call).revoke(r.batch, r.actor), ShownBatch
    ),
    "revoke": Action(
        RevokeCouponRequest,
        lambda call, r: Coupons(call.database, call.clock).revoke(r.coupon_id, r.actor, r.reason),
        ShownCoupon,
    ),
}
