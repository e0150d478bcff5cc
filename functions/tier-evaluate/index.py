"""tier-evaluate: brings members' tiers up to what their figures deserve; tries and applies rules.

Started for accounts whose tier review is due, by the function that made it due. Its own timer
starts it too: it finds members whose review or notice is due by the day, and goes on rolling out
new rules. Internal callers (the CLI, the console) try and apply rules. Members can't call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.loyalty.tier_rollouts.models import (
        ApplyRequest,
        DryRunAnswer,
        DryRunRequest,
        RulesAnswer,
        RulesRequest,
        RunAnswer,
        RunRequest,
    )
    from huitou.loyalty.tier_rollouts.service import TierRuns
    from huitou.loyalty.tiers.service import Tiers
    from huitou.operations.rule_linter.service import RuleLinter


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "tier-evaluate",
        event,
        context,
        internal=INTERNAL,
        changes=_evaluate_changed,
        timer=_evaluate_due,
    )


def _evaluate_changed(call: Call) -> dict[str, Any]:
    tiers = _tiers(call)
    return call.each(call.due_ids("accounts"), tiers.evaluate_member, tiers.evaluate_members)


def _evaluate_due(call: Call) -> dict[str, Any]:
    tiers, runs = _tiers(call), _runs(call)
    return call.sweep(
        {
            "outcomes": (tiers.due_reviews(), tiers.evaluate_member, tiers.evaluate_members),
            "applied": (runs.members_to_do(), runs.evaluate_member),
        }
    )


def _tiers(call: Call) -> Tiers:
    return Tiers(call.database, call.clock)


def _runs(call: Call) -> TierRuns:
    return TierRuns(call.database, call.clock)


def _rules(call: Call, _: RulesRequest) -> object:
    return {"rules": _tiers(call).rules().document()}


def _dry_run(call: Call, request: DryRunRequest) -> object:
    return _runs(call).dry_run_rules(request)


def _apply(call: Call, request: ApplyRequest) -> object:
    RuleLinter(call.database, call.clock).refuse_tiers(request.rules)
    return _runs(call).apply_rules(request.rules)


def _run(call: Call, request: RunRequest) -> object:
    return _runs(call).show_progress(request.seconds)


INTERNAL = {
    "rules": Action(RulesRequest, _rules, RulesAnswer),
    "dry_run": Action(DryRunRequest, _dry_run, DryRunAnswer),
    "apply": Action(ApplyRequest, _apply, RunAnswer),
    "run": Action(RunRequest, _run, RunAnswer),
}
