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


ROUTES = {
    "schema": Route(NoRequest, lambda desk, _: {"form": form(desk, Campaign)}, FormAnswer),
    "pushes": Route(
        NoRequest, lambda desk, _: Messages(desk.database).list_push_templates(), NamedPushes
    ),
    "list": Route(
        CampaignsRequest, lambda desk, r: _campaigns(desk).list_campaigns(r.status), CampaignsAnswer
    ),
    "get": Route(
        CampaignRequest,
        lambda desk, r: _campaigns(desk).show_campaign(r.campaign_id),
        CampaignAnswer,
    ),
    "report": Route(
        CampaignRequest,
        lambda desk, r: Effects(desk.database, desk.clock).report_effects(r.campaign_id, desk.lang),
        EffectAnswer,
    ),
    "recipients": Route(
        RecipientsRequest,
        lambda desk, r: Inbox(desk.database, desk.clock).list_recipients(r),
        RecipientsAnswer,
    ),
    "lint": Route(
        LintRequest,
        lambda desk, r: {"findings": _campaigns(desk).lint_campaign(r.campaign, desk.lang)},
        LintAnswer,
    ),
    "audience": Route(
        AudienceRequest,
        lambda desk, r: Audiences(desk.database, desk.clock).count_audience(r),
        AudienceAnswer,
    ),
    "put": Route(
        PutCampaignRequest,
        lambda desk, r: _campaigns(desk).put_campaign(r),
        CampaignAnswer,
        signed=("actor",),
        target=lambda r: f"campaign {r.campaign.id}",
    ),
    "check": Route(
        CampaignStepRequest,
        lambda desk, r: _campaigns(desk).check_campaign(r, desk.lang),
        CheckAnswer,
        signed=("actor",),
        target=_target,
    ),
    "accept": Route(
        AcceptRequest,
        lambda desk, r: _campaigns(desk).accept_warning(r),
        CampaignAnswer,
        signed=("actor",),
        target=_target,
    ),
    "start": Route(CampaignStepRequest, _start, CampaignAnswer, signed=("actor",), target=_target),
    "pause": _step("pause_campaign"),
    "end": _step("end_campaign"),
}
