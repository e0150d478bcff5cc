"""tier-evaluate: brings members' tiers up to what their figures deserve; tries and applies rules.

Started by trigger-relay for accounts whose tier review is due, and by its own timer, which also
finds members whose review or notice has come, and goes on applying new rules. Internal callers
(the CLI, the console) try and apply rules. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from huitou.runtime.handler import Action, Call, serve


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
    return call.each(call.due_ids("accounts"), Tiers(call.database, call.clock).evaluate)


def _evaluate_due(call: Call) -> dict[str, Any]:
    tiers, runs = Tiers(call.database, call.clock), TierRuns(call.database, call.clock)
    return call.sweep(
        {
            "outcomes": (tiers.due(), tiers.evaluate),
            "applied": (runs.members_to_do(), runs.bring),
        }
    )


def _runs(call: Call) -> TierRuns:
    return TierRuns(call.database, call.clock)


INTERNAL = {
    "rules": Action(
        RulesRequest,
        lambda call, _: {"rules": Tiers(call.database, call.clock).rules().document()},
        RulesAnswer,
    ),
    "dry_run": Action(DryRunRequest, lambda call, r: _runs(call).dry_run(r), DryRunAnswer),
    "apply": Action(ApplyRequest, lambda call, r: _runs(call).apply(r.rules), RunAnswer),
    "run": Action(RunRequest, lambda call, r: _runs(call).progress(r.seconds), RunAnswer),
}
