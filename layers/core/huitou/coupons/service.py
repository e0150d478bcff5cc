"""Issue, hold, use and give back coupons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymongo.client_session import ClientSession

from huitou.coupons.models import Coupon, CouponTemplate, Scene, ShownCoupon
from huitou.coupons.repository import CouponRepository
from huitou.coupons.rules import coupon_for
from huitou.members.rules import birthday_from
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.paging import PageRequest
from huitou.stores.models import BRAND_ZONE
from huitou.stores.rules import in_brand_zone, shifted
from huitou.tiers.service import MOST_TRIES, Tiers

_SHOWN = {"name", "status", "terms", "issued_at", "valid_until", "order_id"}


class Coupons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._clock = clock

    def wallet(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        coupons, after = self._repository.wallet(member_id, page)
        shown = [{"coupon_id": c.id} | c.model_dump(include=_SHOWN) for c in coupons]
        return {"coupons": shown, "next": after}

    def known(self, coupon_ids: list[str]) -> list[Coupon]:
        """Return those of these coupons that there still are, whoever holds them."""
        return self._repository.among(coupon_ids)

    def lock(
        self, coupon_id: str, member_id: str, order_id: str, zone: str, session: ClientSession
    ) -> None:
        """Hold a coupon for an order at a store in this zone.

        Refusal COUPON_NOT_USABLE for the one who comes second.
        """
        at = in_brand_zone(self._clock.now(), zone)
        if not self._repository.lock(coupon_id, member_id, order_id, at, session):
            raise Refusal(Code.COUPON_NOT_USABLE, field="coupon_id", detail="已被使用或已过期")

    def release(self, coupon_id: str, order_id: str, session: ClientSession) -> None:
        self._repository.release(coupon_id, order_id, session)

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give one member's unused coupons to another; returns how many."""
        return self._repository.hand_over(source_id, into_id, session)

    def issue(
        self,
        template: CouponTemplate,
        *,
        member_id: str,
        cause: str,
        scene: str | None = None,
    ) -> Coupon | None:
        """Issue one coupon for a cause; None if the cause was served or the limit is reached."""
        limit, seq = template.most_per_member, None
        if limit is not None:
            seq = self._repository.count_of(member_id, template.id) + 1
        while seq is None or limit is None or seq <= limit:
            coupon = coupon_for(
                template, member_id=member_id, cause=cause, at=self._clock.now(),
                zone=BRAND_ZONE, seq=seq, scene=scene,
            )  # fmt: skip
            if self._repository.insert(coupon):
                return coupon
            if seq is None or self._repository.find(coupon.id) is not None:
                return None
            seq += 1  # Another cause took this number a moment ago; the limit still holds.
        return None

    def issue_within(
        self, template: CouponTemplate, member_id: str, cause: str, session: ClientSession
    ) -> Coupon:
        """Issue the coupon that a caller's transaction has paid for, whose limit is the caller's.

        A cause that was served before is a DuplicateKeyError, which must leave the transaction.
        """
        coupon = coupon_for(
            template, member_id=member_id, cause=cause, at=self._clock.now(), zone=BRAND_ZONE
        )
        self._repository.add(coupon, session)
        return coupon

    def shown(self, coupon_id: str) -> ShownCoupon:
        """Return a coupon as its member sees it; Refusal NOT_FOUND once it was deleted."""
        coupon = self._repository.find(coupon_id)
        if coupon is None:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail="coupon")
        return ShownCoupon(coupon_id=coupon.id, **coupon.model_dump(include=_SHOWN))

    def scene(self, code: str) -> Scene:
        """Return a table or till code; Refusal SCENE_UNKNOWN naming `scene`."""
        scene = self._repository.scene(code)
        if scene is None:
            raise Refusal(Code.SCENE_UNKNOWN, field="scene")
        return scene

    def welcome(self, member_id: str, phone_hash: str, code: str) -> dict[str, Any]:
        """Issue the welcome coupon of a scanned code, once per phone whoever holds it."""
        scene = self.scene(code)
        template = self._repository.template(scene.template_id)
        if template is None:
            raise Refusal(Code.SCENE_UNKNOWN, field="scene")
        coupon = self.issue(
            template, member_id=member_id, cause=f"welcome:{phone_hash}", scene=scene.id
        )
        if coupon is None:
            raise Refusal(Code.WELCOME_TAKEN, field="scene")
        return {"coupon_id": coupon.id} | coupon.model_dump(include=_SHOWN)

    def expire(self) -> int:
        """Mark one batch of coupons whose time is over; returns how many."""
        return self._repository.expire(self._clock.now())

    def templates(self, template_ids: Iterable[str]) -> dict[str, CouponTemplate]:
        """Return those templates that there are, by id."""
        return {template.id: template for template in self._repository.templates(template_ids)}

    def put(self, templates: list[CouponTemplate], scenes: list[Scene]) -> None:
        for template in templates:
            self._repository.put_template(template)
        for scene in scenes:
            self._repository.put_scene(scene)


