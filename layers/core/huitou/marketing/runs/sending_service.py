"""Write to the members whom a campaign meets: check each, let those wait whose night it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from huitou.catalog.stores.models import BRAND_CUT, BRAND_ZONE
from huitou.catalog.stores.rules import brand_day, day_bounds, shifted
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.service import Coupons
from huitou.marketing.audiences.rules import Profile, needs_visits
from huitou.marketing.audiences.service import Audiences
from huitou.marketing.campaigns.models import Campaign, CampaignState
from huitou.marketing.campaigns.rules import ends_of, may_send, next_opening, slot
from huitou.marketing.campaigns.service import Campaigns
from huitou.marketing.deliveries.rules import Occasion, RecentMessages, Sending
from huitou.marketing.deliveries.service import Deliveries
from huitou.marketing.features.rules import days_since
from huitou.marketing.runs.repository import CampaignRunRepository
from huitou.marketing.runs.rules import may_wait, passed_over, resumed_at, waiting_for
from huitou.members.messaging.service import Messages
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

TIMER_SLACK = timedelta(minutes=15)  # The timer comes every five minutes.


class Known(NamedTuple):
    """Occasions that weren't served yet, and what is known of their members."""

    occasions: Sequence[Occasion]
    recent: RecentMessages
    profiles: Mapping[str, Profile]


class Sender:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = CampaignRunRepository(database)
        self._campaigns = Campaigns(database, clock)
        self._audiences = Audiences(database, clock)
        self._deliveries = Deliveries(database, clock)
        self._coupons = Coupons(database, clock)
        self._messages = Messages(database)
        self._stores = Stores(database, clock)

    def may_send_anywhere(self, campaign: Campaign) -> bool:
        """Tell whether it is a time for messages in one of the chain's zones at least."""
        now, quiet = self._clock.now(), self._messages.message_rules().quiet
        return any(may_send(now, zone, quiet, campaign.window) for zone in self._stores.zones())

    def open_sending(self, state: CampaignState, campaign: Campaign) -> Sending:
        """Read once what all messages of a campaign need in this call."""
        names = [v.gift.template_id for v in campaign.variants if v.gift.template_id is not None]
        now = self._clock.now()
        return Sending(
            campaign=campaign,
            salt=state.salt,
            templates=self._coupons.find_templates(names),
            rules=self._messages.message_rules(),
            day=brand_day(now),
            first_day=self._stores.newest_day(),
            at=now,
            since=resumed_at(state),
        )

    def read_members(self, sending: Sending, occasions: Sequence[Occasion]) -> Known:
        """Read what is known of the members of these occasions; served occasions are left out."""
        if not occasions:
            return Known([], RecentMessages(), {})
        recent = self._deliveries.read_recent_messages(sending, occasions)
        new = [o for name, o in {o[:2]: o for o in occasions}.items() if name not in recent.served]
        visits = needs_visits(sending.campaign.audience)
        profiles = self._audiences.profiles([o.member_id for o in new], visits=visits)
        return Known(new, recent, profiles)

    def send_messages(self, sending: Sending, known: Known) -> Counter[str]:
        """Check every occasion, and write to its member now, let it wait, or drop it."""
        campaign, counts = sending.campaign, Counter[str]()
        zones, chosen, later = self._stores.zone_by_id(), [], []
        opens_in = {
            zone: next_opening(sending.at, zone, sending.rules.quiet, campaign.window)
            for zone in {*zones.values(), BRAND_ZONE}
        }
        missed = 0
        for occasion in known.occasions:
            profile = known.profiles.get(occasion.member_id)
            reason = passed_over(campaign, profile, occasion.occasion, sending.day)
            if reason is not None or profile is None:
                counts[reason or "gone"] += 1
                continue
            store = profile.features.usual_store_id or profile.member.registered_store_id
            zone = zones.get(store or "", BRAND_ZONE)
            met_at = occasion.met_at or sending.at
            ends = occasion.ends or ends_of(campaign, occasion.day, met_at, zone)
            worth = ends.worth(max(opens_in[zone], sending.at))
            if worth is None or (worth == "late words" and not sending.late_words):
                counts["stale"] += 1
                missed += met_at >= sending.since and may_wait(campaign)
                continue
            met = occasion._replace(met_at=met_at, ends=ends)
            if opens_in[zone] > sending.at:
                later.append(waiting_for(campaign.id, met, opens_in[zone]))
                continue
            chosen.append(met._replace(days=days_since(profile.features, sending.day)))
        self._repository.wait(later)
        self.note_skipped(campaign, missed)
        counts["waiting"] += len(later)
        counts += self._deliveries.deliver_messages(
            sending,
            known.recent,
            chosen,
            lambda wanted: self._campaigns.reserve_messages(campaign, wanted, sending.day),
            lambda capped: self._postpone(sending, capped),
        )
        return +counts

    def _postpone(self, sending: Sending, capped: Sequence[Occasion]) -> None:
        """Let occasions wait for the next day if they are still worth a message then.

        Their members have had enough messages today. Messages are counted by the brand's business
        day, which ends after midnight.
        """
        campaign, day = sending.campaign, shifted(sending.day, 1)
        due_at = slot(day, campaign.send_at)
        if due_at < day_bounds(sending.day, BRAND_ZONE, BRAND_CUT)[1]:
            due_at = slot(shifted(day, 1), campaign.send_at)
        self._repository.wait(
            waiting_for(campaign.id, occasion, due_at)
            for occasion in capped
            if occasion.ends is not None and occasion.ends.worth(due_at + TIMER_SLACK)
        )

    def note_skipped(self, campaign: Campaign, occasions: int) -> None:
        """Count for operators how many occasions were too late today."""
        if occasions:
            now = self._clock.now()
            self._repository.note_skipped(campaign.id, brand_day(now), now, occasions)
