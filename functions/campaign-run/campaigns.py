"""Actions on campaigns: write, check, start, pause and end them."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import CampaignCall

with late_imports():
    from huitou.marketing.campaigns.models import (
        AcceptRequest,
        CampaignAnswer,
        CampaignRequest,
        CampaignsAnswer,
        CampaignsRequest,
        CampaignStepRequest,
        LintRequest,
        PutCampaignRequest,
    )
    from huitou.marketing.linter.models import CheckAnswer, LintAnswer


def put(call: CampaignCall, request: PutCampaignRequest) -> object:
    return call.campaigns.put_campaign(request)


def get(call: CampaignCall, request: CampaignRequest) -> object:
    return call.campaigns.show_campaign(request.campaign_id)


def list_campaigns(call: CampaignCall, request: CampaignsRequest) -> object:
    return call.campaigns.list_campaigns(request.status)


def lint(call: CampaignCall, request: LintRequest) -> object:
    return {"findings": call.campaigns.lint_campaign(request.campaign, call.lang)}


def check(call: CampaignCall, request: CampaignStepRequest) -> object:
    return call.campaigns.check_campaign(request, call.lang)


def accept(call: CampaignCall, request: AcceptRequest) -> object:
    return call.campaigns.accept_warning(request)


def start(call: CampaignCall, request: CampaignStepRequest) -> object:
    return call.campaigns.start_campaign(request)


def pause(call: CampaignCall, request: CampaignStepRequest) -> object:
    return call.campaigns.pause_campaign(request)


def end(call: CampaignCall, request: CampaignStepRequest) -> object:
    return call.campaigns.end_campaign(request)


INTERNAL = {
    "put": Action(PutCampaignRequest, put, CampaignAnswer),
    "get": Action(CampaignRequest, get, CampaignAnswer),
    "list": Action(CampaignsRequest, list_campaigns, CampaignsAnswer),
    "lint": Action(LintRequest, lint, LintAnswer),
    "check": Action(CampaignStepRequest, check, CheckAnswer),
    "accept": Action(AcceptRequest, accept, CampaignAnswer),
    "start": Action(CampaignStepRequest, start, CampaignAnswer),
    "pause": Action(CampaignStepRequest, pause, CampaignAnswer),
    "end": Action(CampaignStepRequest, end, CampaignAnswer),
}
