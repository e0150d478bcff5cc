"""points-sync: settles orders: points, spend and coupon, once per order and state.

Started by trigger-relay for orders whose settlement is due, and by its own timer, which finds
what a lost event left behind, gives back points that were set aside and forgotten, lets points
expire or become usable on their day, and closes months that are over. Staff adjust points, merge
members and ask for statements and for what is owed through internal callers, who vouch for them;
games set points aside and use them, and reviews earn a bonus. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.growth.referrals.binding_service import FirstOrders
from huitou.loyalty.adjustments.models import (
    AdjustmentAnswer,
    AdjustmentsAnswer,
    AdjustmentsRequest,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.earning.models import AwardBonusRequest, BonusAnswer
from huitou.loyalty.holds.models import HeldPointsRequest, HoldAnswer, HoldPointsRequest
from huitou.loyalty.holds.service import Holds, shown
from huitou.loyalty.liability.models import LiabilityAnswer, LiabilityRequest
from huitou.loyalty.points.service import Points
from huitou.loyalty.statements.models import StatementRequest, WholeStatementAnswer
from huitou.operations.merges.models import MergeAnswer, MergeMembersRequest
from huitou.ordering.settlement.service import Settlement
from huitou.runtime.handler import LONGEST_S, Action, Call, serve

ONE_DAY_S = 10.0  # The longest that counting one day of a month may take, of 31.


def _settlement(call: Call) -> Settlement:
    return Settlement(call.database, call.clock, FirstOrders(call.database, call.clock))


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "points-sync", event, context,
        changes=_settle_changed, timer=_settle_due, internal=INTERNAL,
    )  # fmt: skip


def _settle_changed(call: Call) -> dict[str, Any]:
    return call.each(call.due_ids("orders"), _settlement(call).settle)


def _settle_due(call: Call) -> dict[str, Any]:
    settlement = _settlement(call)
    points, holds = Points(call.database, call.clock), _holds(call)
    liability = _liability_of(call)

    def goes_on() -> bool:
        return call.seconds_left() > 2 * LONGEST_S

    return call.sweep(
        {
            "outcomes": (settlement.due(), settlement.settle),
            "holds": (holds.due(), holds.let_go),
            "calendar": (["many at once"], lambda _: f"{points.bring_all_up_to_date(goes_on)} due"),
            "one by one": (points.due(), points.bring_up_to_date),
            "months": (liability.closable(), liability.close),
        }
    )


def _holds(call: Call) -> Holds:
    return Holds(call.database, call.clock)


# What staff and reviews ask for is loaded late: a settlement's cold start shall not pay for it.


def _award_bonus(call: Call, request: AwardBonusRequest) -> object:
    from huitou.loyalty.earning.service import Bonuses

    bonuses = Bonuses(call.database, call.clock)
    return bonuses.award(request.member_id, request.event, request.cause, call.lang)


def _liability_of(call: Call) -> Any:
    from huitou.loyalty.liability.service import Liability

    return Liability(call.database, call.clock)


def _adjustments(call: Call) -> Any:
    from huitou.loyalty.adjustments.service import Adjustments

    return Adjustments(call.database, call.clock)


def _merge_members(call: Call, request: MergeMembersRequest) -> object:
    from huitou.operations.merges.service import Merges

    return Merges(call.database, call.clock, call.settings.brand_id).merge(request)


def _statement(call: Call, request: StatementRequest) -> object:
    from huitou.loyalty.statements.service import Statements

    return Statements(call.database, call.clock).whole(request, call.lang)


def _liability(call: Call, request: LiabilityRequest) -> object:
    def goes_on() -> bool:
        return call.seconds_left() > 3 * ONE_DAY_S

    return _liability_of(call).report(request.as_of, goes_on)


INTERNAL = {
    "adjust_points": Action(
        AdjustPointsRequest, lambda call, r: _adjustments(call).ask(r), AdjustmentAnswer
    ),
    "decide_adjustment": Action(
        DecideAdjustmentRequest, lambda call, r: _adjustments(call).decide(r), AdjustmentAnswer
    ),
    "adjustments": Action(
        AdjustmentsRequest, lambda call, r: _adjustments(call).listing(r), AdjustmentsAnswer
    ),
    "merge_members": Action(MergeMembersRequest, _merge_members, MergeAnswer),
    "statement": Action(StatementRequest, _statement, WholeStatementAnswer),
    "liability": Action(LiabilityRequest, _liability, LiabilityAnswer),
    "award_bonus": Action(AwardBonusRequest, _award_bonus, BonusAnswer),
    "hold_points": Action(
        HoldPointsRequest,
        lambda call, r: shown(_holds(call).hold(r.member_id, r.hold_id, r.points, r.purpose)),
        HoldAnswer,
    ),
    "commit_points": Action(
        HeldPointsRequest, lambda call, r: shown(_holds(call).commit(r.hold_id)), HoldAnswer
    ),
    "release_points": Action(
        HeldPointsRequest, lambda call, r: shown(_holds(call).release(r.hold_id)), HoldAnswer
    ),
}
