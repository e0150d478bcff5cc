"""Write each message to a member once, within the limits, and give the gift that it promises."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from huitou.catalog.stores.rules import by_day_clock
from huitou.coupons.issuing.rules import is_there, valid_until
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.points.models import RuleRef
from huitou.marketing.deliveries.models import (
    Delivery,
    Exposure,
)
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.marketing.deliveries.rules import (
    Occasion,
    RecentMessages,
    Sending,
    exposure_for,
    hindered,
    looks_back_to,
    place_for,
)
from huitou.members.consents.service import Consents
from huitou.members.messaging.service import Messages
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

LEFT_AFTER = timedelta(minutes=1)  # A delivery takes less than a second: its worker is gone.


class Deliveries:
    """Turns occasions into exposures, each with its place, group, gift and words."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = ExposureRepository(database)
        self._coupons = Coupons(database, clock)
        self._bonuses = Bonuses(database, clock)
        self._consents = Consents(database, clock)
        self._messages = Messages(database)
        self._persons = Persons(database)

    def read_recent_messages(
        self, sending: Sending, occasions: Sequence[Occasion]
    ) -> RecentMessages:
        """Return the messages that the members of these occasions got lately."""
        members = [occasion.member_id for occasion in occasions]
        since = looks_back_to(sending.campaign, sending.day)
        return RecentMessages.of(self._repository.recent(members, since), sending.campaign.id)

    def deliver_messages(
        self,
        sending: Sending,
        recent: RecentMessages,
        occasions: Sequence[Occasion],
        most: Callable[[int], int] = lambda wanted: wanted,
        postpone: Callable[[list[Occasion]], None] = lambda _: None,
    ) -> Counter[str]:
        """Write to the members of these occasions, within the limits.

        Returns how many occasions had which outcome. `most` takes how many messages are wanted
        and returns how many the campaign may still send. `postpone` takes the occasions that only
        the limit of messages a day stopped. If the worker is killed on the way, it leaves a note
        of what it had begun, and `deliver_unfinished` goes on from there.
        """
        campaign = sending.campaign
        ever: Counter[str] = Counter()
        if campaign.limits.per_member is not None:
            members = [occasion.member_id for occasion in occasions]
            ever = self._repository.counted(campaign.id, members)
        exposures, taken, tomorrow = [], set(), []
        for occasion in occasions:
            member_id = occasion.member_id
            hindrance = hindered(sending, recent, member_id, ever[member_id])
            # One message to a member at a time: `recent` doesn't count the one written here.
            if hindrance is None and member_id not in taken:
                taken.add(member_id)
                place = place_for(sending, recent, member_id)
                exposures.append(exposure_for(sending, occasion, place))
            elif hindrance == "day":
                tomorrow.append(occasion)
        if tomorrow:
            postpone(tomorrow)
        capped = len(occasions) - len(exposures)
        allowed = exposures[: most(len(exposures))]
        outcomes = Counter({"capped": capped, "over the total": len(exposures) - len(allowed)})
        if not allowed:
            return +outcomes
        pushed = self._with_push(allowed)
        delivery = Delivery(
            id=secrets.token_hex(12),
            campaign_id=campaign.id,
            revision=campaign.revision,
            exposure_ids=[exposure.id for exposure in allowed],
            since=self._clock.now(),
        )
        self._repository.begin(delivery)
        written = self._repository.insert(pushed)
        found = [exposure for exposure in pushed if exposure.id in written]
        outcomes.update(exposure.group for exposure in found)
        self._give(found, sending)
        self._repository.end(delivery)
        again = self._lost_their_place([e for e in allowed if e.id not in written], occasions)
        if again:
            outcomes += self.deliver_messages(
                sending, self.read_recent_messages(sending, again), again, postpone=postpone
            )
        return +outcomes

    def _lost_their_place(
        self, lost: Sequence[Exposure], occasions: Sequence[Occasion]
    ) -> list[Occasion]:
        """Return the occasions whose place in the day another campaign has just taken.

        `lost` are the exposures that could not be written. If it wasn't for the place, the
        occasion is served already: by another worker just now, or long ago.
        """
        served = self._repository.known([exposure.id for exposure in lost]) if lost else set()
        members = {exposure.member_id for exposure in lost if exposure.id not in served}
        return [occasion for occasion in occasions if occasion.member_id in members]

    def finish_deliveries(self, sending: Callable[[Delivery], Sending | None]) -> int:
        """Give the gifts that a killed worker had begun to give; returns how many were looked at.

        The worker may only be slow, and give them as well. Each gift's cause is served once, so
        the second one to give it does nothing.
        """
        looked = 0
        for delivery, exposures in self._repository.unfinished(self._clock.now() - LEFT_AFTER):
            looked += len(exposures)
            held = self._consents.consents_of([exposure.member_id for exposure in exposures])
            withdrawn = [e for e in exposures if not held[e.member_id]["marketing"]]
            if withdrawn:
                self._repository.withhold([exposure.id for exposure in withdrawn])
            found = sending(delivery)
            if found is not None:
                self._give([e for e in exposures if held[e.member_id]["marketing"]], found)
            self._repository.end(delivery)
        return looked

    def _give(self, exposures: Sequence[Exposure], sending: Sending) -> None:
        """Give the gifts. The exposure is the cause, so giving one a second time does nothing."""
        # A member who was merged since the exposure was written gets it under the new id.
        persons = self._persons.current_ids(exposure.member_id for exposure in exposures)
        withheld: list[str] = []
        by_template: dict[str, list[Exposure]] = {}
        for exposure in exposures:
            if exposure.gift_kind == "coupon":
                by_template.setdefault(exposure.gift_template_id or "", []).append(exposure)
            elif exposure.gift_kind == "points":
                name = f"campaign:{exposure.campaign_id}"
                rule = RuleRef(rule_id=name, revision=exposure.revision)
                self._bonuses.give_points(
                    persons[exposure.member_id],
                    exposure.gift_points or 0,
                    exposure.gift_cause,
                    rule,
                )
        for template_id, of_it in by_template.items():
            template = sending.templates.get(template_id)
            causes = {e.gift_cause: persons[e.member_id] for e in of_it}
            # A message that comes late may find that its coupon would be over already.
            lasts = template and (
                valid_until(template, sending.first_day) > by_day_clock(sending.at)
            )
            issued = self._coupons.issue_coupons(template, causes) if template and lasts else {}
            given = {cause for cause, outcome in issued.items() if is_there(outcome)}
            withheld += [exposure.id for exposure in of_it if exposure.gift_cause not in given]
        if withheld:
            self._repository.withhold(withheld)

    def _with_push(self, exposures: Sequence[Exposure]) -> list[Exposure]:
        """Mark as due for a push those whose member still has a consent for the template."""
        wanting = [e for e in exposures if e.push_template_id is not None]
        if not wanting:
            return list(exposures)
        templates = sorted({e.push_template_id or "" for e in wanting})
        left = self._messages.messages_left([e.member_id for e in wanting], templates)
        return [
            exposure.model_copy(update={"push": "due"})
            if f"{exposure.member_id}|{exposure.push_template_id}" in left
            else exposure
            for exposure in exposures
        ]
