"""campaign-run: finds whom running campaigns mean, and tells each of them once.

Started by its own timer, which starts further workers of itself where there is much to do.
Internal callers (the CLI, the console) write, check, start and stop campaigns, count audiences,
and read reports. Not callable by members (their inbox is in member-profile).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.integrations.functions import Functions
from huitou.integrations.mini_program import MiniProgram
from huitou.integrations.weather import WeatherService
from huitou.marketing.audiences.models import AudienceAnswer, AudienceRequest
from huitou.marketing.audiences.service import Audiences
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
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.features.models import RebuildAnswer, RebuildRequest, TagAnswer, TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.linter.models import CheckAnswer, LintAnswer
from huitou.marketing.measurement.models import EffectAnswer
from huitou.marketing.measurement.service import Effects
from huitou.marketing.runs.models import (
    ByHandRequest,
    EventAnswer,
    EventRequest,
    RunsAnswer,
    RunsRequest,
    WorkAnswer,
    WorkRequest,
)
from huitou.marketing.runs.service import CampaignRuns
from huitou.marketing.runs.tick_service import Tick
from huitou.members.profiles.service import Members
from huitou.runtime.handler import LONGEST_S, Action, Call, serve


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve(
        "campaign-run",
        event,
        context,
        internal=INTERNAL,
        timer=lambda call: _tick(call).run(call.seconds_left() - LONGEST_S),
    )


def _tick(call: Call) -> Tick:
    members = Members(call.database, call.clock, call.settings.brand_id)
    return Tick(
        call.database,
        call.clock,
        post=MiniProgram(call.database, call.settings),
        openid=lambda member_id: members.openid_of(member_id, call.settings.wechat_appid),
        forecast=lambda lat, lng: WeatherService(call.settings).forecast(lat, lng),
        start=lambda request: Functions(call.settings.cloud, call.settings.internal_secret).start(
            "campaign-run", request
        ),
    )


def _campaigns(call: Call) -> Campaigns:
    return Campaigns(call.database, call.clock)


def _runs(call: Call) -> CampaignRuns:
    return CampaignRuns(call.database, call.clock)


def _features(call: Call) -> FeatureBook:
    return FeatureBook(call.database, call.clock)


INTERNAL = {
    "put": Action(PutCampaignRequest, lambda call, r: _campaigns(call).put(r), CampaignAnswer),
    "get": Action(
        CampaignRequest, lambda call, r: _campaigns(call).get(r.campaign_id), CampaignAnswer
    ),
    "list": Action(
        CampaignsRequest, lambda call, r: _campaigns(call).listing(r.status), CampaignsAnswer
    ),
    "lint": Action(
        LintRequest,
        lambda call, r: {"findings": _campaigns(call).lint(r.campaign, call.lang)},
        LintAnswer,
    ),
    "check": Action(
        CampaignStepRequest, lambda call, r: _campaigns(call).check(r, call.lang), CheckAnswer
    ),
    "accept": Action(AcceptRequest, lambda call, r: _campaigns(call).accept(r), CampaignAnswer),
    "start": Action(CampaignStepRequest, lambda call, r: _campaigns(call).start(r), CampaignAnswer),
    "pause": Action(CampaignStepRequest, lambda call, r: _campaigns(call).pause(r), CampaignAnswer),
    "end": Action(CampaignStepRequest, lambda call, r: _campaigns(call).end(r), CampaignAnswer),
    "audience": Action(
        AudienceRequest,
        lambda call, r: Audiences(call.database, call.clock).count(r),
        AudienceAnswer,
    ),
    "runs": Action(RunsRequest, lambda call, r: _runs(call).runs(r), RunsAnswer),
    "event": Action(EventRequest, lambda call, r: _runs(call).tell_of(r), EventAnswer),
    "by_hand": Action(ByHandRequest, lambda call, r: _runs(call).by_hand(r), EventAnswer),
    "work": Action(WorkRequest, lambda call, r: _tick(call).work(r.seconds), WorkAnswer),
    "report": Action(
        CampaignRequest,
        lambda call, r: Effects(call.database, call.clock).report(r.campaign_id, call.lang),
        EffectAnswer,
    ),
    "tag": Action(TagRequest, lambda call, r: _features(call).tag(r), TagAnswer),
    "features": Action(RebuildRequest, lambda call, r: _features(call).check(r), RebuildAnswer),
}
