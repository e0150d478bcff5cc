"""Give points and coupons by hand: at once, or over a limit after a second person approves."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.coupons.codes.models import MakeCodesRequest
from huitou.coupons.issuing.by_hand_service import CouponsByHand
from huitou.coupons.issuing.models import CouponTemplate, IssueCouponRequest, ShownCoupon
from huitou.coupons.issuing.roles import GiverRole
from huitou.coupons.issuing.rules import worth_fen
from huitou.loyalty.adjustments.errors import ADJUSTMENT, ADJUSTMENT_STATUS, AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustmentAnswer,
    AdjustmentsAnswer,
    AdjustmentsRequest,
    AdjustmentStatus,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
    GivenCoupon,
    MadeCodes,
)
from huitou.loyalty.adjustments.repository import AdjustmentRepository, AllowanceRepository
from huitou.loyalty.adjustments.rules import (
    check_allowed,
    check_decision,
    check_repeat,
    codes_id,
    gift_id,
    gift_limit_fen,
    is_over_limit,
    may_decide,
)
from huitou.loyalty.adjustments.worth import sums_of, worth_of
from huitou.loyalty.earning.rules import expires_after
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Adjustments:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._adjustments = AdjustmentRepository(database)
        self._allowance = AllowanceRepository(database)
        self._coupons = CouponsByHand(database, clock)
        self._points = Points(database, clock)
        self._persons = Persons(database)

    def ask_for_adjustment(self, request: AdjustPointsRequest) -> AdjustmentAnswer:
        """Adjust a member's points at once; over the limit, store the request for a second person.

        Raises Refusal NOT_FOUND (the member), POINTS_NOT_ENOUGH or ADJUSTMENT_ID_REUSED.
        """
        self._allowance.open(request.actor, brand_day(self._clock.now()))
        return self._database.transact_once(lambda session: self._ask(request, session)).shown()

    def give_coupon(self, request: IssueCouponRequest) -> ShownCoupon:
        """Issue a coupon by hand; over the giver's limit of the day a second person decides.

        One cause brings one coupon and counts once. Raises Refusal GIFT_AWAITS_APPROVAL, after the
        request was stored, until a second person has approved it; ADJUSTMENT_DECIDED if they
        rejected it; NOT_FOUND (member or template) or COUPON_NOT_ISSUED.
        """
        template = self._coupons.get_template(request.template_id)
        there = self._coupons.find_coupon(request)
        if there is not None:
            return there.shown()
        self._allowance.open(request.actor, brand_day(self._clock.now()))
        adjustment = self._coupons.with_quota_unit(
            template,
            request.whole_cause,
            lambda piece: self._database.transact_once(
                lambda session: self._ask_coupon(template, request, piece, session)
            ),
        )
        if adjustment.status == "awaiting_approval":
            raise Refusal(AdjustmentErrors.GIFT_AWAITS_APPROVAL, field="template_id")
        there = self._coupons.find_coupon(request)
        if there is None:
            raise Refusal(
                AdjustmentErrors.ADJUSTMENT_DECIDED,
                field="cause",
                detail=ADJUSTMENT_STATUS[adjustment.status],
            )
        return there.shown()

    def allow_codes(self, request: MakeCodesRequest) -> None:
        """Let a person of the staff make a batch of codes; over a day's limit a second one decides.

        One batch counts once. Raises Refusal GIFT_AWAITS_APPROVAL, after the request was stored,
        until a second person has approved it; then the same call is allowed. ADJUSTMENT_DECIDED if
        they rejected it, ADJUSTMENT_ID_REUSED if the batch's name was asked for otherwise,
        GIFT_WORTH_MORE if its coupon is worth more by now.
        """
        template = self._coupons.get_template(request.template_id)
        self._allowance.open(request.actor, brand_day(self._clock.now()))
        adjustment = self._database.transact_once(
            lambda session: self._ask_codes(template, request, session)
        )
        made = MadeCodes(batch=request.batch, template_id=request.template_id, count=request.count)
        if adjustment.codes != made:
            raise Refusal(AdjustmentErrors.ADJUSTMENT_ID_REUSED, field="batch")
        if self._codes_fen(template, request) > adjustment.value_fen:
            raise Refusal(AdjustmentErrors.GIFT_WORTH_MORE, field="batch")
        check_allowed(adjustment, "count", AdjustmentErrors.GIFT_AWAITS_APPROVAL)

    def decide_adjustment(
        self, request: DecideAdjustmentRequest, *, is_alone: bool = False
    ) -> AdjustmentAnswer:
        """Approve or reject a waiting adjustment; if two people decide at once, one is refused.

        `is_alone` tells that the chain has nobody else who may decide: then who asked for it does.
        Raises Refusal NOT_FOUND, ADJUSTMENT_NOT_YOURS, ADJUSTMENT_NOT_YOUR_ROLE,
        ADJUSTMENT_DECIDED, or POINTS_NOT_ENOUGH, COUPON_NOT_ISSUED or GIFT_WORTH_MORE (it goes on
        waiting).
        """
        adjustment = self.get_adjustment(request.adjustment_id)
        if adjustment.actor == request.actor and not is_alone:
            raise Refusal(AdjustmentErrors.ADJUSTMENT_NOT_YOURS, field="actor")
        if not may_decide(request.role):
            raise Refusal(AdjustmentErrors.ADJUSTMENT_NOT_YOUR_ROLE, field="role")
        wanted = adjustment.coupon_request() if request.approve else None
        if wanted is None or adjustment.status != "awaiting_approval":
            self._database.transact(lambda session: self._decide(adjustment, request, session))
        else:
            template = self._coupons.get_template(wanted.template_id)
            unknown_fen = self._points.rules().gift_limits.coupon_fen
            if worth_fen(template.terms, unknown_fen) > adjustment.value_fen:
                raise Refusal(AdjustmentErrors.GIFT_WORTH_MORE, field="adjustment_id")
            self._coupons.with_quota_unit(
                template,
                wanted.whole_cause,
                lambda piece: self._database.transact_once(
                    lambda session: self._decide_coupon(template, wanted, request, piece, session)
                ),
            )
        return check_decision(self.get_adjustment(request.adjustment_id), request).shown()

    def list_adjustments(self, request: AdjustmentsRequest) -> AdjustmentsAnswer:
        """Return a page of adjustments of one status, the newest first."""
        found, after = self._adjustments.page(request)
        return AdjustmentsAnswer(adjustments=[one.shown() for one in found], next=after)

    def get_adjustment(self, adjustment_id: str) -> Adjustment:
        """Return an adjustment; raises Refusal NOT_FOUND naming `adjustment_id`."""
        adjustment = self._adjustments.find(adjustment_id)
        if adjustment is None:
            raise Refusal(Code.NOT_FOUND, field="adjustment_id", detail=ADJUSTMENT)
        return adjustment

    def _ask(self, request: AdjustPointsRequest, session: ClientSession) -> Adjustment:
        known = self._adjustments.find(request.adjustment_id, session)
        if known is not None:
            return check_repeat(known, request)
        now = self._clock.now()
        day = brand_day(now)
        # If two adjustments are applied at once, one of them conflicts on the account's version
        # and runs again: then it finds the other one here.
        others = self._adjustments.same_day(request.member_id, request.actor, day, session)
        rules = self._points.rules()
        waits = is_over_limit(rules.adjust_limit_points, request.points, others)
        value_fen = max(0, request.points) * rules.point_value_fen
        if not waits:
            waits = not self._take(request.actor, request.role, day, value_fen, session)
        adjustment = Adjustment(
            id=request.adjustment_id,
            day=day,
            created_at=now,
            status="awaiting_approval" if waits else "applied",
            value_fen=value_fen,
            **request.model_dump(exclude={"adjustment_id"}),
        )
        self._apply(adjustment, None, session, tries_only=waits)
        self._adjustments.insert(adjustment, session)
        return adjustment

    def _ask_coupon(
        self,
        template: CouponTemplate,
        request: IssueCouponRequest,
        piece: str | None,
        session: ClientSession,
    ) -> Adjustment:
        identity = gift_id(request)
        known = self._adjustments.find(identity, session)
        if known is not None:
            return known
        self._persons.touch(request.member_id, session)
        now = self._clock.now()
        day = brand_day(now)
        value_fen = worth_fen(template.terms, self._points.rules().gift_limits.coupon_fen)
        given = self._take(request.actor, request.role, day, value_fen, session)
        if given:
            self._coupons.issue_within(template, request, piece, session)
        adjustment = Adjustment(
            id=identity,
            member_id=request.member_id,
            points=0,
            coupon=GivenCoupon(template_id=template.id, name=template.name, cause=request.cause),
            value_fen=value_fen,
            reason=request.reason or "",
            actor=request.actor,
            role=request.role or "cashier",
            day=day,
            status="applied" if given else "awaiting_approval",
            created_at=now,
        )
        self._adjustments.insert(adjustment, session)
        return adjustment

    def _ask_codes(
        self, template: CouponTemplate, request: MakeCodesRequest, session: ClientSession
    ) -> Adjustment:
        known = self._adjustments.find(codes_id(request.batch), session)
        if known is not None:
            return known
        limits = self._points.rules().gift_limits
        now = self._clock.now()
        day = brand_day(now)
        worth = worth_of(template, limits.coupon_fen).within(request.count)
        fen = self._codes_fen(template, request)
        sums = sums_of(worth, limits, request.role)
        alone = sums is not None and self._allowance.take_all(sums, request.actor, day, session)
        adjustment = Adjustment(
            id=codes_id(request.batch),
            member_id="",
            points=0,
            codes=MadeCodes(batch=request.batch, template_id=template.id, count=request.count),
            value_fen=fen,
            reason=template.name,
            actor=request.actor,
            role=request.role or "cashier",
            day=day,
            status="applied" if alone else "awaiting_approval",
            created_at=now,
        )
        self._adjustments.insert(adjustment, session)
        return adjustment

    def _codes_fen(self, template: CouponTemplate, request: MakeCodesRequest) -> int:
        unknown_fen = self._points.rules().gift_limits.coupon_fen
        return request.count * worth_fen(template.terms, unknown_fen)

    def _take(
        self, actor: str, role: GiverRole | None, day: str, fen: int, session: ClientSession
    ) -> bool:
        limit_fen = gift_limit_fen(self._points.rules().gift_limits, role)
        return fen == 0 or self._allowance.take("gifts", actor, day, fen, limit_fen, session)

    def _decide_coupon(
        self,
        template: CouponTemplate,
        wanted: IssueCouponRequest,
        request: DecideAdjustmentRequest,
        piece: str | None,
        session: ClientSession,
    ) -> None:
        if self._adjustments.decide(request, "applied", self._clock.now(), session):
            self._coupons.issue_within(template, wanted, piece, session)

    def _decide(
        self, adjustment: Adjustment, request: DecideAdjustmentRequest, session: ClientSession
    ) -> None:
        status: AdjustmentStatus = "applied" if request.approve else "rejected"
        if not self._adjustments.decide(request, status, self._clock.now(), session):
            return
        if request.approve and adjustment.codes is None and adjustment.rule is None:
            # Read again: its member may have been merged since.
            now = self._adjustments.find(adjustment.id, session) or adjustment
            self._apply(now, request.actor, session)

    def _apply(
        self,
        adjustment: Adjustment,
        approved_by: str | None,
        session: ClientSession,
        *,
        tries_only: bool = False,
    ) -> None:
        """Post the adjustment; if `tries_only`, only raise the refusal that posting would raise."""
        self._persons.touch(adjustment.member_id, session)
        book = self._points.open_book(adjustment.member_id, session)
        rules, now, today = self._points.rules(), self._clock.now(), self._points.today()
        origin = EntryOrigin(
            cause=adjustment.id,
            at=now,
            business_day=today,
            rules_revision=rules.revision,
            actor=adjustment.actor,
            reason=adjustment.reason,
            approved_by=approved_by,
        )
        book.adjust(origin, adjustment.points, expires_after(rules.expiry, today))
        book.bring_up_to_date()
        if not tries_only:
            self._points.save_books([book], session)
