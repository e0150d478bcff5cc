"""Issue coupons, lock and use them for orders, give them back, revoke them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day, by_day_clock, shifted
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.errors import COUPON, NOT_HELD, CouponErrors
from huitou.coupons.issuing.repository import USED_DAYS, CouponRepository
from huitou.coupons.issuing.rules import (
    NO_PLACES,
    coupon_for,
    coupon_id,
    for_claims,
    is_over,
    next_places,
    subject_of,
)
from huitou.coupons.issuing.storing_service import CouponStore
from huitou.persons.ids.service import Persons
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal, Unavailable
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest

with late_imports():
    from huitou.coupons.issuing.models import (
        Coupon,
        CouponTemplate,
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
    from huitou.promotions.quotas.models import InFlight

IssueNotes = dict[str, str]  # What else is kept with a coupon: `scene`, `actor`, `reason`.
CLAIMS_A_DAY = 20  # A member may try to claim so often on a day, all templates together.
ISSUE_TRIES = 50  # So many coupons of one template may be issued to one member at once.
MOST_TEMPLATES = 1_000


class Coupons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = CouponRepository(database)
        self._store = CouponStore(database)
        self._persons = Persons(database)
        self._limiter = Limiter(database, clock)
        self._stores = Stores(database, clock)
        self._clock = clock

    def show_wallet(self, member_id: str, page: PageRequest) -> dict[str, Any]:
        coupons, after = self._repository.wallet(member_id, page)
        return {"coupons": [coupon.shown() for coupon in coupons], "next": after}

    def find_coupons(self, coupon_ids: list[str]) -> list[Coupon]:
        """Return those of these coupons that still exist, whoever holds them."""
        return self._repository.among(coupon_ids)

    def lock_coupon(
        self, coupon_id: str, member_id: str, order_id: str, at: datetime, session: ClientSession
    ) -> None:
        """Lock a coupon for an order; `at` is the moment by the day clock of the order's store.

        Raises Refusal COUPON_NOT_USABLE naming `coupon_id` if it can't be used, or if another order
        locked it a moment ago.
        """
        if not self._repository.lock(coupon_id, member_id, order_id, at, session):
            raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_HELD)

    def release_coupon(self, coupon_id: str, order_id: str, session: ClientSession) -> None:
        self._repository.release(coupon_id, order_id, session)

    def hand_over_coupons(self, source_id: str, into_id: str, session: ClientSession) -> int:
        """Give all of a member's coupons to another; returns how many of them are unused."""
        return self._repository.hand_over(source_id, into_id, session)

    def count_unused(self, member_id: str, session: ClientSession) -> int:
        return self._repository.count_unused(member_id, session)

    def issue_coupon(
        self, template: CouponTemplate, *, member_id: str, cause: str
    ) -> Coupon | None:
        """Issue one coupon for a cause; None if it has one already or no more may be issued."""
        return self.try_issue_coupon(template, member_id=member_id, cause=cause)[0]

    def try_issue_coupon(
        self,
        template: CouponTemplate,
        *,
        member_id: str,
        cause: str,
        notes: IssueNotes | None = None,
    ) -> tuple[Coupon | None, Issued]:
        """Issue one coupon for a cause; returns the new coupon, if any, and what happened.

        A cause that names the member has one coupon, under whichever id of the person.

        If the template has a quota, one unit of it is taken first, under the coupon's id. If the
        function is killed before the coupon is stored, the sweep finds the unit and issues the
        same coupon (`finish`).
        """
        if self._store.cause_before(member_id, cause) is not None:
            return None, "issued_before"
        identity = coupon_id(cause)
        notes = notes or {}
        if template.limits.quota is None:
            return self._insert(template, member_id, cause, notes, None)
        if self._repository.find(identity) is not None:
            return None, "issued_before"
        more = {"member_id": member_id, "cause": cause, "template_id": template.id, "told": notes}
        piece = self._limiter.take_units(subject_of(template.id), identity, 1, 0, more)
        return self._with_piece(template, piece) if piece else (None, "used_up")

    def issue_coupons(
        self, template: CouponTemplate, causes: Mapping[str, str]
    ) -> dict[str, Issued]:
        """Issue one coupon for each cause, to its member; returns what happened, by cause.

        If the template has no limit, this is one transaction.
        """
        over = is_over(template, self._stores.today())
        if over or template.is_limited or template.limits.quota is not None:
            return {
                cause: self.try_issue_coupon(template, member_id=member_id, cause=cause)[1]
                for cause, member_id in causes.items()
            }
        at, first_day = self._clock.now(), self._stores.newest_day()
        # They differ only in their member and cause.
        alike = coupon_for(template, member_id="", cause="", at=at, first_day=first_day)
        owners = {coupon_id(cause): (cause, member_id) for cause, member_id in causes.items()}
        there = self._store.store_many(alike, owners)
        return {
            cause: "issued_before" if name in there else "issued"
            for name, (cause, _) in owners.items()
        }

    def _with_piece(
        self, template: CouponTemplate, piece: InFlight
    ) -> tuple[Coupon | None, Issued]:
        owner, cause, notes = (piece.more[name] for name in ("member_id", "cause", "told"))
        coupon, outcome = self._insert(template, owner, cause, notes, piece.piece)
        self.settle_quota_unit(piece, coupon)
        return coupon, outcome

    def settle_quota_unit(self, piece: InFlight, coupon: Coupon | None = None) -> None:
        """Note that a unit of the quota was used for its coupon, or put it back."""
        there = coupon or self._repository.find(piece.token)
        if there is not None and there.piece == piece.piece:
            self._limiter.drop_unit(piece)
        else:  # No coupon was issued, or the coupon was issued with another unit of the quota.
            self._limiter.leave_unit(piece)

    def _not_issued(self, cause: str, why: Issued) -> tuple[None, Issued]:
        known = self._repository.find(coupon_id(cause)) is not None
        return None, "issued_before" if known else why

    def _insert(
        self,
        template: CouponTemplate,
        member_id: str,
        cause: str,
        notes: IssueNotes,
        piece: str | None,
    ) -> tuple[Coupon | None, Issued]:
        if is_over(template, self._stores.today()):
            return self._not_issued(cause, "used_up")
        now, places = self._clock.now(), NO_PLACES
        for _ in range(ISSUE_TRIES):
            if template.is_limited:
                day = brand_day(now)
                found = next_places(
                    template, self._repository.had(member_id, template.id, day), day
                )
                if found is None:
                    return self._not_issued(cause, "limit_reached")
                places = found
            coupon = coupon_for(
                template,
                member_id=member_id,
                cause=cause,
                at=now,
                first_day=self._stores.newest_day(),
                places=places,
                piece=piece,
                **notes,
            )
            if self._store.store(coupon):
                return coupon, "issued"
            if self._repository.find(coupon.id) is not None:
                return None, "issued_before"
            # Another coupon of this member took the place a moment ago: try the next place.
        raise Unavailable

    def finish_issuing(self, piece: InFlight) -> Issued | Literal["put back"]:
        """Issue the coupon for a unit of the quota that a function took before it was killed."""
        template = self._repository.template(piece.more["template_id"])
        if template is None or piece.more.get("by_hand"):
            self.settle_quota_unit(piece)
            return "put back"
        owner = self._persons.current_id(piece.more["member_id"])
        if owner is None or self._persons.is_erased(owner):
            self.settle_quota_unit(piece)
            return "put back"
        now_theirs = piece._replace(more={**piece.more, "member_id": owner})
        return self._with_piece(template, now_theirs)[1]

    def revoke_coupon(self, coupon_id: str, actor: str, reason: str) -> ShownCoupon:
        """Revoke a coupon that is not in use. A repeated call changes nothing.

        Raises Refusal COUPON_NOT_USABLE naming `coupon_id` if it is locked, used or has ended.
        """
        revoked = Revoked(actor=actor, reason=reason, at=self._clock.now())
        if not self._repository.revoke(coupon_id, revoked):
            shown = self.show_coupon(coupon_id)
            if shown.status != "revoked":
                raise Refusal(CouponErrors.COUPON_NOT_USABLE, field="coupon_id", detail=NOT_HELD)
            return shown
        return self.show_coupon(coupon_id)

    def revoke_all_coupons(
        self, member_id: str, actor: str, reason: str, session: ClientSession
    ) -> int:
        """Revoke all of a member's coupons that aren't in use; returns how many."""
        revoked = Revoked(actor=actor, reason=reason, at=self._clock.now())
        return self._repository.revoke_all(member_id, revoked, session)

    def change_coupon_holder(self, coupon_id: str, giver_id: str, taker_id: str, hand: int) -> bool:
        """Give a coupon of this hand to another member; False if it is in use or can't be given."""
        return self._store.change_holder(coupon_id, giver_id, taker_id, hand)

    def redeem_coupon_at_till(
        self, coupon_id: str, use: TillUse, at: datetime, hand: int = 0
    ) -> bool:
        """Use a coupon for an order at a till; `at` is the moment by the store's day clock.

        Returns False if it is used, isn't in this hand any more (see `Coupon.hand`) or has ended.
        """
        return self._repository.redeem_at_till(coupon_id, hand, use, at)

    def claim_coupon(self, template_id: str, member_id: str, claim_id: str) -> ShownCoupon:
        """Issue a coupon that members may take themselves; the same claim brings the same coupon.

        Raises Refusal NOT_FOUND if the template can't be claimed, COUPON_NOT_ISSUED if a limit is
        reached, TOO_MANY_CLAIMS if the member has claimed too often today; all name `template_id`.
        """
        template = for_claims(self.find_claimable_template(template_id))
        cause = f"claim:{member_id}:{template_id}:{claim_id}"
        cause = self._store.cause_before(member_id, cause) or cause
        known = self._repository.find(coupon_id(cause))
        if known is not None:
            return known.shown()
        # Counted before it is issued, so that a hundred claims at once count as a hundred.
        day = brand_day(self._clock.now())
        if self._repository.count_claim(member_id, day) > CLAIMS_A_DAY:
            raise Refusal(CouponErrors.TOO_MANY_CLAIMS, field="template_id")
        outcome = self.try_issue_coupon(template, member_id=member_id, cause=cause)[1]
        if outcome in ("limit_reached", "used_up"):
            raise Refusal(CouponErrors.COUPON_NOT_ISSUED, field="template_id")
        return self.show_coupon_of_cause(cause)

    def find_claimable_template(self, template_id: str) -> CouponTemplate:
        """Return a template that members may claim; Refusal NOT_FOUND if it isn't one."""
        template = self.find_templates([template_id]).get(template_id)
        if template is None or not template.claimable:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        return template

    def issue_coupon_within(
        self, template: CouponTemplate, member_id: str, cause: str, session: ClientSession
    ) -> Coupon:
        """Issue a coupon within the caller's transaction; the caller checks the limits.

        Raises DuplicateKeyError if the cause has its coupon already; don't catch it within the
        transaction.
        """
        at, first_day = self._clock.now(), self._stores.newest_day()
        coupon = coupon_for(template, member_id=member_id, cause=cause, at=at, first_day=first_day)
        self._store.store_within(coupon, session)
        return coupon

    def show_coupon_of_cause(self, cause: str) -> ShownCoupon:
        """Return the coupon of a cause; Refusal NOT_FOUND if it was deleted."""
        return self.show_coupon(coupon_id(cause))

    def show_coupon(self, coupon_id: str) -> ShownCoupon:
        """Return a coupon as its member sees it; Refusal NOT_FOUND if it was deleted."""
        coupon = self._repository.find(coupon_id)
        if coupon is None:
            raise Refusal(Code.NOT_FOUND, field="coupon_id", detail=COUPON)
        return coupon.shown()

    def find_scene(self, code: str) -> Scene:
        """Return the table or till behind a code; Refusal SCENE_UNKNOWN naming `scene`."""
        scene = self._repository.scene(code)
        if scene is None:
            raise Refusal(CouponErrors.SCENE_UNKNOWN, field="scene")
        return scene

    def issue_welcome_coupon(self, member_id: str, phone_hash: str, code: str) -> ShownCoupon:
        """Issue the welcome coupon of a scanned code, once for each phone number.

        The cause names the phone, so a phone that changes its member doesn't bring a second one.
        Raises Refusal SCENE_UNKNOWN, WELCOME_TAKEN or COUPON_NOT_ISSUED naming `scene`.
        """
        scene = self.find_scene(code)
        template = self._repository.template(scene.template_id)
        if template is None:
            raise Refusal(CouponErrors.SCENE_UNKNOWN, field="scene")
        cause, notes = f"welcome:{phone_hash}", {"scene": scene.id}
        issued = self.try_issue_coupon(template, member_id=member_id, cause=cause, notes=notes)
        if issued[0] is None:
            codes = {"used_up": CouponErrors.COUPON_NOT_ISSUED}
            raise Refusal(codes.get(issued[1], CouponErrors.WELCOME_TAKEN), field="scene")
        return issued[0].shown()

    def expire_coupons(self) -> int:
        """Mark one batch of coupons as expired; returns how many.

        A coupon expires when its last business day is over at every store.
        """
        now = self._clock.now()
        return self._repository.expire(
            min(by_day_clock(now, zone, cut) for zone, cut in self._stores.clocks())
        )

    def list_named_templates(self) -> NamedTemplates:
        """Return ids and names of the chain's templates, so that a person can choose one."""
        found = self._repository.every_template(MOST_TEMPLATES)
        return NamedTemplates(
            templates=[NamedTemplate(template_id=one.id, name=one.name) for one in found]
        )

    def list_template_states(self) -> TemplatesAnswer:
        """Return the chain's templates and what is left of their quotas and budgets."""
        found = self._repository.every_template(MOST_TEMPLATES)
        return TemplatesAnswer(templates=self._states(found))

    def show_template_state(self, template_id: str) -> TemplateAnswer:
        """Return one template and how many of its coupons were used on each of the last days.

        Raises Refusal NOT_FOUND naming `template_id`.
        """
        template = self._repository.template(template_id)
        if template is None:
            raise Refusal(Code.NOT_FOUND, field="template_id", detail=COUPON)
        [state] = self._states([template])
        now = self._clock.now()
        used = self._repository.used_by_day(template_id, now - timedelta(days=USED_DAYS))
        days = [shifted(brand_day(now), ago) for ago in range(1 - USED_DAYS, 1)]
        return TemplateAnswer(
            template=template,
            left=state.left,
            left_fen=state.left_fen,
            days=[UsedDay(day=day, redeemed=used.get(day, 0)) for day in days],
        )

    def put_template(self, request: PutTemplateRequest) -> TemplateAnswer:
        """Store a new template or a later revision; Refusal RULES_CONFLICT if it isn't later."""
        self.put_templates([request.template], [])
        return self.show_template_state(request.template.id)

    def _states(self, templates: list[CouponTemplate]) -> list[TemplateState]:
        left = self._limiter.left_in_pools([subject_of(one.id) for one in templates])
        return [
            TemplateState(
                template=one,
                left=pool.pieces if pool and one.limits.quota else None,
                left_fen=pool.fen if pool and one.limits.budget_fen else None,
            )
            for one in templates
            for pool in [left.get(subject_of(one.id))]
        ]

    def find_templates(self, template_ids: Iterable[str]) -> dict[str, CouponTemplate]:
        """Return those of these templates that exist, by id."""
        return {template.id: template for template in self._repository.templates(template_ids)}

    def put_templates(self, templates: Sequence[CouponTemplate], scenes: list[Scene]) -> None:
        for template in templates:
            self._repository.put_template(template)
            self._limiter.open_pool(subject_of(template.id), template.limits, template.revision)
        for scene in scenes:
            self._repository.put_scene(scene)
