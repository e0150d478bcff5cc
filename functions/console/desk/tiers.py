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


def _document(desk: Desk) -> dict[str, Any]:
    return _tiers(desk).rules().document()


def _apply(desk: Desk, request: ApplyRequest) -> object:
    warnings = RuleLinter(desk.database, desk.clock).refuse_tiers(request.rules, desk.lang)
    desk.rule_approvals.allow_tiers(request.rules)
    return {**_runs(desk).apply_rules(request.rules), "warnings": warnings}


ROUTES = {
    "schema": Route(NoRequest, lambda desk, _: {"form": form(desk, TierRules)}, FormAnswer),
    "history": Route(NoRequest, lambda desk, _: _tiers(desk).rules_history(), TierHistoryAnswer),
    "preview": Route(
        TierPreviewRequest,
        lambda desk, r: _tiers(desk).preview_rules(r, desk.lang),
        TierPreviewAnswer,
    ),
    "dry_run": Route(DryRunRequest, lambda desk, r: _runs(desk).dry_run_rules(r), DryRunAnswer),
    "apply": Route(
        ApplyRequest,
        _apply,
        AppliedTiersAnswer,
        target=lambda _: "tiers",
        before=lambda desk, _: _document(desk),
        after=lambda made: {"revision": made["revision"]},
    ),
    "progress": Route(RunRequest, lambda desk, r: _runs(desk).show_progress(r.seconds), RunAnswer),
}
