"""Keep members' features up with their orders."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from pymongo.client_session import ClientSession

from huitou.catalog.stores.rules import shifted
from huitou.catalog.stores.service import Stores
from huitou.marketing.features.models import (
    FeatureOrder,
    Features,
    RebuildAnswer,
    RebuildRequest,
    TagAnswer,
    TagRequest,
)
from huitou.marketing.features.repository import FeatureRepository
from huitou.marketing.features.rules import fold, kept_fen, merged, rebuild
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.triggers import DONE

AT_ONCE = 200  # Orders of one transaction.
PRICE_DAYS = 7  # A "was" price is held against the lowest deal of so many days (price-mark rules).


class FeatureBook:
    """Members' features: folded from what is due, rebuilt from all of a member's orders."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._repository = FeatureRepository(database)
        self._stores = Stores(database, clock)

    def of(self, member_ids: Sequence[str], *, visits: bool = True) -> dict[str, Features]:
        """Return these members' features; who never ordered and has no tags has none."""
        return self._repository.among(member_ids, visits=visits)

    def bring_up_to_date(self, seconds: float) -> int:
        """Fold in orders that changed, batch by batch; returns how many."""
        ends, done = time.monotonic() + seconds, 0
        while time.monotonic() < ends and self._repository.any_due():
            done += self._database.transact(self._fold_some)
        return done

    def _fold_some(self, session: ClientSession) -> int:
        due = self._repository.due_orders(AT_ONCE, session)
        if not due:
            return 0
        # First the marker: a second folder of the same orders, or a refund, conflicts here.
        self._repository.mark_featured(due, session)
        owners = self._owners({order.member_id for order in due}, session)
        by_owner: dict[str, list[FeatureOrder]] = {}
        for order in due:
            by_owner.setdefault(owners[order.member_id].id, []).append(order)
        zones = self._stores.zone_by_id()
        now = {features.id: features for features in owners.values()}
        changed = []
        for member_id, orders in by_owner.items():
            found = fold(now[member_id], orders, zones)
            changed.append(found or self._built(now[member_id], session))
        self._repository.put(changed, session)
        self._repository.put_lowest(_lowest(due), session)
        return len(due)

    def _owners(self, member_ids: Iterable[str], session: ClientSession) -> dict[str, Features]:
        """Whose features these members' orders belong to: one merged is another since."""
        wanted = set(member_ids)
        found = self._repository.among(list(wanted), session)
        owners = {name: found.get(name) or Features(id=name) for name in wanted}
        while moved := {n: f.moved_to for n, f in owners.items() if f.moved_to is not None}:
            there = self._repository.among(list(moved.values()), session)
            owners |= {n: there.get(to) or Features(id=to) for n, to in moved.items()}
        return owners

    def _built(self, features: Features, session: ClientSession) -> Features:
        orders = self._orders(features, session)
        # Of those that are due as well nothing is left to fold.
        self._repository.mark_featured(orders, session)
        return rebuild(features, orders, self._stores.zone_by_id())

    def _orders(self, features: Features, session: ClientSession) -> list[FeatureOrder]:
        return self._repository.orders_of([features.id, *features.sources], session)

    def check(self, request: RebuildRequest) -> RebuildAnswer:
        """Hold a page of members' features against their orders; `repair` writes what is right."""

        zones = self._stores.zone_by_id()

        def write(session: ClientSession) -> RebuildAnswer:
            page = self._repository.page(request.after or "", request.limit, session)
            wrong = []
            for features in page:
                orders = [] if features.moved_to else self._orders(features, session)
                on_its_way = any(o.features != DONE and kept_fen(o) for o in orders)
                if features.moved_to or on_its_way:
                    continue
                if rebuild(features, orders, zones) != features:
                    wrong.append(features.id)
                    if request.repair:
                        self._repository.put([self._built(features, session)], session)
            after = page[-1].id if len(page) == request.limit else None
            return RebuildAnswer(members=len(page), different=wrong, next=after)

        return self._database.transact(write)

    def take_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Let one member have what another one ordered, in the transaction that merges them."""
        found = self._repository.among([source_id, into_id], session)
        source = found.get(source_id) or Features(id=source_id)
        into = found.get(into_id) or Features(id=into_id)
        if source.moved_to is None:
            self._repository.move(source, merged(source, into), session)

    def tag(self, request: TagRequest) -> TagAnswer:
        """Set and take away a tag; Refusal for a call that names nobody."""
        if not (request.add or request.remove):
            raise Refusal(Code.INVALID_REQUEST, field="add", detail="add / remove")
        added, removed = self._repository.tag(request.tag, request.add, request.remove)
        return TagAnswer(added=added, removed=removed)

    def lowest_fen(self, dish_id: str, day: str) -> int | None:
        """Return for how little a piece of a dish was sold in the 7 days before a day."""
        days = [shifted(day, -ago) for ago in range(1, PRICE_DAYS + 1)]
        return self._repository.lowest(dish_id, days)


def _lowest(orders: Sequence[FeatureOrder]) -> dict[tuple[str, str], int]:
    """For what a piece was sold at the least, by dish and day, all its line's discounts taken off.

    Rounded down. Lines with 加料 are dearer and never the lowest by mistake; orders that were
    given back count too, for the price was there.
    """
    found: dict[tuple[str, str], int] = {}
    for order in orders:
        if kept_fen(order) == 0 and not order.refunds:
            continue
        for number, line in enumerate(order.lines):
            shares = (d.by_line_fen[number] for d in order.discounts
                      if number < len(d.by_line_fen))  # fmt: skip
            fen = max(0, line.list_fen - sum(shares)) // max(1, line.quantity)
            if fen:  # What a voucher or points paid for wholly has no price.
                key = (line.dish_id, order.business_day)
                found[key] = min(found.get(key, fen), fen)
    return found
