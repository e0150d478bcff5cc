"""tiers: edit the rules in a form, try them on all members, then apply them."""

from __future__ import annotations

from typing import Any

from desk.forms import form
from desk.route import Desk, Route
from huitou.loyalty.tier_rollouts.models import (
    ApplyRequest,
    DryRunAnswer,
    DryRunRequest,
    RunAnswer,
    RunRequest,
)
from huitou.loyalty.tier_rollouts.service import TierRuns
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.loyalty.tiers.shown_models import (
    TierHistoryAnswer,
    TierPreviewAnswer,
    TierPreviewRequest,
)
from huitou.operations.rule_linter.models import AppliedTiersAnswer
from huitou.operations.rule_linter.service import RuleLinter
from huitou.operations.staff.models import FormAnswer, NoRequest


def _tiers(desk: Desk) -> Tiers:
    return Tiers(desk.database, desk.clock)


def _runs(desk: Desk) -> TierRuns:
    return TierRuns(desk.database, desk.clock)


def _document(desk: Desk, _: ApplyRequest) -> dict[str, Any]:
    return _tiers(desk).rules().document()


def _apply(desk: Desk, request: ApplyRequest) -> object:
    warnings = RuleLinter(desk.database, desk.clock).refuse_tiers(request.rules, desk.lang)
    desk.rule_approvals.allow_tiers(request.rules)
    return {**_runs(desk).apply_rules(request.rules), "warnings": warnings}


def _schema(desk: Desk, _: NoRequest) -> object:
    return {"form": form(desk, TierRules)}


def _history(desk: Desk, _: NoRequest) -> object:
    return _tiers(desk).rules_history()


def _preview(desk: Desk, request: TierPreviewRequest) -> object:
    return _tiers(desk).preview_rules(request, desk.lang)


def _dry_run(desk: Desk, request: DryRunRequest) -> object:
    return _runs(desk).dry_run_rules(request)


def _progress(desk: Desk, request: RunRequest) -> object:
    return _runs(desk).show_progress(request.seconds)


ROUTES = {
    "schema": Route(NoRequest, _schema, FormAnswer),
    "history": Route(NoRequest, _history, TierHistoryAnswer),
    "preview": Route(TierPreviewRequest, _preview, TierPreviewAnswer),
    "dry_run": Route(DryRunRequest, _dry_run, DryRunAnswer),
    "apply": Route(
        ApplyRequest,
        _apply,
        AppliedTiersAnswer,
        target=lambda _: "tiers",
        before=_document,
        after=lambda made: {"revision": made["revision"]},
    ),
    "progress": Route(RunRequest, _progress, RunAnswer),
}
