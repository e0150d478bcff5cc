"""How a coupon is built, how long it is valid, and how pricing sees it."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE, Store
from huitou.catalog.stores.rules import shifted, store_day_clock
from huitou.promotions.discounts.models import Reason, ReasonCode, Rule
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.issuing.models import Coupon, CouponTemplate, Issued

if TYPE_CHECKING:
    from huitou.promotions.offers.models import Terms

RETURN_GRACE = timedelta(hours=24)
MOST_HELD = 200  # A member is shown at most so many usable coupons at a time.
MOST_TIMES_COUNTED = 10  # No cart reaches a threshold more often.
_LAST_MOMENT = time(23, 59, 59, 999_000)  # MongoDB keeps milliseconds.


def subject_of(template_id: str) -> str:
    """Return the name under which a template's quota and budget are counted."""
    return f"coupon:{template_id}"


def worth_fen(terms: Terms, unknown_fen: int) -> int:
    """Return what a coupon may take off at most; `unknown_fen` for one that doesn't say it.

    An exchange voucher or a discount without `cap_fen` takes off what the dishes cost.
    """
    fen = terms.cap_fen or terms.off_fen or unknown_fen
    return fen * min(terms.most_times, MOST_TIMES_COUNTED)


class CouponCounts(NamedTuple):
    """How many coupons of a template a member got: ever, on a day, and in that day's month."""

    total: int
    of_day: int
    of_month: int


class Places(NamedTuple):
    """The numbers of a coupon among its member's coupons of one template.

    They count ever, on its day and in its month; None if the template has no such limit.
    """

    total: int | None
    of_day: str | None
    of_month: str | None


WELCOME = "welcome:"  # A welcome coupon's cause begins so; then it names the phone's hash.
NO_PLACES = Places(None, None, None)


def next_places(template: CouponTemplate, had: CouponCounts, day: str) -> Places | None:
    """Return the places of a member's next coupon; None if a limit is reached."""
    limits = template.limits
    wanted = (
        (template.most_per_member, had.total, ""),
        (limits.per_member_day, had.of_day, day),
        (limits.per_member_month, had.of_month, day[:7]),
    )
    if any(most is not None and count >= most for most, count, _ in wanted):
        return None
    total, of_day, of_month = (
        None if most is None else f"{period}#{count + 1}" for most, count, period in wanted
    )
    return Places(had.total + 1 if total else None, of_day, of_month)


def for_claims(template: CouponTemplate) -> CouponTemplate:
    """Return a template as it applies to claims.

    Templates of earlier versions may lack a limit for one member: of these a member may claim one.
    """
    if template.is_limited:
        return template
    once = template.limits.model_copy(update={"per_member": 1})
    return template.model_copy(update={"limits": once})


def coupon_id(cause: str) -> str:
    """Return the id for a cause, the business fact. It is a hash, as a cause may name a member."""
    return "c" + hashlib.blake2b(cause.encode(), digest_size=12).hexdigest()


def coupon_for(
    template: CouponTemplate,
    *,
    member_id: str,
    cause: str,
    at: datetime,
    first_day: str,
    places: Places = NO_PLACES,
    piece: str | None = None,
    scene: str | None = None,
    actor: str | None = None,
    reason: str | None = None,
) -> Coupon:
    """Build the coupon for a cause, with the template's present terms frozen in it.

    `at` is the moment of issue, `first_day` the business day from which its days count.
    """
    return Coupon(
        id=coupon_id(cause),
        member_id=member_id,
        issued_to=member_id,
        template_id=template.id,
        template_revision=template.revision,
        name=template.name,
        terms=template.terms,
        group=template.group,
        borne_by=template.borne_by,
        returns=template.returns,
        transferable=template.transferable,
        # The id keeps a phone from a second coupon; the phone's hash itself isn't stored.
        cause=WELCOME if cause.startswith(WELCOME) else cause,
        piece=piece,
        budgeted=template.limits.budget_fen is not None,
        seq=places.total,
        day_seq=places.of_day,
        month_seq=places.of_month,
        scene=scene,
        actor=actor,
        reason=reason,
        issued_at=at,
        valid_until=valid_until(template, first_day),
    )


def valid_until(template: CouponTemplate, first_day: str) -> datetime:
    """Return the last moment of the last day of a coupon whose days count from `first_day`.

    Compare it with `by_day_clock`: the day ends with the business day of the store.
    """
    ends = []
    if template.valid_days is not None:
        ends.append(end_of_day(first_day, template.valid_days))
    if template.valid_until is not None:
        ends.append(_last_moment(template.valid_until))
    return min(ends)


def is_over(template: CouponTemplate, day: str) -> bool:
    """Tell whether the template's last day is before this business day: nobody could use a coupon.

    `day` is that of the store where the day ends last.
    """
    return template.valid_until is not None and template.valid_until.isoformat() < day


def end_of_day(first_day: str, days: int) -> datetime:
    """Return the last moment of the `days`-th day; `first_day` is the first."""
    return _last_moment(date.fromisoformat(shifted(first_day, days - 1)))


def _last_moment(day: date) -> datetime:
    return datetime.combine(day, _LAST_MOMENT, ZoneInfo(BRAND_ZONE))


def rule_for(coupon: Coupon, at: datetime, store: Store, *, must: bool = False) -> Rule:
    """Return a coupon as pricing uses it at this store.

    `must` means that the guest has chosen it. `out` is set if the coupon can't be used any more.
    """
    return Rule(
        "coupon",
        coupon.id,
        coupon.template_revision,
        coupon.name,
        coupon.terms,
        coupon.group,
        borne_by=coupon.borne_by,
        soonest=coupon.valid_until.isoformat(),
        kin=coupon.template_id,
        must=must,
        out=Reason(held) if (held := _not_held(coupon, at, store)) else None,
    )


def _not_held(coupon: Coupon, at: datetime, store: Store) -> ReasonCode | None:
    if coupon.status != "issued":
        return "ended" if coupon.status == "expired" else "not_held"
    return "ended" if store_day_clock(store, at) > coupon.valid_until else None


def returned_until(coupon: Coupon, at: datetime, day_clock: datetime) -> datetime:
    """Return until when a coupon is valid after a full refund gave it back: 24 hours at least.

    `day_clock` is the latest moment by the day clock of any store: further east it is ahead of
    `at`, and the coupon is compared with it there.
    """
    return max(coupon.valid_until, max(at, day_clock) + RETURN_GRACE)


def is_there(outcome: Issued) -> bool:
    """Tell whether the coupon of a cause exists, after it was to be issued."""
    match outcome:
        case "issued" | "issued_before":
            return True
        case "limit_reached" | "used_up":
            return False
        case _:
            assert_never(outcome)
