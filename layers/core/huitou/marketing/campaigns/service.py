"""A campaign's life: draft, checked, running, paused, ended; each step is kept with its actor."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from huitou.catalog.stores.rules import brand_day, shifted
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.campaigns.errors import CAMPAIGN, CAMPAIGN_STATUS, CampaignErrors
from huitou.marketing.campaigns.models import (
    Acceptance,
    AcceptRequest,
    Campaign,
    CampaignState,
    CampaignStepRequest,
    Change,
    PutCampaignRequest,
    Status,
)
from huitou.marketing.campaigns.repository import CampaignRepository
from huitou.marketing.campaigns.rules import STEPS, runs_on_days
from huitou.marketing.features.service import FeatureBook
from huitou.marketing.linter.models import Facts, Finding
from huitou.marketing.linter.rules import check, promised, rule_names
from huitou.members.messaging.service import Messages
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal, Unavailable


class Campaigns:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRepository(database)
        self._coupons = Coupons(database, clock)
        self._features = FeatureBook(database, clock)
        self._messages = Messages(database)

    # --- reading ------------------------------------------------------------------------------

    def list_campaigns(self, status: Status | None) -> dict[str, Any]:
        """List the campaigns with one status, or all, the highest priority first."""
        states = self._repository.states(status)
        contents = self._repository.named([state.id for state in states])
        return {"campaigns": [_shown_campaign(state, contents[state.id]) for state in states]}

    def show_campaign(self, campaign_id: str) -> dict[str, Any]:
        """Return a campaign with its history; raises Refusal NOT_FOUND for an unknown id."""
        state, campaign = self._state(campaign_id), self._content(campaign_id)
        return {
            "campaign": _shown_campaign(state, campaign),
            "content": campaign,
            "acceptances": state.acceptances,
            "changes": state.changes,
        }

    def running_campaigns(self) -> list[tuple[CampaignState, Campaign]]:
        """Return the running campaigns in the revision that members get, highest priority first."""
        states = self._repository.states("running")
        contents = self._repository.named([state.id for state in states])
        found = [(state, self._as_sent(state, contents.get(state.id))) for state in states]
        return [(state, campaign) for state, campaign in found if campaign is not None]

    def is_over(self, campaign_id: str) -> bool:
        """Tell whether a campaign has ended, or never existed."""
        state = self._repository.state(campaign_id)
        return state is None or state.status == "ended"

    def find_running_campaign(self, campaign_id: str) -> tuple[CampaignState, Campaign] | None:
        """Return a campaign in the revision that members get; None if it doesn't run."""
        state = self._repository.state(campaign_id)
        if state is None or state.status != "running":
            return None
        campaign = self._as_sent(state, self._repository.find(campaign_id))
        return (state, campaign) if campaign is not None else None

    def _as_sent(self, state: CampaignState, written: Campaign | None) -> Campaign | None:
        """Return the revision that members get; nearly always it is `written`, the latest one."""
        sent = state.running_revision
        if written is not None and written.revision == sent:
            return written
        return self._repository.revision(state.id, sent) if sent is not None else None

    def _state(self, campaign_id: str) -> CampaignState:
        state = self._repository.state(campaign_id)
        if state is None:
            raise Refusal(Code.NOT_FOUND, field="campaign_id", detail=CAMPAIGN)
        return state

    def _content(self, campaign_id: str) -> Campaign:
        campaign = self._repository.find(campaign_id)
        if campaign is None:
            raise Refusal(Code.NOT_FOUND, field="campaign_id", detail=CAMPAIGN)
        return campaign

    def note_events_seen(self, campaign_id: str, moment: datetime) -> None:
        """Note up to which moment a campaign's events were looked at."""
        self._repository.seen(campaign_id, moment)

    def note_days_planned(self, campaign_id: str, day: str) -> None:
        """Note up to which day a campaign's runs are planned."""
        self._repository.planned(campaign_id, day)

    def reserve_messages(self, campaign: Campaign, wanted: int, day: str) -> int:
        """Count messages against a campaign's limits, in all and a day.

        Returns how many of the `wanted` ones it may send.
        """
        limits = campaign.limits
        for most, counter in ((limits.a_day, f"exposed_on.{day}"), (limits.total, "exposed")):
            if most is not None and wanted:
                wanted = self._repository.reserve(campaign.id, wanted, most, counter)
        return wanted

    def find_revision(
        self, campaign_id: str, revision: int
    ) -> tuple[CampaignState, Campaign] | None:
        """Return a campaign in one revision, whether it runs or not; None if there is none."""
        state = self._repository.state(campaign_id)
        campaign = self._repository.revision(campaign_id, revision)
        return (state, campaign) if state is not None and campaign is not None else None

    def end_finished_campaigns(self) -> list[tuple[CampaignState, Campaign]]:
        """End the campaigns that can send no late messages any more; returns those that go on."""
        going_on, today = [], brand_day(self._clock.now())
        for state, campaign in self.running_campaigns():
            if shifted(campaign.valid_until.isoformat(), runs_on_days(campaign)) < today:
                self._step(state, "ended", "clock", "valid_until")
            else:
                going_on.append((state, campaign))
        return going_on

    # --- writing ------------------------------------------------------------------------------

    def put_campaign(self, request: PutCampaignRequest) -> dict[str, Any]:
        """Store a draft; storing the same one again changes nothing.

        Raises Refusal CAMPAIGN_NOT_AT_THIS_STEP if the campaign runs or has ended, and
        INVALID_REQUEST if it has run before and no reason is given.
        """
        campaign = request.campaign
        state = self._repository.state(campaign.id)
        if state is None:
            self._repository.put(campaign)
            now = self._clock.now()
            begun = CampaignState(
                id=campaign.id,
                revision=campaign.revision,
                priority=campaign.priority,
                salt=secrets.token_hex(16),
                changes=[
                    Change(
                        to="draft",
                        revision=campaign.revision,
                        actor=request.actor,
                        at=now,
                        reason=request.reason,
                    )
                ],
            )
            self._repository.insert_state(begun)
            return self.show_campaign(campaign.id)
        if campaign == self._repository.find(campaign.id):
            return self.show_campaign(campaign.id)
        _check_step(state, "draft")
        if state.started_at is not None and request.reason is None:
            raise Refusal(Code.INVALID_REQUEST, field="reason", detail="reason")
        self._repository.put(campaign)
        self._step(
            state,
            "draft",
            request.actor,
            request.reason,
            revision=campaign.revision,
            priority=campaign.priority,
            checked=None,
        )
        return self.show_campaign(campaign.id)

    def lint_campaign(self, campaign: Campaign, lang: Lang = "zh") -> list[Finding]:
        """Return the linter's findings about a campaign, which needn't be stored."""
        state = self._repository.state(campaign.id)
        ran = None
        if state is not None and state.running_revision is not None:
            ran = self._repository.revision(campaign.id, state.running_revision)
        names = [v.gift.template_id for v in campaign.variants if v.gift.template_id is not None]
        today = brand_day(self._clock.now())
        facts = Facts(
            templates=self._coupons.find_templates(names),
            messages=self._messages.message_rules(),
            lowest_fen={
                was.dish_id: self._features.lowest_fen(was.dish_id, today)
                for was in campaign.mechanic.was_prices
            },
            before=promised(ran) if ran is not None else None,
        )
        return check(campaign, facts, lang)

    def check_campaign(self, request: CampaignStepRequest, lang: Lang = "zh") -> dict[str, Any]:
        """Check a draft by the linter's rules.

        It becomes `checked` if there are no errors and every warning was accepted.
        """
        state, campaign = self._state(request.campaign_id), self._content(request.campaign_id)
        findings = self.lint_campaign(campaign, lang)
        accepted = {a.rule for a in state.acceptances if a.revision == state.revision}
        waiting = [f for f in findings if f.severity == "warning" and f.rule not in accepted]
        errors = [f for f in findings if f.severity == "error"]
        if state.status == "draft" and not errors and not waiting:
            self._step(state, "checked", request.actor, None, checked=state.revision)
        status = self._state(request.campaign_id).status
        return {"status": status, "findings": findings, "to_accept": [f.rule for f in waiting]}

    def accept_warning(self, request: AcceptRequest) -> dict[str, Any]:
        """Store that a person accepts a warning about the present revision."""
        state = self._state(request.campaign_id)
        if request.rule not in rule_names():
            raise Refusal(Code.INVALID_REQUEST, field="rule", detail=", ".join(rule_names()))
        self._repository.accept(
            state.id,
            Acceptance(
                rule=request.rule,
                revision=state.revision,
                actor=request.actor,
                at=self._clock.now(),
            ),
        )
        return self.show_campaign(state.id)

    def start_campaign(self, request: CampaignStepRequest) -> dict[str, Any]:
        """Start a checked campaign, or a paused one again.

        What fell into the pause is not sent later. Raises Refusal CAMPAIGN_NOT_CHECKED if the
        present revision hasn't passed the linter.
        """
        state = self.check_start(request.campaign_id)
        now = self._clock.now()
        self._step(
            state,
            "running",
            request.actor,
            request.reason,
            running_revision=state.revision,
            started_at=state.started_at or now,
            seen_to=now,
            planned_to=max(state.planned_to or "", shifted(brand_day(now), -1)),
        )
        return self.show_campaign(state.id)

    def check_start(self, campaign_id: str) -> CampaignState:
        """Return the state of a campaign that passed the linter, or raise as `start_campaign`."""
        state = self._state(campaign_id)
        if state.status == "draft" or state.checked != state.revision:
            raise Refusal(CampaignErrors.CAMPAIGN_NOT_CHECKED)
        _check_step(state, "running")
        return state

    def pause_campaign(self, request: CampaignStepRequest) -> dict[str, Any]:
        """Stop a campaign's messages until it is started again."""
        return self._stop(request, "paused")

    def end_campaign(self, request: CampaignStepRequest) -> dict[str, Any]:
        """End a campaign for ever; its report stays."""
        return self._stop(request, "ended")

    def _stop(self, request: CampaignStepRequest, to: Status) -> dict[str, Any]:
        state = self._state(request.campaign_id)
        if state.status != to:
            self._step(state, to, request.actor, request.reason)
        return self.show_campaign(state.id)

    def _step(
        self, state: CampaignState, to: Status, actor: str, reason: str | None, **changes: Any
    ) -> None:
        _check_step(state, to)
        revision = int(changes.get("revision", state.revision))
        change = Change(to=to, revision=revision, actor=actor, at=self._clock.now(), reason=reason)
        # If two operators take a step from the same state, one of them loses and must look again.
        if not self._repository.step(state, change, **changes):
            raise Unavailable


def _check_step(state: CampaignState, to: Status) -> None:
    if to not in STEPS[state.status]:
        raise Refusal(
            CampaignErrors.CAMPAIGN_NOT_AT_THIS_STEP,
            field="campaign_id",
            detail=CAMPAIGN_STATUS[state.status],
        )


def _shown_campaign(state: CampaignState, campaign: Campaign) -> dict[str, Any]:
    return {
        "campaign_id": state.id,
        "name": campaign.name,
        "kind": campaign.trigger.kind,
        "status": state.status,
        "priority": campaign.priority,
        "revision": state.revision,
        "sends": state.running_revision,
        "valid_from": campaign.valid_from.isoformat(),
        "valid_until": campaign.valid_until.isoformat(),
        "holdout_bp": campaign.holdout_bp,
    }
