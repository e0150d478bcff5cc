"""Actions on audiences, tags, features, runs, events and reports, and the work of the timer."""

from __future__ import annotations

from typing import Any

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from huitou.runtime.sweeps import LONGEST_S
from services import CampaignCall

with late_imports():
    from huitou.marketing.audiences.models import AudienceAnswer, AudienceRequest
    from huitou.marketing.campaigns.models import CampaignRequest
    from huitou.marketing.features.models import (
        RebuildAnswer,
        RebuildRequest,
        TagAnswer,
        TagRequest,
    )
    from huitou.marketing.measurement.models import EffectAnswer
    from huitou.marketing.runs.models import (
        ByHandRequest,
        EventAnswer,
        EventRequest,
        RunsAnswer,
        RunsRequest,
        WorkAnswer,
        WorkRequest,
    )


def tick(call: CampaignCall) -> dict[str, Any]:
    """Plan what has come due and send messages, for as long as the platform lets this call run."""
    return call.tick.run_tick(call.seconds_left() - LONGEST_S)


def audience(call: CampaignCall, request: AudienceRequest) -> object:
    return call.audiences.count_audience(request)


def tag(call: CampaignCall, request: TagRequest) -> object:
    return call.features.tag_members(request)


def features(call: CampaignCall, request: RebuildRequest) -> object:
    return call.features.check_features(request)


def runs(call: CampaignCall, request: RunsRequest) -> object:
    return call.runs.list_runs(request)


def event(call: CampaignCall, request: EventRequest) -> object:
    return call.runs.report_event(request)


def by_hand(call: CampaignCall, request: ByHandRequest) -> object:
    return call.runs.send_by_hand(request)


def work(call: CampaignCall, request: WorkRequest) -> object:
    return call.tick.work_on_due_runs(request.seconds)


def report(call: CampaignCall, request: CampaignRequest) -> object:
    return call.effects.report_effects(request.campaign_id, call.lang)


INTERNAL = {
    "audience": Action(AudienceRequest, audience, AudienceAnswer),
    "tag": Action(TagRequest, tag, TagAnswer),
    "features": Action(RebuildRequest, features, RebuildAnswer),
    "runs": Action(RunsRequest, runs, RunsAnswer),
    "event": Action(EventRequest, event, EventAnswer),
    "by_hand": Action(ByHandRequest, by_hand, EventAnswer),
    "work": Action(WorkRequest, work, WorkAnswer),
    "report": Action(CampaignRequest, report, EffectAnswer),
}
