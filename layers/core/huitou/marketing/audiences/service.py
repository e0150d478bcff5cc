"""Look up what is known of members, and count an audience before anything is sent to it."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.catalog.stores.rules import brand_day
from huitou.marketing.audiences.models import (
    AudienceAnswer,
    AudienceRequest,
    SampledMember,
    Standing,
)
from huitou.marketing.audiences.repository import AudienceRepository
from huitou.marketing.audiences.rules import Profile, belongs, is_minor, is_personalised
from huitou.marketing.features.models import Features
from huitou.marketing.features.service import FeatureBook
from huitou.members.consents.service import Consents
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

MOST_LOOKED_AT = 5_000
AT_ONCE = 500


class Audiences:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._repository = AudienceRepository(database)
        self._features = FeatureBook(database, clock)
        self._consents = Consents(database, clock)

    def profiles(self, member_ids: Sequence[str], *, visits: bool = True) -> dict[str, Profile]:
        """Return what is known of these members by id, in four queries.

        Members who were merged or erased are left out. Without `visits` the features have no
        single visits.
        """
        members = self._repository.members(member_ids)
        features = self._features.read_features(member_ids, visits=visits)
        standings = self._repository.standings(member_ids)
        held = self._consents.consents_of(list(members))
        nobody = Standing()
        return {
            name: Profile(
                member=member,
                features=features.get(name) or Features(id=name),
                tier=(standing := standings.get(name, nobody)).tier,
                points=standing.points,
                marketing=held[name]["marketing"],
                personalised=held[name]["personalised"],
            )
            for name, member in members.items()
        }

    def count_audience(self, request: AudienceRequest) -> AudienceAnswer:
        """Count the members who meet a condition; in a large chain a random sample of them."""
        today = brand_day(self._clock.now())
        personal = is_personalised(request.audience)
        looked, matching, reachable, after = 0, 0, 0, ""
        sample: list[SampledMember] = []
        while looked < MOST_LOOKED_AT:
            page = self._repository.first_members(after, AT_ONCE)
            looked += len(page)
            for name, profile in self.profiles(page).items():
                if not belongs(profile, request.audience, today):
                    continue
                matching += 1
                may = profile.marketing and (profile.personalised or not personal)
                reachable += may and not is_minor(profile.member, today)
                if len(sample) < request.sample:
                    sample.append(_sampled(name, profile))
            if len(page) < AT_ONCE:
                break
            after = page[-1]
        exact = looked < MOST_LOOKED_AT
        members = looked if exact else max(looked, self._repository.members_in_all())
        scale = members / looked if looked else 1.0
        return AudienceAnswer(
            members=members,
            looked_at=looked,
            exact=exact,
            matching=round(matching * scale),
            reachable=round(reachable * scale),
            sample=sample,
        )


def _sampled(member_id: str, profile: Profile) -> SampledMember:
    features = profile.features
    return SampledMember(
        member_id=member_id,
        orders=features.orders,
        spend_fen=features.spend_fen,
        last_order_day=features.last_order_day,
        tier=profile.tier,
    )
