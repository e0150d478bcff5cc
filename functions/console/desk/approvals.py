"""approvals: refunds, adjustments of points and merges that wait for a second person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from desk.route import Desk, Route
from huitou.loyalty.adjustments.errors import ADJUSTMENT, AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    Adjustment,
    AdjustmentAnswer,
    AdjustmentsAnswer,
    AdjustmentsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.adjustments.service import Adjustments
from huitou.operations.console.lookup_models import WaitingRefunds
from huitou.operations.merges.errors import MERGE
from huitou.operations.merges.models import (
    DecideMergeRequest,
    Merge,
    MergeAnswer,
    MergesAnswer,
    MergesRequest,
    WaitingMerge,
)
from huitou.operations.merges.service import Merges
from huitou.operations.staff.rules import DECIDE_RULES
from huitou.payments.refunds.models import DecideRefundRequest, RefundAnswer, RefundsRequest
from huitou.runtime.errors import Code, Refusal

Asked = TypeVar("Asked", Adjustment, AdjustmentAnswer, Merge, WaitingMerge)


def _decide_refund(desk: Desk, request: DecideRefundRequest) -> object:
    desk.lookups.get_refund(request.refund_id)  # NOT_FOUND if the person may not see it.
    return desk.ask("pay", "decide_refund", request)


def _adjustments(desk: Desk) -> Adjustments:
    return Adjustments(desk.database, desk.clock)


def _of_near(desk: Desk, asked: Sequence[Asked]) -> list[Asked]:
    """Return what colleagues of the person's stores asked for, so pages may be shorter."""
    near = desk.colleagues.near([one.actor for one in asked])
    return [one for one in asked if one.actor in near]


def _list_adjustments(desk: Desk, request: AdjustmentsRequest) -> object:
    page = _adjustments(desk).list_adjustments(request)
    return page.model_copy(update={"adjustments": _of_near(desk, page.adjustments)})


def _decide_adjustment(desk: Desk, request: DecideAdjustmentRequest) -> object:
    asked = _adjustments(desk).get_adjustment(request.adjustment_id)
    if not _of_near(desk, [asked]):
        raise Refusal(Code.NOT_FOUND, field="adjustment_id", detail=ADJUSTMENT)
    if (asked.rule or asked.codes) and desk.staff.role not in DECIDE_RULES:
        raise Refusal(AdjustmentErrors.RULE_NOT_YOUR_ROLE, field="role")
    alone = desk.colleagues.is_alone()
    return _adjustments(desk).decide_adjustment(request, is_alone=alone)


def _merges(desk: Desk) -> Merges:
    return Merges(desk.database, desk.clock, desk.brand_id)


def _list_merges(desk: Desk, request: MergesRequest) -> object:
    page = _merges(desk).list_merges(request)
    return page.model_copy(update={"merges": _of_near(desk, page.merges)})


def _decide_merge(desk: Desk, request: DecideMergeRequest) -> object:
    if not _of_near(desk, [_merges(desk).get_merge(request.merge_id)]):
        raise Refusal(Code.NOT_FOUND, field="merge_id", detail=MERGE)
    return _merges(desk).decide_merge(request)


def _refunds(desk: Desk, request: RefundsRequest) -> object:
    return desk.lookups.list_waiting_refunds(request)


ROUTES = {
    "refunds": Route(RefundsRequest, _refunds, WaitingRefunds),
    "decide_refund": Route(
        DecideRefundRequest,
        _decide_refund,
        RefundAnswer,
        signed=("actor", "role"),
        target=lambda r: f"refund {r.refund_id}",
        after=lambda made: {"status": made["status"]},
    ),
    "adjustments": Route(AdjustmentsRequest, _list_adjustments, AdjustmentsAnswer),
    "decide_adjustment": Route(
        DecideAdjustmentRequest,
        _decide_adjustment,
        AdjustmentAnswer,
        signed=("actor", "role"),
        target=lambda r: f"adjustment {r.adjustment_id}",
        after=lambda made: {"status": made.status},
    ),
    "merges": Route(MergesRequest, _list_merges, MergesAnswer),
    "decide_merge": Route(
        DecideMergeRequest,
        _decide_merge,
        MergeAnswer,
        signed=("actor",),
        target=lambda r: f"merge {r.merge_id}",
        after=lambda made: made.model_dump(mode="json"),
    ),
}
