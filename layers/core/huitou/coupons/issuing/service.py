"""Issue, hold, use and give back coupons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from pymongo.client_session import ClientSession

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import brand_day, in_brand_zone, shifted
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.errors import COUPON, NOT_HELD, CouponErrors
from huitou.coupons.issuing.models import (
    USED_DAYS,
    Coupon,
    CouponTemplate,
    IssueCouponRequest,
    Issued,
    NamedTemplate,
    NamedTemplates,
    PutTemplateRequest,
    Revoked,
    Scene,
    ShownCoupon,
    TemplateAnswer,
    TemplatesAnswer,
    TemplateState,
    TillUse,
    UsedDay,
)
from huitou.coupons.issuing.repository import CouponRepository
from huitou.coupons.issuing.rules import NO_PLACES, coupon_for, coupon_id, next_places, subject_of
from huitou.promotions.quotas.models import InFlight
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.paging import PageRequest

Told = dict[str, str]  # What else is kept with a coupon: `scene`, `actor`, `reason`.
ISSUE_TRIES = 50  # Causes of one member at once that fight for the places of one template.

MOST_TEMPLATES = 1_000  # To choose from.


class Coupons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._limiter = Limiter(database, clock)
        self._stores = Stores(database, clock)
        self._clock = clock

    def wallet(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        coupons, after = self._repository.wallet(member_id, page)
        return {"coupons": [_shown(coupon) for coupon in coupons], "next": after}

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
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_HELD)

    def release(self, coupon_id: str, order_id: str, session: ClientSession) -> None:
        self._repository.release(coupon_id, order_id, session)

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give one member's unused coupons to another; returns how many."""
        return self._repository.hand_over(source_id, into_id, session)

    def issue(
        self, template: CouponTemplate, *, member_id: str, cause: str, scene: str | None = None
    ) -> Coupon | None:
        """Issue one coupon for a cause; None if it was served or no more may be issued."""
        told = {"scene": scene} if scene else {}
        return self.try_issue(template, member_id=member_id, cause=cause, told=told)[0]

    def try_issue(
        self, template: CouponTemplate, *, member_id: str, cause: str, told: Told | None = None
    ) -> tuple[Coupon | None, Issued]:
        """Issue one coupon for a cause, and say what came of it.

        Of a template with a quota a piece is taken first, under the coupon's id: a crash before
        the coupon is there leaves what the sweep needs to issue that very one.
        """
        identity = coupon_id(cause)
        subject = subject_of(template.id)
        told = told or {}
        if template.limits.quota is None:
            return self._insert(template, member_id, cause, told, None)
        if self._repository.find(identity) is not None:
            return None, "issued_before"
        more = {"member_id": member_id, "cause": cause, "template_id": template.id, "told": told}
        piece = self._limiter.take(subject, identity, 1, 0, more)
        return self._with_piece(template, piece) if piece else (None, "used_up")

    def issue_many(self, template: CouponTemplate, causes: Mapping[str, str]) -> dict[str, Issued]:
        """Issue one coupon for each cause, to the member it names; returns what came of each.

        In one write, where nothing limits the template.
        """
        if template.is_limited or template.limits.quota is not None:
            return {
                cause: self.try_issue(template, member_id=member_id, cause=cause)[1]
                for cause, member_id in causes.items()
            }
        now = self._clock.now()
        # All alike but in whose they are and why.
        alike = coupon_for(template, member_id="", cause="", at=now, zone=BRAND_ZONE)
        owners = {coupon_id(cause): (cause, member_id) for cause, member_id in causes.items()}
        there = self._repository.insert_many(alike, owners)
        return {
            cause: "issued_before" if name in there else "issued"
            for name, (cause, _) in owners.items()
        }

    def _with_piece(
        self, template: CouponTemplate, piece: InFlight
    ) -> tuple[Coupon | None, Issued]:
        more = piece.more
        coupon, outcome = self._insert(
            template, more["member_id"], more["cause"], more["told"], piece.piece
        )
        there = coupon or self._repository.find(piece.token)
        if there is not None and there.piece == piece.piece:
            self._limiter.drop(piece)
        else:  # Nothing came of it, or the coupon came of another piece.
            self._limiter.put_back(piece)
        return coupon, outcome

    def _insert(
        self, template: CouponTemplate, member_id: str, cause: str, told: Told,
        piece: str | None,
    ) -> tuple[Coupon | None, Issued]:  # fmt: skip
        now, places = self._clock.now(), NO_PLACES
        for _ in range(ISSUE_TRIES):
            if template.is_limited:
                day = brand_day(now)
                found = next_places(
                    template, self._repository.had(member_id, template.id, day), day
                )
                if found is None:
                    known = self._repository.find(coupon_id(cause)) is not None
                    return None, "issued_before" if known else "limit_reached"
                places = found
            coupon = coupon_for(
                template, member_id=member_id, cause=cause, at=now, zone=BRAND_ZONE,
                places=places, piece=piece, **told,
            )  # fmt: skip
            if self._repository.insert(coupon):
                return coupon, "issued"
            if self._repository.find(coupon.id) is not None:
                return None, "issued_before"
            # Another cause took this place a moment ago; the limit still holds.
        raise Unavailable

    def finish(self, piece: InFlight) -> Issued | Literal["put back"]:
        """Issue the coupon whose piece was taken by a function that was killed."""
        template = self._repository.template(piece.more["template_id"])
        if template is None:
            self._limiter.put_back(piece)
            return "put back"
        return self._with_piece(template, piece)[1]

    def revoke(self, coupon_id: str, actor: str, reason: str) -> ShownCoupon:
        """Take a coupon back that is not in use; Refusal COUPON_NOT_USABLE for one that is."""
        revoked = Revoked(actor=actor, reason=reason, at=self._clock.now())
        if not self._repository.revoke(coupon_id, revoked):
            shown = self.shown(coupon_id)
            if shown.status != "revoked":
                raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_HELD)
            return shown
        return self.shown(coupon_id)

    def revoke_all(
        self, member_id: str, actor: str, reason: str, session: ClientSession
    ) -> int:  # fmt: skip
        """Take all of a member's coupons back that aren't in use; returns how many."""
        revoked = Revoked(actor=actor, reason=reason, at=self._clock.now())
        return self._repository.revoke_all(member_id, revoked, session)

    def change_holder(self, coupon_id: str, giver_id: str, taker_id: str) -> bool:
        """Give a transferable coupon that isn't in use to another member; False if it can't be."""
        return giver_id != taker_id and self._repository.change_holder(
            coupon_id, giver_id, taker_id
        )

    def redeem_at_till(self, coupon_id: str, use: TillUse, zone: str) -> bool:
        """Use a coupon for an order of a till in this zone; False if it is used or has ended."""
        at = in_brand_zone(self._clock.now(), zone)
        return self._repository.redeem_at_till(coupon_id, use, at)

    def claim(self, template_id: str, member_id: str, claim_id: str) -> ShownCoupon:
        """Issue a coupon that members may take themselves; the same claim again is the same one.

        Raises Refusal NOT_FOUND for what can't be claimed, COUPON_NOT_ISSUED at a limit.
        """
        template = self.claimable(template_id)
        return self._issued_for(template, member_id, f"claim:{member_id}:{template_id}:{claim_id}")

    def claimable(self, template_id: str) -> CouponTemplate:
        """Return a template that members may take; Refusal NOT_FOUND for another one."""
        template = self.templates([template_id]).get(template_id)
        if template is None or not template.claimable:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        return template

    def issue_by_staff(self, request: IssueCouponRequest) -> ShownCoupon:
        """Issue a coupon to a member by hand; one cause is served once. Refusals as `claim`."""
        template = self.templates([request.template_id]).get(request.template_id)
        if template is None:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        cause = f"staff:{request.member_id}:{request.template_id}:{request.cause}"
        told = request.model_dump(include={"actor", "reason"}, exclude_none=True)
        return self._issued_for(template, request.member_id, cause, told)

    def _issued_for(
        self, template: CouponTemplate, member_id: str, cause: str, told: Told | None = None
    ) -> ShownCoupon:
        outcome = self.try_issue(template, member_id=member_id, cause=cause, told=told)[1]
        if outcome in ("limit_reached", "used_up"):
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="template_id")
        return self.of_cause(cause)

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

    def of_cause(self, cause: str) -> ShownCoupon:
        """Return the coupon that a cause has brought; Refusal NOT_FOUND once it was deleted."""
        return self.shown(coupon_id(cause))

    def shown(self, coupon_id: str) -> ShownCoupon:
        """Return a coupon as its member sees it; Refusal NOT_FOUND once it was deleted."""
        coupon = self._repository.find(coupon_id)
        if coupon is None:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        return _shown(coupon)

    def scene(self, code: str) -> Scene:
        """Return a table or till code; Refusal SCENE_UNKNOWN naming `scene`."""
        scene = self._repository.scene(code)
        if scene is None:
            raise Refusal(CouponErrors.SCENE_UNKNOWN, field="scene")
        return scene

    def welcome(self, member_id: str, phone_hash: str, code: str) -> ShownCoupon:
        """Issue the welcome coupon of a scanned code, once per phone whoever holds it."""
        scene = self.scene(code)
        template = self._repository.template(scene.template_id)
        if template is None:
            raise Refusal(CouponErrors.SCENE_UNKNOWN, field="scene")
        coupon = self.issue(
            template, member_id=member_id, cause=f"welcome:{phone_hash}", scene=scene.id
        )
        if coupon is None:
            raise Refusal(CouponErrors.WELCOME_TAKEN, field="scene")
        return _shown(coupon)

    def expire(self) -> int:
        """Mark one batch of coupons whose last day is over at every store; returns how many."""
        now = self._clock.now()
        return self._repository.expire(
            min(in_brand_zone(now, zone) for zone in self._stores.zones())
        )

    def named_templates(self) -> NamedTemplates:
        """Return the chain's templates by name, for who chooses one."""
        found = self._repository.every_template(MOST_TEMPLATES)
        return NamedTemplates(
            templates=[NamedTemplate(template_id=one.id, name=one.name) for one in found]
        )

    def template_states(self) -> TemplatesAnswer:
        """Return the chain's templates and what is left of their quotas and budgets."""
        found = self._repository.every_template(MOST_TEMPLATES)
        return TemplatesAnswer(templates=self._states(found))

    def template_state(self, template_id: str) -> TemplateAnswer:
        """Return one, and how many were used on each of the last days; Refusal NOT_FOUND."""
        template = self._repository.template(template_id)
        if template is None:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        [state] = self._states([template])
        now = self._clock.now()
        used = self._repository.used_by_day(template_id, now - timedelta(days=USED_DAYS))
        days = [shifted(brand_day(now), ago) for ago in range(1 - USED_DAYS, 1)]
        return TemplateAnswer(
            template=template, left=state.left, left_fen=state.left_fen,
            days=[UsedDay(day=day, redeemed=used.get(day, 0)) for day in days],
        )  # fmt: skip

    def put_template(self, request: PutTemplateRequest) -> TemplateAnswer:
        """Keep a new template or a later revision; Refusal RULES_CONFLICT where it isn't later."""
        self.put([request.template], [])
        return self.template_state(request.template.id)

    def _states(self, templates: list[CouponTemplate]) -> list[TemplateState]:
        left = self._limiter.left([subject_of(one.id) for one in templates])
        return [
            TemplateState(
                template=one,
                left=pool.pieces if pool and one.limits.quota else None,
                left_fen=pool.fen if pool and one.limits.budget_fen else None,
            )
            for one in templates
            for pool in [left.get(subject_of(one.id))]
        ]

    def templates(self, template_ids: Iterable[str]) -> dict[str, CouponTemplate]:
        """Return those templates that there are, by id."""
        return {template.id: template for template in self._repository.templates(template_ids)}

    def put(self, templates: list[CouponTemplate], scenes: list[Scene]) -> None:
        for template in templates:
            self._repository.put_template(template)
            self._limiter.open(subject_of(template.id), template.limits, template.revision)
        for scene in scenes:
            self._repository.put_scene(scene)


def _shown(coupon: Coupon) -> ShownCoupon:
    return ShownCoupon(
        coupon_id=coupon.id, name=coupon.name, status=coupon.status, terms=coupon.terms,
        issued_at=coupon.issued_at, valid_until=coupon.valid_until, order_id=coupon.order_id,
    )  # fmt: skip
