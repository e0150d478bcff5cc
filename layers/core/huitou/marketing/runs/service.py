"""Find whom running campaigns mean, page by page, and tell each of them once.

Any number of workers may do this at once and be killed at any moment: a page's cursor moves after
the page, what is told twice is written once, and leases only save double work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.catalog.stores.rules import brand_day, shifted
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.audiences.rules import Profile, needs_visits
from huitou.marketing.audiences.service import Audiences
from huitou.marketing.campaigns.models import Campaign, CampaignState
from huitou.marketing.campaigns.rules import exposure_id, may_send, next_opening, slot
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.deliveries.models import Delivery
from huitou.marketing.deliveries.rules import Occasion, Sending, Told
from huitou.marketing.deliveries.service import Exposures
from huitou.marketing.features.rules import days_since
from huitou.marketing.runs.day_service import PAGE, DayMembers
from huitou.marketing.runs.lasting_service import Lasting
from huitou.marketing.runs.models import ByHandRequest, EventRequest, Run, RunsRequest, Waiting
from huitou.marketing.runs.repository import CampaignRunRepository, Event
from huitou.marketing.runs.rules import (
    LOOK_BACK,
    day_start,
    is_stale,
    last_planned,
    passed_over,
    resumed_at,
    runs_due,
)
from huitou.marketing.weather.service import WeatherBook
from huitou.members.messaging.service import Messages
from huitou.runtime import leases
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.gc_tuning import rarely_collected

LEASE_MS = 60_000
LOOK_AGAIN_S = 0.1  # Whether another worker has ended its part.
_BRAND = ZoneInfo(BRAND_ZONE)
GoesOn = Callable[[], bool]


class Known(NamedTuple):
    """Occasions that weren't served yet, and what is known of their members."""

    occasions: Sequence[Occasion]
    told: Told
    profiles: Mapping[str, Profile]


