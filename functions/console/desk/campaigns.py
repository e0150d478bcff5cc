"""campaigns: edit, check and run campaigns, and report what they changed."""

from __future__ import annotations

from typing import Any

from desk.forms import form
from desk.route import Desk, Route
from huitou.marketing.audiences.models import AudienceAnswer, AudienceRequest
from huitou.marketing.audiences.service import Audiences
from huitou.marketing.campaigns.models import (
    AcceptRequest,
    Campaign,
    CampaignAnswer,
    CampaignRequest,
    CampaignsAnswer,
    CampaignsRequest,
    CampaignStepRequest,
    LintRequest,
    PutCampaignRequest,
)
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.deliveries.inbox_service import Inbox
from huitou.marketing.deliveries.models import RecipientsAnswer, RecipientsRequest
from huitou.marketing.linter.models import CheckAnswer, LintAnswer
from huitou.marketing.measurement.models import EffectAnswer
from huitou.marketing.measurement.service import Effects
from huitou.members.messaging.models import NamedPushes
from huitou.members.messaging.service import Messages
from huitou.operations.staff.models import FormAnswer, NoRequest


def _campaigns(desk: Desk) -> Campaigns:
    return Campaigns(desk.database, desk.clock)


def _target(request: Any) -> str:
    return f"campaign {request.campaign_id}"


def _step(name: str, answer: type = CampaignAnswer) -> Route:
    def take(desk: Desk, request: CampaignStepRequest) -> object:
        return getattr(_campaigns(desk), name)(request)

    return Route(CampaignStepRequest, take, answer, signed=("actor",), target=_target)


def _start(desk: Desk, request: CampaignStepRequest) -> object:
    campaigns = _campaigns(desk)
    campaigns.check_start(request.campaign_id)
    desk.rule_approvals.allow_campaign(request.campaign_id)
    return campaigns.start_campaign(request)


def _schema(desk: Desk, _: NoRequest) -> object:
    return {"form": form(desk, Campaign)}


def _pushes(desk: Desk, _: NoRequest) -> object:
    return Messages(desk.database).list_push_templates()


def _list(desk: Desk, request: CampaignsRequest) -> object:
    return _campaigns(desk).list_campaigns(request.status)


def _get(desk: Desk, request: CampaignRequest) -> object:
    return _campaigns(desk).show_campaign(request.campaign_id)


def _report(desk: Desk, request: CampaignRequest) -> object:
    return Effects(desk.database, desk.clock).report_effects(request.campaign_id, desk.lang)


def _recipients(desk: Desk, request: RecipientsRequest) -> object:
    return Inbox(desk.database, desk.clock).list_recipients(request)


def _lint(desk: Desk, request: LintRequest) -> object:
    return {"findings": _campaigns(desk).lint_campaign(request.campaign, desk.lang)}


def _audience(desk: Desk, request: AudienceRequest) -> object:
    return Audiences(desk.database, desk.clock).count_audience(request)


def _put(desk: Desk, request: PutCampaignRequest) -> object:
    return _campaigns(desk).put_campaign(request)


def _check(desk: Desk, request: CampaignStepRequest) -> object:
    return _campaigns(desk).check_campaign(request, desk.lang)


def _accept(desk: Desk, request: AcceptRequest) -> object:
    return _campaigns(desk).accept_warning(request)


ROUTES = {
    "schema": Route(NoRequest, _schema, FormAnswer),
    "pushes": Route(NoRequest, _pushes, NamedPushes),
    "list": Route(CampaignsRequest, _list, CampaignsAnswer),
    "get": Route(CampaignRequest, _get, CampaignAnswer),
    "report": Route(CampaignRequest, _report, EffectAnswer),
    "recipients": Route(RecipientsRequest, _recipients, RecipientsAnswer),
    "lint": Route(LintRequest, _lint, LintAnswer),
    "audience": Route(AudienceRequest, _audience, AudienceAnswer),
    "put": Route(
        PutCampaignRequest,
        _put,
        CampaignAnswer,
        signed=("actor",),
        target=lambda r: f"campaign {r.campaign.id}",
    ),
    "check": Route(
        CampaignStepRequest,
        _check,
        CheckAnswer,
        signed=("actor",),
        target=_target,
    ),
    "accept": Route(
        AcceptRequest,
        _accept,
        CampaignAnswer,
        signed=("actor",),
        target=_target,
    ),
    "start": Route(CampaignStepRequest, _start, CampaignAnswer, signed=("actor",), target=_target),
    "pause": _step("pause_campaign"),
    "end": _step("end_campaign"),
}