class TierCoupons:
    """The coupons that come with a tier: on reaching it, each month, on birthdays.

    No transactions: each coupon's id is its cause, so a crash before it is recorded that they were
    issued only repeats what the next run finds done.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._tiers = Tiers(database, clock)
        self._coupons = Coupons(database, clock)

    def due(self) -> Iterator[str]:
        return self._tiers.benefits_due()

    def monthly_due(self) -> Iterator[str]:
        return self._tiers.monthly_due()

    def birthdays_due(self) -> Iterator[str]:
        return self._tiers.birthdays_due()

    def grant(self, member_id: str) -> str:
        """Issue the entry coupons of the member's level, once per level and calendar year."""
        issued = 0
        for _ in range(MOST_TRIES):
            owed = self._tiers.owed(member_id)
            if owed is None:  # A late event, or the member has fallen since.
                return "issued" if issued else "nothing due"
            level, standing = owed
            year = (standing.since_day or "")[:4]
            cause = f"tier:{member_id}:{level.level}:{year}"
            issued += self._issue(member_id, level.entry_coupons, cause)
            if self._tiers.benefits_granted(member_id, standing):
                return "issued" if issued else "nothing new"
        raise Unavailable  # The tier keeps moving; the marker is still due.

    def grant_month(self, member_id: str) -> str:
        """Issue this month's coupons of the member's level, once per level and month."""
        issued = 0
        for _ in range(MOST_TRIES):
            account, level = self._tiers.gifts(member_id)
            today = self._tiers.today()
            if account.monthly_on is None or account.monthly_on > today:
                return "issued" if issued else "nothing due"
            cause = f"tier-month:{member_id}:{level.level}:{today[:7]}"
            issued += self._issue(member_id, level.monthly_coupons, cause)
            if self._tiers.monthly_granted(account, level):
                return "issued" if issued else "nothing new"
        raise Unavailable

    def grant_birthday(self, member_id: str) -> str:
        """Issue the birthday coupons of the member's level, once per year."""
        account, level = self._tiers.gifts(member_id)
        today, birthday = self._tiers.today(), account.birthday_on
        if birthday is None or account.birthday_md is None or birthday > today:
            return "nothing due"
        cause = f"birthday:{member_id}:{birthday[:4]}"
        issued = self._issue(member_id, level.birthday_coupons, cause)
        self._tiers.birthday_granted(account, birthday_from(account.birthday_md, shifted(today, 1)))
        return "issued" if issued else "nothing new"

    def _issue(self, member_id: str, template_ids: list[str], cause: str) -> int:
        issued = 0
        for template in self._repository.templates(template_ids):
            named = f"{cause}:{template.id}"
            granted = self._coupons.issue(template, member_id=member_id, cause=named)
            issued += granted is not None
        return issued
