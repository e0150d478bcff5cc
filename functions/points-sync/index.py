"""points-sync: settles orders: points, spend and coupon, once per order and state.

Started for orders whose settlement is due, by the function that made it due. Its own timer starts
it too: it settles orders whose call was lost, gives back points that were set aside and forgotten,
lets points expire or become usable on their day, and closes months that are over. Internal callers,
who vouch for staff, adjust points, merge members and ask for statements and for what is owed; games
set points aside and use them, and reviews earn a bonus. Members can't call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.growth.referrals.binding_service import FirstOrders
    from huitou.loyalty.adjustments.models import (
        AdjustmentAnswer,
        AdjustmentsAnswer,
        AdjustmentsRequest,
        AdjustPointsRequest,
        DecideAdjustmentRequest,
    )
    from huitou.loyalty.adjustments.service import Adjustments
    from huitou.loyalty.earning.models import AwardBonusRequest, BonusAnswer
    from huitou.loyalty.earning.service import Bonuses
    from huitou.loyalty.holds.models import HeldPointsRequest, HoldAnswer, HoldPointsRequest
    from huitou.loyalty.holds.service import Holds, shown_hold
    from huitou.loyalty.liability.models import LiabilityAnswer, LiabilityRequest
    from huitou.loyalty.liability.service import Liability
    from huitou.loyalty.points.service import Points
    from huitou.loyalty.statements.models import StatementRequest, WholeStatementAnswer
    from huitou.loyalty.statements.service import Statements
    from huitou.operations.merges.models import (
        DecideMergeRequest,
        MergeAnswer,
        MergeMembersRequest,
        MergesAnswer,
        MergesRequest,
    )
    from huitou.operations.merges.service import Merges
    from huitou.ordering.settlement.service import Settlement


ONE_DAY_S = 10.0  # The longest that counting one day of a month may take.


class PointsCall(Call):
    """One call of points-sync with the services it may use, each built when first asked for.

    Services for staff and reviews are imported when used, so that settling starts faster.
    """

    @cached_property
    def settlement(self) -> Settlement:
        return Settlement(self.database, self.clock, FirstOrders(self.database, self.clock))

    @cached_property
    def points(self) -> Points:
        return Points(self.database, self.clock)

    @cached_property
    def holds(self) -> Holds:
        return Holds(self.database, self.clock)

    @cached_property
    def liability(self) -> Liability:
        return Liability(self.database, self.clock)

    @cached_property
    def adjustments(self) -> Adjustments:
        return Adjustments(self.database, self.clock)

    @cached_property
    def bonuses(self) -> Bonuses:
        return Bonuses(self.database, self.clock)

    @cached_property
    def merges(self) -> Merges:
        settings = self.settings
        return Merges(self.database, self.clock, settings.brand_id, settings.token_key)

    @cached_property
    def statements(self) -> Statements:
        return Statements(self.database, self.clock)


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "points-sync",
        event,
        context,
        call_type=PointsCall,
        changes=_settle_changed,
        timer=_settle_due,
        internal=INTERNAL,
    )


def _settle_changed(call: PointsCall) -> dict[str, Any]:
    return call.each(call.due_ids("orders"), call.settlement.settle_order)


def _settle_due(call: PointsCall) -> dict[str, Any]:
    settlement, points, holds = call.settlement, call.points, call.holds
    liability = call.liability
    calendar = (points.due_accounts(), points.bring_up_to_date, points.bring_all_up_to_date)
    return call.sweep(
        {
            "outcomes": (settlement.due_orders(), settlement.settle_order),
            "holds": (holds.due_holds(), holds.release_due_hold),
            "calendar": calendar,
            "months": (liability.closable_months(), liability.close_month),
        }
    )


def _adjust_points(call: PointsCall, request: AdjustPointsRequest) -> object:
    return call.adjustments.ask_for_adjustment(request)


def _decide_adjustment(call: PointsCall, request: DecideAdjustmentRequest) -> object:
    return call.adjustments.decide_adjustment(request)


def _adjustments(call: PointsCall, request: AdjustmentsRequest) -> object:
    return call.adjustments.list_adjustments(request)


def _merge_members(call: PointsCall, request: MergeMembersRequest) -> object:
    return call.merges.merge_members(request)


def _decide_merge(call: PointsCall, request: DecideMergeRequest) -> object:
    return call.merges.decide_merge(request)


def _merges(call: PointsCall, request: MergesRequest) -> object:
    return call.merges.list_merges(request)


def _statement(call: PointsCall, request: StatementRequest) -> object:
    return call.statements.whole_statement(request, call.lang)


def _liability(call: PointsCall, request: LiabilityRequest) -> object:
    def goes_on() -> bool:
        return call.seconds_left() > 3 * ONE_DAY_S

    return call.liability.report_liability(request.as_of, goes_on)


def _award_bonus(call: PointsCall, request: AwardBonusRequest) -> object:
    return call.bonuses.award_bonus(request.member_id, request.event, request.cause, call.lang)


def _hold_points(call: PointsCall, request: HoldPointsRequest) -> object:
    held = call.holds.hold_points(
        request.member_id, request.hold_id, request.points, request.purpose
    )
    return shown_hold(held)


def _commit_points(call: PointsCall, request: HeldPointsRequest) -> object:
    return shown_hold(call.holds.commit_points(request.hold_id))


def _release_points(call: PointsCall, request: HeldPointsRequest) -> object:
    return shown_hold(call.holds.release_points(request.hold_id))


INTERNAL = {
    "adjust_points": Action(AdjustPointsRequest, _adjust_points, AdjustmentAnswer),
    "decide_adjustment": Action(DecideAdjustmentRequest, _decide_adjustment, AdjustmentAnswer),
    "adjustments": Action(AdjustmentsRequest, _adjustments, AdjustmentsAnswer),
    "merge_members": Action(MergeMembersRequest, _merge_members, MergeAnswer),
    "decide_merge": Action(DecideMergeRequest, _decide_merge, MergeAnswer),
    "merges": Action(MergesRequest, _merges, MergesAnswer),
    "statement": Action(StatementRequest, _statement, WholeStatementAnswer),
    "liability": Action(LiabilityRequest, _liability, LiabilityAnswer),
    "award_bonus": Action(AwardBonusRequest, _award_bonus, BonusAnswer),
    "hold_points": Action(HoldPointsRequest, _hold_points, HoldAnswer),
    "commit_points": Action(HeldPointsRequest, _commit_points, HoldAnswer),
    "release_points": Action(HeldPointsRequest, _release_points, HoldAnswer),
}
