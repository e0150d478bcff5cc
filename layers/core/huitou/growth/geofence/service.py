"""Stores nearby: find the stores near a position, and give coupons for an arrival."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from huitou.catalog.stores.models import Store
from huitou.catalog.stores.rules import next_opening, store_day, takes_orders
from huitou.catalog.stores.service import Stores
from huitou.growth.geofence.errors import GeofenceErrors
from huitou.growth.geofence.models import Arrival, NearAnswer, NearStore, Position, PositionRequest
from huitou.growth.geofence.repository import GeofenceRepository
from huitou.growth.geofence.rules import (
    EARLY,
    FRESH,
    KEPT,
    FenceIndex,
    Point,
    cell_of,
    fenced,
    in_gcj02,
    is_possible,
    is_precise,
    offers_at,
)
from huitou.members.consents.service import Consents
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang, Refusal
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.coupons.issuing.models import ShownCoupon
    from huitou.coupons.issuing.service import Coupons

MOST_SHOWN = 20
PLACE_TRIES = 5
_KEPT_S = 600.0  # The index is built again when a store has changed, and after this time.
_WORDS = {
    "nobody": ("附近没有门店", "No store is near"),
    "coarse": ("定位不够精确，请到室外或打开精确定位", "The position isn't exact enough"),
    "closed": ("附近门店未营业", "The stores near here are closed"),
    "welcome": ("欢迎光临", "Welcome"),
}


class Geofence:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._database = database
        self._clock = clock
        self._brand_id = brand_id
        self._cache = database.cache
        self._repository = GeofenceRepository(database)
        self._stores = Stores(database, clock)
        self._consents = Consents(database, clock)
        self._persons = Persons(database)

    def check_position(
        self, member_id: str, request: PositionRequest, lang: Lang = "zh"
    ) -> NearAnswer:
        """Return the stores near a position, and give the coupons for arriving there.

        Only the coarse cell is stored, for 24 hours, and the store and day of an arrival. Raises
        Refusal LOCATION_CONSENT_REQUIRED, POSITION_TOO_OLD, POSITION_REPLAYED or
        POSITION_IMPOSSIBLE.
        """
        held = self._consents.consents_of([member_id])[member_id]
        if not held["precise_location"]:
            raise Refusal(GeofenceErrors.LOCATION_CONSENT_REQUIRED)
        now = self._clock.now()
        if not now - FRESH <= request.at <= now + EARLY:
            raise Refusal(GeofenceErrors.POSITION_TOO_OLD, field="at")
        point = in_gcj02(request.lat, request.lng, request.system)
        self._move(member_id, point, request.at)
        if not self._consents.has_consent(member_id, "precise_location"):
            self.forget_position(
                member_id
            )  # Consent was withdrawn a moment ago: delete the position.
            raise Refusal(GeofenceErrors.LOCATION_CONSENT_REQUIRED)
        index, stores = self._index()
        near = [(far, stores[name]) for far, name in index.near(point)][:MOST_SHOWN]
        shown = [_shown(store, far, now) for far, store in near]
        precise = [store for _, store in near if is_precise(request.accuracy_m, store)]
        welcomed = [store for store in precise if takes_orders(store, now)]
        coupons = []
        if held["marketing"]:
            coupons = [c for store in welcomed for c in self._welcome(member_id, store, now)]
        return NearAnswer(
            stores=shown,
            precise=bool(precise),
            coupons=coupons,
            what=_said(near, precise, welcomed)[lang == "en"],
        )

    def forget_position(self, member_id: str) -> None:
        """Delete a member's last position, at once."""
        self._repository.forget(member_id)

    def _move(self, member_id: str, point: Point, at: datetime) -> None:
        before = self._repository.position(member_id)
        at = at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
        if before is not None and at - before.at <= KEPT:
            if at <= before.at:
                raise Refusal(GeofenceErrors.POSITION_REPLAYED, field="at")
            if not is_possible(point, at, before.cell, before.at):
                raise Refusal(GeofenceErrors.POSITION_IMPOSSIBLE, field="lat")
        delete_at = datetime.now(UTC) + KEPT  # Real time: we may not keep it longer.
        here = Position(id=member_id, cell=cell_of(point), at=at, delete_at=delete_at)
        if not self._persons.insert_for(
            member_id, lambda session: self._repository.move(here, before, session)
        ):
            raise Refusal(GeofenceErrors.POSITION_REPLAYED, field="at")

    def _index(self) -> tuple[FenceIndex, dict[str, Store]]:
        """Return the index of all stores, and the stores by id; a warm instance keeps them."""

        def build() -> tuple[FenceIndex, dict[str, Store]]:
            stores = {
                store.id: store for store in self._stores.list_stores_on_the_map(self._brand_id)
            }
            fences = [found for store in stores.values() if (found := fenced(store)) is not None]
            return FenceIndex(fences), stores

        version = self._stores.stores_version()
        return self._cache.get(("fence index", version), build, seconds=_KEPT_S)

    def _welcome(self, member_id: str, store: Store, now: datetime) -> list[ShownCoupon]:
        """Give the coupons for arriving at an open store; each one comes once a day."""
        rules, day = self._repository.rules(), store_day(store, now)
        local = now.astimezone(ZoneInfo(store.zone))
        offers = offers_at(rules.offers, store, day, local)
        if not self._arrive(member_id, store.id, day, now, rules.most_a_day):
            return []
        coupons = Coupons(self._database, self._clock)
        templates = coupons.find_templates([offer.template_id for offer in offers])
        given = []
        for template in templates.values():
            cause = f"arrive:{member_id}:{store.id}:{day}:{template.id}"
            # If a call is killed after it stored the arrival, the next call issues the coupon.
            if coupons.issue_coupon(template, member_id=member_id, cause=cause) is not None:
                given.append(coupons.show_coupon_of_cause(cause))
        return given

    def _arrive(self, member_id: str, store_id: str, day: str, now: datetime, most: int) -> bool:
        """Store the arrival; False if the member has used up their arrivals of the day."""
        for _ in range(PLACE_TRIES):
            arrived = self._repository.arrived(member_id, day)
            if store_id in arrived:
                return True
            if len(arrived) >= most:
                return False
            arrival = Arrival(
                id=f"arrive:{member_id}:{store_id}:{day}",
                member_id=member_id,
                day=day,
                store_id=store_id,
                place=f"{day}#{len(arrived) + 1}",
                at=now,
            )
            if self._persons.insert_for(
                member_id,
                lambda session, new=arrival: self._repository.arrive(new, session),  # type: ignore[misc]
            ):
                return True
        return False


def _shown(store: Store, far: float, now: datetime) -> NearStore:
    is_open = takes_orders(store, now)
    return NearStore(
        store_id=store.id,
        name=store.name,
        address=store.address,
        distance_m=round(far),
        open=is_open,
        opens_at=None if is_open else next_opening(store, now),
    )


def _said(
    near: list[tuple[float, Store]], precise: list[Store], open_: list[Store]
) -> tuple[str, str]:
    if not near:
        return _WORDS["nobody"]
    if not precise:
        return _WORDS["coarse"]
    return _WORDS["welcome" if open_ else "closed"]
