"""Which coupon a cause deserves, until when it holds, and whether a cart may use it."""

from __future__ import annotations

import hashlib
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from huitou.coupons.models import Coupon, CouponTemplate

RETURN_GRACE = timedelta(hours=24)
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


def why_not(
    coupon: Coupon, *, store_id: str, list_fen: int, running_fen: int, at: datetime
) -> str | None:
    """Return why a cart can't use the coupon, in the member's words, or None if it can."""
    if coupon.status != "issued":
        return {"locked": "已用于另一订单", "redeemed": "已使用"}.get(coupon.status, "已过期")
    if at > coupon.valid_until:
        return "已过期"
    if coupon.terms.store_ids and store_id not in coupon.terms.store_ids:
        return "本店不可用"
    base_fen = list_fen if coupon.terms.threshold_base == "list" else running_fen
    short_fen = coupon.terms.threshold_fen - base_fen
    return f"还差 ¥{short_fen / 100:.2f}" if short_fen > 0 else None


def returned_until(coupon: Coupon, at: datetime) -> datetime:
    """Return the end of a coupon given back by a whole refund: at least 24 h from now."""
    return max(coupon.valid_until, at + RETURN_GRACE)
