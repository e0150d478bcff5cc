"""coupons: edit templates, see what is left of them, and make codes for flyers."""

from __future__ import annotations

from typing import Any

from desk.forms import form
from desk.route import Desk, Route
from huitou.coupons.codes.models import (
    BatchesAnswer,
    BatchesRequest,
    CodesAnswer,
    CodesRequest,
    MakeCodesRequest,
    RevokeBatchRequest,
    ShownBatch,
)
from huitou.coupons.issuing.models import (
    ClaimLinkAnswer,
    NamedTemplates,
    PutTemplateRequest,
    TemplateAnswer,
    TemplateForm,
    TemplateRequest,
    TemplatesAnswer,
)
from huitou.coupons.issuing.service import Coupons
from huitou.operations.rule_linter.models import SavedTemplateAnswer
from huitou.operations.rule_linter.service import RuleLinter
from huitou.operations.staff.models import FormAnswer, NoRequest


def _coupons(desk: Desk) -> Coupons:
    return Coupons(desk.database, desk.clock)


def _before(desk: Desk, request: PutTemplateRequest) -> dict[str, Any]:
    name = request.template.id
    known = _coupons(desk).find_templates([name]).get(name)
    return known.document() if known else {}


def _put(desk: Desk, request: PutTemplateRequest) -> object:
    warnings = RuleLinter(desk.database, desk.clock).refuse_template(request.template, desk.lang)
    desk.rule_approvals.allow_template(request.template)
    made = _coupons(desk).put_template(request)
    return SavedTemplateAnswer(**dict(made), warnings=warnings)


def _codes(action: str) -> Any:
    # Only `coupon-issue` has the key to codes, because the console is open to the internet.
    def run(desk: Desk, request: Any) -> object:
        return desk.ask("coupon-issue", action, request)

    return run


def _schema(desk: Desk, _: NoRequest) -> object:
    return {"form": form(desk, TemplateForm)}


def _templates(desk: Desk, _: NoRequest) -> object:
    return _coupons(desk).list_named_templates()


def _list(desk: Desk, _: NoRequest) -> object:
    return _coupons(desk).list_template_states()


def _get(desk: Desk, request: TemplateRequest) -> object:
    return _coupons(desk).show_template_state(request.template_id)


def _claim_link(desk: Desk, request: TemplateRequest) -> object:
    return desk.ask("member-profile", "claim_link", request)


ROUTES = {
    "schema": Route(NoRequest, _schema, FormAnswer),
    "templates": Route(NoRequest, _templates, NamedTemplates),
    "list": Route(NoRequest, _list, TemplatesAnswer),
    "get": Route(TemplateRequest, _get, TemplateAnswer),
    "put": Route(
        PutTemplateRequest,
        _put,
        SavedTemplateAnswer,
        target=lambda r: f"coupon {r.template.id}",
        before=_before,
        after=lambda made: {"revision": made.template.revision},
    ),
    "claim_link": Route(TemplateRequest, _claim_link, ClaimLinkAnswer),
    "batches": Route(BatchesRequest, _codes("batches"), BatchesAnswer),
    # Codes are worth money to whoever has them, so we record that somebody saw them.
    "codes": Route(
        CodesRequest,
        _codes("codes"),
        CodesAnswer,
        target=lambda r: f"codes {r.batch}",
        after=lambda made: {"codes": len(made["codes"])},
    ),
    "make_codes": Route(
        MakeCodesRequest,
        _codes("make_codes"),
        ShownBatch,
        signed=("actor", "role"),
        target=lambda r: f"codes {r.batch}",
        after=lambda made: {"template_id": made["template_id"], "count": made["count"]},
    ),
    "revoke_batch": Route(
        RevokeBatchRequest,
        _codes("revoke_batch"),
        ShownBatch,
        signed=("actor",),
        target=lambda r: f"codes {r.batch}",
        after=lambda made: {"status": made["status"]},
    ),
}
