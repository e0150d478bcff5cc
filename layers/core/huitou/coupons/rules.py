"""Which coupon a cause deserves, until when it holds, and what it is to a price."""

from __future__ import annotations

import hashlib
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.coupons.models import Coupon, CouponTemplate
from huitou.discounts.models import Reason, ReasonCode, Rule
from huitou.stores.rules import in_brand_zone

RETURN_GRACE = timedelta(hours=24)
MOST_HELD = 200  # Usable coupons one member is shown at a time.
_LAST_MOMENT = timedelta(milliseconds=1)


def coupon_id(cause: str) -> str:
    """Make the id from the business fact; opaque, since a cause may name a member."""
    return "c" + hashlib.blake2b(cause.encode(), digest_size=12).hexdigest()


def coupon_for(
    template: CouponTemplate,
    *,
    member_id: str,
    cause: str,
    at: datetime,
    zone: str,
    seq: int | None = None,
    scene: str | None = None,
) -> Coupon:
    """Build the coupon a cause deserves, its terms frozen."""
    return Coupon(
        id=coupon_id(cause),
        member_id=member_id,
        template_id=template.id,
        template_revision=template.revision,
        name=template.name,
        terms=template.terms,
        group=template.group,
        borne_by=template.borne_by,
        returns=template.returns,
        cause=cause,
        seq=seq,
        scene=scene,
        issued_at=at,
        valid_until=_valid_until(template, at, zone),
    )


def _valid_until(template: CouponTemplate, at: datetime, zone: str) -> datetime:
    ends = []
    if template.valid_days is not None:
        ends.append(end_of_day(at, template.valid_days, zone))
    if template.valid_until is not None:
        following = template.valid_until + timedelta(days=1)
        ends.append(datetime.combine(following, time(), ZoneInfo(zone)) - _LAST_MOMENT)
    return min(ends)


def end_of_day(at: datetime, days: int, zone: str) -> datetime:
    """Return the last moment of the `days`-th local day, the day of issue being the first."""
    local = at.astimezone(ZoneInfo(zone))
    following = local.date() + timedelta(days=days)
    midnight = datetime.combine(following, time(), ZoneInfo(zone))
    return midnight - _LAST_MOMENT


def rule_for(coupon: Coupon, at: datetime, zone: str, *, must: bool = False) -> Rule:
    """Return a coupon as pricing weighs it at a store in this zone; `out` if it holds no more."""
    return Rule(
        "coupon", coupon.id, coupon.template_revision, coupon.name, coupon.terms, coupon.group,
        borne_by=coupon.borne_by, soonest=coupon.valid_until.isoformat(), must=must,
        out=Reason(held) if (held := _not_held(coupon, at, zone)) else None,
    )  # fmt: skip


def _not_held(coupon: Coupon, at: datetime, zone: str) -> ReasonCode | None:
    if coupon.status != "issued":
        return "ended" if coupon.status == "expired" else "not_held"
    return "ended" if in_brand_zone(at, zone) > coupon.valid_until else None


def returned_until(coupon: Coupon, at: datetime) -> datetime:
    """Return the end of a coupon given back by a whole refund: at least 24 h from now."""
    return max(coupon.valid_until, at + RETURN_GRACE)
