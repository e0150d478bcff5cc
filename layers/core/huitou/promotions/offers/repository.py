"""Every query on `offers`, and on the stacking rules in `rules`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from huitou.promotions.offers.models import Offer, StackingRules, default_stacking
from huitou.promotions.offers.rules import Compiled
from huitou.runtime.database import Database
from huitou.runtime.revisions import put_revision, revision_of, revisions_of

# The service refuses to store more offers in force or to come; a chain has tens.
MOST_OFFERS = 500
# Two operators who store offers at once may exceed MOST_OFFERS; all of them must still be read.
_MOST_READ = 2 * MOST_OFFERS
_VERSION = "offers"
_KEPT_S = 600.0  # So long compiled offers are kept; an offer that ends meanwhile counts as ended.


class OfferRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._offers = database.collection("offers")
        self._rules = database.collection("rules")
        self._meta = database.collection("meta")

    def put(self, offer: Offer) -> None:
        """Store a later revision."""
        put_revision(self._offers, offer.document(), f"offers.{offer.id}.revision")
        self._changed()

    def put_stacking(self, rules: StackingRules) -> None:
        """Store a later revision of the tree."""
        put_revision(self._rules, rules.document(), "stacking_rules.revision")
        self._changed()

    def _changed(self) -> None:
        # The version rises after the write: whoever read too early reads again a second later.
        self._meta.update_one(
            {"_id": _VERSION}, {"$inc": {"version": 1}, "$setOnInsert": {"schema": 1}}, upsert=True
        )

    def stacking(self) -> StackingRules:
        """Return the tree; the default one until a chain sets its own."""
        found = self._rules.find_one({"_id": "stacking"})
        return StackingRules.model_validate(found) if found else default_stacking()

    def in_force(self, day: date) -> list[Offer]:
        """Return the offers that hadn't ended before this day, ordered by id."""
        still = [{"valid_until": None}, {"valid_until": {"$gte": day.isoformat()}}]
        found = self._offers.find({"$or": still}).limit(_MOST_READ)
        return sorted(map(Offer.model_validate, found), key=lambda offer: offer.id)

    def compiled(self, day: date) -> Compiled:
        """Return the compiled offers; reads them again only if something has changed."""

        def version() -> int:
            found = self._meta.find_one({"_id": _VERSION})
            return int(found["version"]) if found else 0

        current = self._cache.get("offers version", version)
        return self._cache.get(
            ("offers", current, day),
            lambda: Compiled(self.in_force(day - timedelta(days=1)), self.stacking()),
            seconds=_KEPT_S,
        )

    def as_they_were(self, offers: Iterable[tuple[str, int]], stacking_revision: int) -> Compiled:
        """Return the offers and the tree compiled from these revisions."""
        found = revisions_of(self._offers, offers)
        tree = revision_of(self._rules, "stacking", stacking_revision)
        return Compiled(
            map(Offer.model_validate, found),
            StackingRules.model_validate(tree) if tree else default_stacking(),
        )