class CampaignRuns:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._audiences = Audiences(database, clock)
        self._exposures = Exposures(database, clock)
        self._coupons = Coupons(database, clock)
        self._messages = Messages(database)
        self._stores = Stores(database, clock)
        self._lasts = Lasting(database, clock)
        self._day_members = DayMembers(database, clock)
        self._weather = WeatherBook(database, clock)

    # --- planning -----------------------------------------------------------------------------

    def plan(self) -> int:
        """Plan the runs of every day that has come due since the last look; returns how many."""
        now, planned = self._clock.now(), 0
        self._campaigns.end_by_date()
        today = self._today()
        members = self._repository.members_in_all()
        for state, campaign in self._campaigns.running():
            if not TRIGGERS[campaign.trigger.kind].by_day or state.started_at is None:
                continue
            runs = runs_due(campaign, state.planned_to, resumed_at(state), now, today, members)
            self._repository.put(runs)
            # After the runs are there: killed in between, the same ones are planned again.
            self._campaigns.planned(campaign.id, last_planned(campaign, now, today))
            planned += len(runs)
        return planned

    # --- working ------------------------------------------------------------------------------

    def due_parts(self) -> int:
        """How many runs wait for a worker."""
        return self._repository.count_due()

    def work(self, goes_on: GoesOn) -> tuple[Counter[str], bool]:
        """Do what is due, campaign by campaign in order of priority, while `goes_on`.

        Returns what came of how many, and whether everything was looked at.
        """
        with rarely_collected():
            return self._work(goes_on)

    def _work(self, goes_on: GoesOn) -> tuple[Counter[str], bool]:
        counts: Counter[str] = Counter()
        self._exposures.deliver_unfinished(self._sending_of)
        for state, campaign in self._campaigns.running():
            if not self._may_send_anywhere(campaign):
                continue
            sending = self._sending(state, campaign)
            counts += self._work_waiting(sending, goes_on)
            if TRIGGERS[campaign.trigger.kind].by_day:
                counts += self._work_runs(sending, goes_on)
            else:
                counts += self._work_events(sending, state, goes_on)
            if not goes_on():
                return counts, False
        return counts, True

    def tell_one(self, state: CampaignState, campaign: Campaign, occasion: Occasion) -> None:
        """Tell one member at once, who has come for it; the same gate and limits."""
        sending = self._sending(state, campaign)
        self._tell(sending, self._look_up(sending, [occasion]))

    def _may_send_anywhere(self, campaign: Campaign) -> bool:
        now, quiet = self._clock.now(), self._messages.rules().quiet
        return any(may_send(now, zone, quiet, campaign.window) for zone in self._stores.zones())

    def _sending(self, state: CampaignState, campaign: Campaign) -> Sending:
        names = [v.gift.template_id for v in campaign.variants if v.gift.template_id is not None]
        now = self._clock.now()
        return Sending(
            campaign=campaign, salt=state.salt, templates=self._coupons.templates(names),
            rules=self._messages.rules(), day=brand_day(now), at=now,
        )  # fmt: skip

    def _sending_of(self, delivery: Delivery) -> Sending | None:
        found = self._campaigns.as_it_was(delivery.campaign_id, delivery.revision)
        return self._sending(*found) if found is not None else None

    def _work_runs(self, sending: Sending, goes_on: GoesOn) -> Counter[str]:
        """Work on all parts of a campaign; what other workers have is waited for.

        Else a campaign of lower priority could take the day of members who are still in there.
        """
        campaign, counts = sending.campaign, Counter[str]()
        while goes_on() and (due := self._repository.due(campaign.id)):
            # Without a forecast a run waits, while it is fresh.
            waits = campaign.trigger.kind == "weather"
            workable = [run for run in due if not waits or self._weather.knows(run.day)]
            if not workable:
                break
            for run in workable:
                counts += self._work_run(sending, run, goes_on)
            if self._repository.due(campaign.id):
                time.sleep(LOOK_AGAIN_S)
        return counts

    def _work_run(self, sending: Sending, run: Run, goes_on: GoesOn) -> Counter[str]:
        """Tell a run's members, reading a page ahead while the one before is written."""
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
                    if is_stale(campaign, run, self._clock.now()):
                        self._repository.skip(run)
                        break
                    known, cursor = ahead.result()
                    following = run.model_copy(update={"cursor": cursor or ""})
                    if cursor is not None:
                        ahead = reader.submit(self._read_page, sending, following)
                    found = self._tell(sending, known)
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
        occasions, cursor = self._day_members.page(sending.campaign, run)
        met = [o._replace(day=run.day, met_at=run.due_at) for o in occasions]
        return self._look_up(sending, met), cursor

    def _look_up(self, sending: Sending, occasions: Sequence[Occasion]) -> Known:
        """Find out what is known of members whom a trigger has met, the served ones left out."""
        if not occasions:
            return Known([], Told(), {})
        told = self._exposures.told(sending, occasions)
        new = [o for name, o in {o[:2]: o for o in occasions}.items() if name not in told.served]
        visits = needs_visits(sending.campaign.audience)
        profiles = self._audiences.profiles([o.member_id for o in new], visits=visits)
        return Known(new, told, profiles)

    def _tell(self, sending: Sending, known: Known) -> Counter[str]:
        """Pass every occasion through the one gate, and tell who comes through."""
        campaign, counts = sending.campaign, Counter[str]()
        zones, chosen, later = self._stores.zone_by_id(), [], []
        opens_in = {
            zone: next_opening(sending.at, zone, sending.rules.quiet, campaign.window)
            for zone in {*zones.values(), BRAND_ZONE}
        }
        stale = 0
        for occasion in known.occasions:
            if occasion.worth(campaign, sending.at) is None:
                stale += 1
                continue
            profile = known.profiles.get(occasion.member_id)
            reason = passed_over(campaign, profile, occasion.occasion, sending.day)
            if reason is not None or profile is None:
                counts[reason or "gone"] += 1
                continue
            store = profile.features.usual_store_id or profile.member.registered_store_id
            opens = opens_in[zones.get(store or "", BRAND_ZONE)]
            if opens > sending.at:
                later.append(_waiting(campaign.id, occasion, sending.at, opens))
                continue
            chosen.append(occasion._replace(days=days_since(profile.features, sending.day)))
        self._repository.wait(later)
        self._note_skipped(campaign, stale)
        counts.update({"waiting": len(later), "stale": stale})
        counts += self._exposures.tell(
            sending, known.told, chosen,
            lambda wanted: self._campaigns.reserve(campaign, wanted, sending.day),
            lambda capped: self._postpone(sending, capped),
        )  # fmt: skip
        return +counts

    def _postpone(self, sending: Sending, capped: Sequence[Occasion]) -> None:
        """Let those whose day is full wait for the next one, if it is worth it then."""
        campaign = sending.campaign
        tomorrow = slot(shifted(self._today(), 1), campaign.send_at)
        self._repository.wait(
            _waiting(campaign.id, occasion, sending.at, tomorrow)
            for occasion in capped
            if occasion._replace(met_at=occasion.met_at or sending.at).worth(campaign, tomorrow)
        )

    def _note_skipped(self, campaign: Campaign, occasions: int) -> None:
        """Have operators read how many occasions came too late today."""
        if occasions:
            self._repository.note_skipped(campaign.id, self._today(), self._clock.now(), occasions)

    def _today(self) -> str:
        return self._clock.now().astimezone(_BRAND).date().isoformat()

    # --- events -------------------------------------------------------------------------------

    def _work_events(self, sending: Sending, state: CampaignState, goes_on: GoesOn) -> Counter[str]:
        """Look at what has happened since the last look, and an hour before for what came late."""
        campaign, counts = sending.campaign, Counter[str]()
        kind, now = campaign.trigger.kind, sending.at
        if kind in ("review", "by_hand", "group") or state.seen_to is None:
            return counts
        name = f"campaign-events:{campaign.id}"
        while (lease := leases.acquire(self._database, name, until_ms=LEASE_MS)) is None:
            if not goes_on():
                return counts
            time.sleep(LOOK_AGAIN_S)  # Waited for as the parts of a run are.
        delay = timedelta(minutes=campaign.trigger.after_minutes or 0)
        begins = day_start(campaign.valid_from.isoformat())
        oldest = now - delay - TRIGGERS[kind].late
        since, until = max(begins, resumed_at(state), state.seen_to), now - delay
        if since < oldest:  # The timer was out for longer than it is worth.
            missed = self._repository.count_events(kind, since, oldest)
            self._note_skipped(campaign, missed)
            counts["stale"] += missed
        since = max(oldest, begins, resumed_at(state), state.seen_to - LOOK_BACK)
        ends = day_start(shifted(campaign.valid_until.isoformat(), 1))
        until = min(until, ends - timedelta(milliseconds=1))
        try:
            after, done = "", False
            while goes_on() and not done and since <= until:
                events = self._events(campaign, since, until, after)
                occasions = [Occasion(e.member_id, e.occasion, met_at=e.at + delay)
                             for e in events if e.occasion]  # fmt: skip
                lasting = self._lasts.of(campaign, occasions, now)
                counts += self._tell(sending, self._look_up(sending, lasting))
                done = len(events) < PAGE
                if events:
                    since, after = events[-1].at, events[-1].id
                if not leases.renew(self._database, lease):
                    break
            self._campaigns.seen(campaign.id, until if done else since)
        finally:
            leases.release(self._database, lease)
        return counts

    def _events(
        self, campaign: Campaign, since: datetime, until: datetime, after: str
    ) -> list[Event]:
        kind, found = campaign.trigger.kind, self._repository
        if kind == "tier_change":
            moves = found.tier_changes(since, until, after, PAGE)
            return [event if self._lasts.is_direction(campaign, before, now) else
                    event._replace(occasion="") for event, before, now in moves]  # fmt: skip
        read = {
            "registered": found.registered, "first_order": found.first_orders,
            "order_completed": found.completed, "points_expiring": found.points_ending,
            "near_store": found.arrivals,
        }[kind]  # fmt: skip
        return read(since, until, after, PAGE)

    # --- occasions told of from outside -------------------------------------------------------

    def tell_of(self, request: EventRequest) -> dict[str, int]:
        """Note an event for every running campaign of its kind."""
        now, campaigns = self._clock.now(), 0
        for _, campaign in self._campaigns.running():
            if campaign.trigger.kind == request.kind:
                occasion = Occasion(request.member_id, request.cause)
                self._repository.wait([_waiting(campaign.id, occasion, now, now)])
                campaigns += 1
        return {"campaigns": campaigns}

    def by_hand(self, request: ByHandRequest) -> dict[str, int]:
        """Have a running campaign tell these members; Refusal NOT_FOUND for one that isn't such."""
        found = self._campaigns.running_one(request.campaign_id)
        if found is None or found[1].trigger.kind != "by_hand":
            raise Refusal(Code.NOT_FOUND, field="campaign_id", detail="campaign")
        now = self._clock.now()
        self._repository.wait(
            _waiting(request.campaign_id, Occasion(member_id, request.batch), now, now)
            for member_id in dict.fromkeys(request.member_ids)
        )
        return {"campaigns": 1}

    def _work_waiting(self, sending: Sending, goes_on: GoesOn) -> Counter[str]:
        campaign, counts = sending.campaign, Counter[str]()
        while goes_on():
            due = self._repository.waiting(campaign.id, sending.at, PAGE)
            if not due:
                break
            occasions = [
                Occasion(w.member_id, w.occasion, day=w.day, met_at=w.met_at or w.due_at)
                for w in due
            ]
            lasting = self._lasts.of(campaign, occasions, sending.at)
            counts += self._tell(sending, self._look_up(sending, lasting))
            self._repository.served([w.id for w in due], sending.at)
        return +counts

    def runs(self, request: RunsRequest) -> dict[str, Any]:
        """List a campaign's runs, newest day first."""
        found = self._repository.of_campaign(request.campaign_id, request.limit)
        return {"runs": [r.model_dump(include={"day", "part", "status", "counts"}) for r in found]}


def _waiting(campaign_id: str, occasion: Occasion, at: datetime, due_at: datetime) -> Waiting:
    return Waiting(
        id=exposure_id(campaign_id, occasion.member_id, occasion.occasion),
        campaign_id=campaign_id, member_id=occasion.member_id, occasion=occasion.occasion,
        due_at=due_at, day=occasion.day, met_at=occasion.met_at or at,
    )  # fmt: skip
