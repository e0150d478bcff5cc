"""Find the members whom running campaigns are for, page by page, and write to each once.

Any number of workers may do this at once and be killed at any moment. The cursor moves after a
page is done, and an exposure can be written only once. Leases only keep two workers from doing the
same work twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE
from huitou.catalog.stores.rules import day_bounds
from huitou.catalog.stores.service import Stores
from huitou.marketing.campaigns.errors import CAMPAIGN
from huitou.marketing.campaigns.models import Campaign, CampaignState
from huitou.marketing.campaigns.rules import (
    Ends,
    exposure_id,
)
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.models import Delivery
from huitou.marketing.deliveries.rules import Occasion, Sending
from huitou.marketing.deliveries.service import Deliveries
from huitou.marketing.runs.day_service import PAGE, DayMembers
from huitou.marketing.runs.events import Event
from huitou.marketing.runs.lasting_service import Lasting
from huitou.marketing.runs.models import ByHandRequest, EventRequest, Run, RunsRequest
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.marketing.runs.rules import (
    A_NIGHT,
    LOOK_BACK,
    is_past,
    is_stale,
    met_now,
    resumed_at,
    waiting_for,
)
from huitou.marketing.runs.sending_service import Known, Sender
from huitou.marketing.weather.service import WeatherBook
from huitou.persons.ids.service import Persons
from huitou.runtime import leases
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

LEASE_MS = 60_000
LOOK_AGAIN_S = 0.1  # How long to wait before we ask again whether another worker is done.
GoesOn = Callable[[], bool]


class CampaignRuns:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._persons = Persons(database)
        self._deliveries = Deliveries(database, clock)
        self._sender = Sender(database, clock)
        self._stores = Stores(database, clock)
        self._lasting = Lasting(database, clock)
        self._day_members = DayMembers(database, clock)
        self._weather = WeatherBook(database, clock)

    # --- working ------------------------------------------------------------------------------

    def work_on_campaigns(self, goes_on: GoesOn) -> tuple[Counter[str], bool]:
        """Work on what is due, in the order of the campaigns' priorities, as long as `goes_on`.

        Returns how many occasions had which outcome, and whether everything was looked at.
        """
        counts: Counter[str] = Counter()
        self._deliveries.finish_deliveries(self._sending_of)
        have_work = self._repository.campaigns_with_work(self._clock.now())
        for state, campaign in self._campaigns.running_campaigns():
            met = TRIGGERS[campaign.trigger.kind].met
            if campaign.id not in have_work and met != "event":
                continue
            if not self._sender.may_send_anywhere(campaign):
                continue
            sending = self._sender.open_sending(state, campaign)
            counts += self._work_waiting(sending, goes_on)
            if met == "day":
                counts += self._work_runs(sending, goes_on)
            else:
                counts += self._work_events(sending, state, goes_on)
            if not goes_on():
                return counts, False
        return counts, True

    def send_to_member(self, state: CampaignState, campaign: Campaign, occasion: Occasion) -> None:
        """Write to one member at once who has come for it, under the same checks and limits."""
        sending = self._sender.open_sending(state, campaign)
        self._sender.send_messages(sending, self._sender.read_members(sending, [occasion]))

    def _sending_of(self, delivery: Delivery) -> Sending | None:
        found = self._campaigns.find_revision(delivery.campaign_id, delivery.revision)
        return self._sender.open_sending(*found) if found is not None else None

    def _work_runs(self, sending: Sending, goes_on: GoesOn) -> Counter[str]:
        """Work on all parts of a campaign, and wait for the parts that other workers have.

        Otherwise a campaign of lower priority could use up the day of members in those parts.
        """
        campaign, counts = sending.campaign, Counter[str]()
        while goes_on() and (due := self._repository.due(campaign.id)):
            # The run of a weather campaign waits for the day's forecast.
            waits = TRIGGERS[campaign.trigger.kind].forecast
            workable = [run for run in due if not waits or self._weather.knows_forecast(run.day)]
            if not workable:
                break
            for run in workable:
                counts += self._work_run(sending, run, goes_on)
            if self._repository.due(campaign.id):
                time.sleep(LOOK_AGAIN_S)
        return counts

    def _work_run(self, sending: Sending, run: Run, goes_on: GoesOn) -> Counter[str]:
        """Write to a run's members; the next page is read while the present one is written."""
        campaign, counts = sending.campaign, Counter[str]()
        lease = leases.acquire(
            self._database, f"campaign-run:{campaign.id}:{run.part}", until_ms=LEASE_MS
        )
        if lease is None:
            return counts  # Another worker has it.
        try:
            with ThreadPoolExecutor(1) as reader:
                ahead = reader.submit(self._read_page, sending, run)
                while goes_on():
                    now = self._clock.now()
                    if is_stale(campaign, run.day, run.due_at, now, self._stores.zones()):
                        self._repository.leave(run, missed=run.due_at >= sending.since)
                        break
                    known, cursor = ahead.result()
                    following = run.model_copy(update={"cursor": cursor or ""})
                    if cursor is not None:
                        ahead = reader.submit(self._read_page, sending, following)
                    found = self._sender.send_messages(sending, known)
                    counts += found
                    if not self._repository.move(run, cursor, dict(found)) or cursor is None:
                        break
                    run = following
                    if not leases.renew(self._database, lease):
                        break
        finally:
            leases.release(self._database, lease)
        return counts

    def _read_page(self, sending: Sending, run: Run) -> tuple[Known, str | None]:
        occasions, cursor = self._day_members.next_occasions(sending.campaign, run)
        met = [o._replace(day=run.day, met_at=run.due_at) for o in occasions]
        return self._sender.read_members(sending, met), cursor

    # --- events -------------------------------------------------------------------------------

    def _work_events(self, sending: Sending, state: CampaignState, goes_on: GoesOn) -> Counter[str]:
        """Work on the events since the last look, and on those of the hour before once more."""
        campaign, counts = sending.campaign, Counter[str]()
        kind, now = campaign.trigger.kind, sending.at
        if TRIGGERS[kind].met != "event" or state.seen_to is None:
            return counts
        name = f"campaign-events:{campaign.id}"
        while (lease := leases.acquire(self._database, name, until_ms=LEASE_MS)) is None:
            if not goes_on():
                return counts
            time.sleep(LOOK_AGAIN_S)  # For the same reason as in `_work_runs`.
        found = self._campaigns.find_running_campaign(
            campaign.id
        )  # Another worker may have moved `seen_to`.
        if found is not None and found[0].seen_to is not None:
            state = found[0]
        delay = timedelta(minutes=campaign.trigger.after_minutes or 0)
        begins = day_bounds(campaign.valid_from.isoformat(), BRAND_ZONE, BRAND_CUT)[0]
        oldest = now - delay - TRIGGERS[kind].late
        over = day_bounds(campaign.valid_until.isoformat(), BRAND_ZONE, BRAND_CUT)[1]
        ends = over - timedelta(milliseconds=1)
        seen_to = state.seen_to or begins
        since, until = max(begins, resumed_at(state), seen_to), min(now - delay, ends)
        # Events that an outage of the timer missed are counted. Kinds that no message can wait a
        # night for aren't, since every night makes them miss some.
        if since < min(oldest, ends) and TRIGGERS[kind].late >= A_NIGHT:
            missed = self._repository.count_events(kind, since, min(oldest, ends))
            self._sender.note_skipped(campaign, missed)
            counts["stale"] += missed
        since = max(oldest, begins, resumed_at(state), seen_to - LOOK_BACK)
        try:
            after, done = "", False
            while goes_on() and not done and since <= until:
                events = self._events(campaign, since, until, after)
                occasions = [
                    Occasion(e.member_id, e.occasion, met_at=e.at + delay)
                    for e in events
                    if e.occasion
                ]
                lasting = self._lasting.lasting_occasions(
                    campaign, self._not_waiting(campaign, occasions), now
                )
                counts += self._sender.send_messages(
                    sending, self._sender.read_members(sending, lasting)
                )
                done = len(events) < PAGE
                if events:
                    since, after = events[-1].at, events[-1].id
                if not leases.renew(self._database, lease):
                    break
            self._campaigns.note_events_seen(campaign.id, until if done else since)
        finally:
            leases.release(self._database, lease)
        return counts

    def _not_waiting(self, campaign: Campaign, occasions: list[Occasion]) -> list[Occasion]:
        """Leave out the occasions that wait already: `_work_waiting` serves them in time."""
        ids = {exposure_id(campaign.id, o.member_id, o.occasion): o for o in occasions}
        waiting = self._repository.are_waiting(list(ids))
        return [occasion for name, occasion in ids.items() if name not in waiting]

    def _events(
        self, campaign: Campaign, since: datetime, until: datetime, after: str
    ) -> list[Event]:
        found = self._repository.events(campaign.trigger.kind, since, until, after, PAGE)
        return [
            event
            if event.move is None or self._lasting.moves_in_direction(campaign, *event.move)
            else event._replace(occasion="")
            for event in found
        ]

    # --- occasions that callers report --------------------------------------------------------

    def report_event(self, request: EventRequest) -> dict[str, int]:
        """Note a reported event for every running campaign with this trigger."""
        now, campaigns = self._clock.now(), 0
        for _, campaign in self._campaigns.running_campaigns():
            if campaign.trigger.kind == request.kind and not is_past(campaign, now):
                met = met_now(campaign, request.member_id, request.cause, now)
                self._repository.wait([waiting_for(campaign.id, met, now)])
                campaigns += 1
        return {"campaigns": campaigns}

    def send_by_hand(self, request: ByHandRequest) -> dict[str, int]:
        """Have a running `by_hand` campaign write to these members.

        Raises Refusal NOT_FOUND if no such campaign runs, or if its last day is over.
        """
        found = self._campaigns.find_running_campaign(request.campaign_id)
        now = self._clock.now()
        met = TRIGGERS[found[1].trigger.kind].met if found is not None else None
        if found is None or met != "by_hand" or is_past(found[1], now):
            raise Refusal(Code.NOT_FOUND, field="campaign_id", detail=CAMPAIGN)
        self._repository.wait(
            waiting_for(found[1].id, met_now(found[1], member_id, request.batch, now), now)
            for member_id in dict.fromkeys(request.member_ids)
        )
        return {"campaigns": 1}

    def _work_waiting(self, sending: Sending, goes_on: GoesOn) -> Counter[str]:
        campaign, counts = sending.campaign, Counter[str]()
        while goes_on():
            due = self._repository.waiting(campaign.id, sending.at, PAGE)
            if not due:
                break
            persons = self._persons.current_ids(w.member_id for w in due)
            occasions = [
                Occasion(
                    persons[w.member_id],
                    w.occasion,
                    met_at=w.met_at or w.due_at,
                    ends=Ends(w.over, w.late_over) if w.over is not None else None,
                )
                for w in due
            ]
            lasting = self._lasting.lasting_occasions(campaign, occasions, sending.at)
            counts += self._sender.send_messages(
                sending, self._sender.read_members(sending, lasting)
            )
            self._repository.served([w.id for w in due], sending.at)
        return +counts

    def list_runs(self, request: RunsRequest) -> dict[str, Any]:
        """List a campaign's runs, the newest day first."""
        found = self._repository.of_campaign(request.campaign_id, request.limit)
        return {"runs": [r.model_dump(include={"day", "part", "status", "counts"}) for r in found]}
