"""The chain's offers: put in force by operators, compiled for pricing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from huitou.limits.service import Limiter
from huitou.offers.models import Offer, StackingRules, walk
from huitou.offers.repository import OfferRepository
from huitou.offers.rules import Compiled
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Offers:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = OfferRepository(database)
        self._limiter = Limiter(database, clock)

    def put(self, offers: list[Offer], stacking: StackingRules | None) -> None:
        """Put later revisions in force; Refusal naming an offer whose group the tree hasn't."""
        tree = stacking or self._repository.stacking()
        groups = {group.group for group in walk(tree.groups)}
        for offer in offers:
            if offer.group not in groups:
                raise Refusal(
                    Code.INVALID_REQUEST, field=f"offers.{offer.id}.group", detail=offer.group
                )
        if stacking is not None:
            self._repository.put_stacking(stacking)
        for offer in offers:
            self._limiter.open(offer.subject, offer.limits, offer.revision)
            self._repository.put(offer)

    def compiled(self, day: date) -> Compiled:
        """Return the offers as they stand, compiled; a change is seen within a second."""
        return self._repository.compiled(day)

    def as_they_were(self, offers: Iterable[tuple[str, int]], stacking_revision: int) -> Compiled:
        """Return offers and tree compiled as they were in these revisions."""
        return self._repository.as_they_were(offers, stacking_revision)
