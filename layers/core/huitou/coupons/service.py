"""Issue, hold, use and give back coupons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymongo.client_session import ClientSession

from huitou.coupons.models import Coupon, CouponTemplate, Scene
from huitou.coupons.repository import CouponRepository
from huitou.coupons.rules import coupon_for
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.paging import PageRequest
from huitou.tiers.service import BRAND_ZONE, MOST_TRIES, Tiers

_SHOWN = {"name", "status", "terms", "issued_at", "valid_until", "order_id"}


class Coupons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._clock = clock

    def held(self, member_id: str) -> list[Coupon]:
        return self._repository.held(member_id)

    def of_member(self, coupon_id: str, member_id: str) -> Coupon:
        """Return the member's own coupon; anybody else's is NOT_FOUND, like one that isn't."""
        coupon = self._repository.find(coupon_id)
        if coupon is None or coupon.member_id != member_id:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail="coupon")
        return coupon

    def wallet(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        coupons, after = self._repository.wallet(member_id, page)
        shown = [{"coupon_id": c.id} | c.model_dump(include=_SHOWN) for c in coupons]
        return {"coupons": shown, "next": after}

    def lock(self, coupon_id: str, member_id: str, order_id: str, session: ClientSession) -> None:
        """Hold a coupon for an order; Refusal COUPON_NOT_USABLE for the one who comes second."""
        at = self._clock.now()
        if not self._repository.lock(coupon_id, member_id, order_id, at, session):
            raise Refusal(Code.COUPON_NOT_USABLE, field="coupon_id", detail="已被使用或已过期")

    def release(self, coupon_id: str, order_id: str, session: ClientSession) -> None:
        self._repository.release(coupon_id, order_id, session)

    def issue(
        self,
        template: CouponTemplate,
        *,
        member_id: str,
        cause: str,
        scene: str | None = None,
    ) -> Coupon | None:
        """Issue one coupon for a cause; None if the cause was served or the limit is reached."""
        limit, seq = template.per_member_limit, None
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

    def put(self, templates: list[CouponTemplate], scenes: list[Scene]) -> None:
        for template in templates:
            self._repository.put_template(template)
        for scene in scenes:
            self._repository.put_scene(scene)


class TierCoupons:
    """The coupons that come with reaching a tier."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._tiers = Tiers(database, clock)
        self._coupons = Coupons(database, clock)

    def due(self) -> Iterator[str]:
        return self._tiers.benefits_due()

    def grant(self, member_id: str) -> str:
        """Issue the entry coupons of the member's level, once per level and calendar year.

        No transaction: each coupon's id is its cause, so a crash before the marker is cleared
        only repeats what the next run finds done.
        """
        issued = 0
        for _ in range(MOST_TRIES):
            owed = self._tiers.owed(member_id)
            if owed is None:  # A late event, or the member has fallen since.
                return "issued" if issued else "nothing due"
            level, standing = owed
            year = (standing.since_day or "")[:4]
            for template in self._repository.templates(level.entry_coupons):
                cause = f"tier:{member_id}:{level.level}:{year}:{template.id}"
                granted = self._coupons.issue(template, member_id=member_id, cause=cause)
                issued += granted is not None
            if self._tiers.benefits_granted(member_id, standing):
                return "issued" if issued else "nothing new"
        raise Unavailable  # The tier keeps moving; the marker is still due.
