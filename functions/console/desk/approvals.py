"""approvals: refunds and adjustments of points that wait for a second person."""

from __future__ import annotations

from desk.route import Desk, Route
from huitou.loyalty.adjustments.models import (
    AdjustmentAnswer,
    AdjustmentsAnswer,
    AdjustmentsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.adjustments.service import Adjustments
from huitou.operations.console.lookup_models import WaitingRefunds
from huitou.payments.refunds.models import DecideRefundRequest, RefundAnswer, RefundsRequest


def _decide_refund(desk: Desk, request: DecideRefundRequest) -> object:
    desk.lookups.get_refund(request.refund_id)  # NOT_FOUND if the person may not see it.
    return desk.ask("pay", "decide_refund", request)


def _adjustments(desk: Desk) -> Adjustments:
    return Adjustments(desk.database, desk.clock)


ROUTES = {
    "refunds": Route(
        RefundsRequest, lambda desk, r: desk.lookups.list_waiting_refunds(r), WaitingRefunds
    ),
    "decide_refund": Route(
        DecideRefundRequest,
        _decide_refund,
        RefundAnswer,
        signed=("actor", "role"),
        target=lambda r: f"refund {r.refund_id}",
        after=lambda made: {"status": made["status"]},
    ),
    "adjustments": Route(
        AdjustmentsRequest,
        lambda desk, r: _adjustments(desk).list_adjustments(r),
        AdjustmentsAnswer,
    ),
    "decide_adjustment": Route(
        DecideAdjustmentRequest,
        lambda desk, r: _adjustments(desk).decide_adjustment(r),
        AdjustmentAnswer,
        signed=("actor", "role"),
        target=lambda r: f"adjustment {r.adjustment_id}",
        after=lambda made: {"status": made.status},
    ),
}
