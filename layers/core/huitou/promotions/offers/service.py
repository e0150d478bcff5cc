"""The chain's offers: stored for operators, compiled for pricing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from huitou.promotions.offers.errors import OfferErrors
from huitou.promotions.offers.models import Offer, StackingRules, walk
from huitou.promotions.offers.repository import MOST_OFFERS, OfferRepository
from huitou.promotions.offers.rules import MOST_AT_ONCE, crowded_store
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    from huitou.promotions.offers.rules import Compiled

NO_TEMPLATES: Mapping[str, str] = MappingProxyType({})


class Offers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = OfferRepository(database)
        self._limiter = Limiter(database, clock)
        self._clock = clock

    def put_offers(
        self,
        offers: list[Offer],
        stacking: StackingRules | None,
        templates: Mapping[str, str] = NO_TEMPLATES,
    ) -> None:
        """Store new revisions of offers and, if given, of the tree.

        `templates` maps coupon templates that are stored at the same time to their groups. Raises
        Refusal naming an offer or template whose group the tree doesn't have (a new tree must also
        keep the groups of offers in force), or a group that makes no sense; TOO_MANY_OFFERS, or
        TOO_MANY_AT_ONCE with the store.
        """
        tree = stacking or self._repository.stacking()
        groups = {group.group for group in walk(tree.groups)}
        named = {f"offers.{offer.id}.group": offer.group for offer in offers}
        named |= {f"coupon_templates.{name}.group": group for name, group in templates.items()}
        if stacking is not None or offers:
            later = {offer.id for offer in offers}
            today = self._clock.now().date() - timedelta(days=1)
            stored = self._repository.in_force(today)
            others = [one for one in stored if one.id not in later]
            ahead = [o for o in offers if o.valid_until is None or o.valid_until >= today]
            if ahead and len(others) + len(ahead) > MOST_OFFERS:
                raise Refusal(OfferErrors.TOO_MANY_OFFERS, field="offers", detail=str(MOST_OFFERS))
            crowded = crowded_store(stored, [*others, *ahead], today)
            if crowded is not None:
                detail = f"{MOST_AT_ONCE} ({crowded})" if crowded else str(MOST_AT_ONCE)
                raise Refusal(OfferErrors.TOO_MANY_AT_ONCE, field="offers", detail=detail)
            if stacking is not None:
                _check(stacking)
                named |= {f"stacking_rules.groups ({one.id})": one.group for one in others}
        for field, group in named.items():
            if group not in groups:
                raise Refusal(Code.INVALID_REQUEST, field=field, detail=group)
        if stacking is not None:
            self._repository.put_stacking(stacking)
        for offer in offers:
            self._limiter.open_pool(offer.subject, offer.limits, offer.revision)
            self._repository.put(offer)

    def list_offers_in_force(self) -> list[Offer]:
        """Return the offers that are in force today or later, in whatever time zone."""
        return self._repository.in_force(self._clock.now().date() - timedelta(days=1))

    def stacking_rules(self) -> StackingRules:
        """Return the tree in force."""
        return self._repository.stacking()

    def compiled_offers(self, day: date) -> Compiled:
        """Return the present offers, compiled; a change is seen within a second."""
        return self._repository.compiled(day)

    def offers_as_they_were(
        self, offers: Iterable[tuple[str, int]], stacking_revision: int
    ) -> Compiled:
        """Return the offers and the tree compiled from these revisions."""
        return self._repository.as_they_were(offers, stacking_revision)


def _check(stacking: StackingRules) -> None:
    """Refuse a new tree that makes no sense, naming the field; older trees may be like that.

    A group per item needs the mode "best" or "first". A set of `never_together` needs at least two
    groups, and none of them may lie within another.
    """
    for number, group in enumerate(stacking.groups):
        if group.per == "item" and group.mode == "stack":
            raise Refusal(
                Code.INVALID_REQUEST,
                field=f"stacking_rules.groups.{number}.mode",
                detail="per item: best, first",
            )
    within = {
        group.group: {inner.group for inner in walk(group.groups)}
        for group in walk(stacking.groups)
    }
    for number, names in enumerate(stacking.never_together):
        nested = any(other in within[name] for name in names for other in names)
        if nested or len(set(names)) != len(names) or len(names) < 2:
            raise Refusal(
                Code.INVALID_REQUEST,
                field=f"stacking_rules.never_together.{number}",
                detail=", ".join(names) or "≥ 2",
            )
