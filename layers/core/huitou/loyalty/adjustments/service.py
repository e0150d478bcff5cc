"""Give and take points by hand: at once, or, over the limit, after a second person approves."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import brand_day
from huitou.loyalty.adjustments.errors import ADJUSTMENT, AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustmentAnswer,
    AdjustmentsAnswer,
    AdjustmentsRequest,
    AdjustmentStatus,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.adjustments.repository import AdjustmentRepository
from huitou.loyalty.adjustments.rules import check_decision, check_repeat, is_over_limit, may_decide
from huitou.loyalty.earning.rules import expires_after
from huitou.loyalty.points.rules import EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Adjustments:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._adjustments = AdjustmentRepository(database)
        self._points = Points(database, clock)

    def ask_for_adjustment(self, request: AdjustPointsRequest) -> AdjustmentAnswer:
        """Adjust a member's points at once; over the limit, store the request for a second person.

        Raises Refusal NOT_FOUND (the member), POINTS_NOT_ENOUGH or ADJUSTMENT_ID_REUSED.
        """
        return self._database.transact_once(lambda session: self._ask(request, session)).shown()

    def decide_adjustment(self, request: DecideAdjustmentRequest) -> AdjustmentAnswer:
        """Approve or reject a waiting adjustment; if two people decide at once, one is refused.

        Raises Refusal NOT_FOUND, ADJUSTMENT_NOT_YOURS, ADJUSTMENT_NOT_YOUR_ROLE,
        ADJUSTMENT_DECIDED, or POINTS_NOT_ENOUGH (the adjustment goes on waiting).
        """
        adjustment = self._get(request.adjustment_id)
        if adjustment.actor == request.actor:
            raise Refusal(AdjustmentErrors.ADJUSTMENT_NOT_YOURS, field="actor")
        if not may_decide(request.role):
            raise Refusal(AdjustmentErrors.ADJUSTMENT_NOT_YOUR_ROLE, field="role")
        self._database.transact(lambda session: self._decide(adjustment, request, session))
        return check_decision(self._get(request.adjustment_id), request).shown()

    def list_adjustments(self, request: AdjustmentsRequest) -> AdjustmentsAnswer:
        """Return a page of adjustments of one status, the newest first."""
        found, after = self._adjustments.page(request)
        return AdjustmentsAnswer(adjustments=[one.shown() for one in found], next=after)

    def _ask(self, request: AdjustPointsRequest, session: ClientSession) -> Adjustment:
        known = self._adjustments.find(request.adjustment_id, session)
        if known is not None:
            return check_repeat(known, request)
        now = self._clock.now()
        day = brand_day(now)
        # If two adjustments are applied at once, one of them conflicts on the account's version
        # and runs again: then it finds the other one here.
        others = self._adjustments.same_day(request.member_id, request.actor, day, session)
        limit = self._points.rules().adjust_limit_points
        waits = is_over_limit(limit, request.points, others)
        adjustment = Adjustment(
            id=request.adjustment_id,
            day=day,
            created_at=now,
            status="awaiting_approval" if waits else "applied",
            **request.model_dump(exclude={"adjustment_id"}),
        )
        self._apply(adjustment, None, session, tries_only=waits)
        self._adjustments.insert(adjustment, session)
        return adjustment

    def _decide(
        self, adjustment: Adjustment, request: DecideAdjustmentRequest, session: ClientSession
    ) -> None:
        status: AdjustmentStatus = "applied" if request.approve else "rejected"
        if not self._adjustments.decide(request, status, self._clock.now(), session):
            return
        if request.approve:
            self._apply(adjustment, request.actor, session)

    def _apply(
        self,
        adjustment: Adjustment,
        approved_by: str | None,
        session: ClientSession,
        *,
        tries_only: bool = False,
    ) -> None:
        """Post the adjustment; if `tries_only`, only raise the refusal that posting would raise."""
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

    def _get(self, adjustment_id: str) -> Adjustment:
        adjustment = self._adjustments.find(adjustment_id)
        if adjustment is None:
            raise Refusal(Code.NOT_FOUND, field="adjustment_id", detail=ADJUSTMENT)
        return adjustment
