"""maintenance: declarations, set-up, import of history, reconciliation, dead letters.

For internal callers only (the CLI, through the platform's Invoke): what is done to data from a
developer's machine is done here, beside the data. Not callable by members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.integrations.functions import Functions
    from huitou.marketing.linter.models import LintAnswer
    from huitou.operations.imports.balance_models import BalancesReport, ImportBalancesRequest
    from huitou.operations.imports.balance_service import Balances
    from huitou.operations.imports.models import ImportOrdersRequest, ImportReport
    from huitou.operations.imports.service import OrderImport
    from huitou.operations.imports.undo_models import (
        ImportsAnswer,
        ImportsRequest,
        UndoAnswer,
        UndoRequest,
    )
    from huitou.operations.imports.undo_service import ImportUndo
    from huitou.operations.maintenance.models import (
        DeadLettersAnswer,
        DeadLettersRequest,
        DeclareAnswer,
        DeclareRequest,
        HealthAnswer,
        HealthRequest,
        LoadAnswer,
        LoadRequest,
        ReplayAnswer,
        ReplayRequest,
    )
    from huitou.operations.maintenance.service import Maintenance
    from huitou.operations.reconciliation.models import ReconcileAnswer, ReconcileRequest
    from huitou.operations.reconciliation.service import Reconciliation
    from huitou.runtime.declarations import declare


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("maintenance", event, context, internal=INTERNAL)


def _maintenance(call: Call) -> Maintenance:
    return Maintenance(call.database, call.clock)


def _declare(call: Call, _: DeclareRequest) -> object:
    return declare(call.database)


def _load(call: Call, request: LoadRequest) -> object:
    return _maintenance(call).load_chain(request, call.lang)


def _lint(call: Call, request: LoadRequest) -> object:
    return _maintenance(call).lint_rules(request, call.lang)


def _import_orders(call: Call, request: ImportOrdersRequest) -> object:
    return OrderImport(call.database, call.clock, call.settings.brand_id).run(request)


def _imports(call: Call, request: ImportsRequest) -> object:
    return ImportUndo(call.database, call.clock, call.settings.brand_id).list_imports(request)


def _undo_import(call: Call, request: UndoRequest) -> object:
    return ImportUndo(call.database, call.clock, call.settings.brand_id).undo_batch(request)


def _import_balances(call: Call, request: ImportBalancesRequest) -> object:
    return Balances(call.database, call.clock, call.settings.brand_id).run(request)


def _reconcile(call: Call, request: ReconcileRequest) -> object:
    return Reconciliation(call.database, call.clock).reconcile_page(request.after, request.limit)


def _health(call: Call, _: HealthRequest) -> object:
    return _maintenance(call).show_health()


def _dead_letters(call: Call, request: DeadLettersRequest) -> object:
    return _maintenance(call).list_dead_letters(request.limit)


def _replay(call: Call, request: ReplayRequest) -> object:
    functions = Functions(call.settings.cloud, call.settings.internal_secret)
    return _maintenance(call).replay_dead_letter(request.letter_id, functions.start)


INTERNAL = {
    "declare": Action(DeclareRequest, _declare, DeclareAnswer),
    "load": Action(LoadRequest, _load, LoadAnswer),
    "lint": Action(LoadRequest, _lint, LintAnswer),
    "import_orders": Action(ImportOrdersRequest, _import_orders, ImportReport),
    "imports": Action(ImportsRequest, _imports, ImportsAnswer),
    "undo_import": Action(UndoRequest, _undo_import, UndoAnswer),
    "import_balances": Action(ImportBalancesRequest, _import_balances, BalancesReport),
    "reconcile": Action(ReconcileRequest, _reconcile, ReconcileAnswer),
    "health": Action(HealthRequest, _health, HealthAnswer),
    "dead_letters": Action(DeadLettersRequest, _dead_letters, DeadLettersAnswer),
    "replay": Action(ReplayRequest, _replay, ReplayAnswer),
}
