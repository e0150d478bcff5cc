"""Keep members' features up to date with their orders."""

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
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.triggers import DONE

AT_ONCE = 200  # Orders in one transaction.
# A crossed-out price may not exceed the lowest price of so many days (rules on price marking).
PRICE_DAYS = 7


class FeatureBook:
    """Counts changed orders in their members' features, or computes these again from all orders."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._repository = FeatureRepository(database)
        self._stores = Stores(database, clock)
        self._persons = Persons(database)

    def read_features(
        self, member_ids: Sequence[str], *, visits: bool = True
    ) -> dict[str, Features]:
        """Return the features of these members by id.

        A member who never ordered and has no tags is left out.
        """
        return self._repository.among(member_ids, visits=visits)

    def count_due_orders(self, seconds: float) -> int:
        """Count the orders that changed, batch by batch, for so many seconds; returns how many."""
        ends, done = time.monotonic() + seconds, 0
        while time.monotonic() < ends and self._repository.any_due():
            done += self._database.transact(self._fold_some)
        return done

    def _fold_some(self, session: ClientSession) -> int:
        due = self._repository.due_orders(AT_ONCE, session)
        if not due:
            return 0
        # This write comes first: another worker with the same orders, or a refund of one of them,
        # conflicts here before any features are written.
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
        """Return by member the features in which their orders count.

        The orders of a merged member count in the features of the one they were merged into.
        """
        wanted = set(member_ids)
        found = self._repository.among(list(wanted), session)
        owners = {name: found.get(name) or Features(id=name) for name in wanted}
        while moved := {n: f.moved_to for n, f in owners.items() if f.moved_to is not None}:
            there = self._repository.among(list(moved.values()), session)
            owners |= {n: there.get(to) or Features(id=to) for n, to in moved.items()}
        return owners

    def _built(self, features: Features, session: ClientSession) -> Features:
        orders = self._orders(features, session)
        # Also the orders that are still due: the rebuilt features count them already.
        self._repository.mark_featured(orders, session)
        return rebuild(features, orders, self._stores.zone_by_id())

    def _orders(self, features: Features, session: ClientSession) -> list[FeatureOrder]:
        return self._repository.orders_of([features.id, *features.sources], session)

    def check_features(self, request: RebuildRequest) -> RebuildAnswer:
        """Compare a page of members' features with their orders; `repair` corrects the wrong ones.

        Members with an order that isn't counted yet are left out.
        """
        zones = self._stores.zone_by_id()

        def write(session: ClientSession) -> RebuildAnswer:
            page = self._repository.page(request.after or "", request.limit, session)
            wrong = []
            for features in page:
                orders = [] if features.moved_to else self._orders(features, session)
                uncounted = any(o.features != DONE and kept_fen(o) for o in orders)
                if features.moved_to or uncounted:
                    continue
                if rebuild(features, orders, zones) != features:
                    wrong.append(features.id)
                    if request.repair:
                        self._repository.put([self._built(features, session)], session)
            after = page[-1].id if len(page) == request.limit else None
            return RebuildAnswer(members=len(page), different=wrong, next=after)

        return self._database.transact(write)

    def take_over_features(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Add a merged member's features to the other's, in the transaction that merges them."""
        found = self._repository.among([source_id, into_id], session)
        source = found.get(source_id) or Features(id=source_id)
        into = found.get(into_id) or Features(id=into_id)
        if source.moved_to is None:
            self._repository.move(source, merged(source, into), session)

    def tag_members(self, request: TagRequest) -> TagAnswer:
        """Give and take a tag; members who are gone get none.

        Raises Refusal INVALID_REQUEST if the request names no member.
        """
        if not (request.add or request.remove):
            raise Refusal(Code.INVALID_REQUEST, field="add", detail="add / remove")

        def write(session: ClientSession) -> tuple[int, int]:
            add = self._persons.touch_those_left(request.add, session)
            return self._repository.tag(request.tag, add, request.remove, session)

        added, removed = self._database.transact(write)
        return TagAnswer(added=added, removed=removed)

    def lowest_fen(self, dish_id: str, day: str) -> int | None:
        """Return a dish's lowest price for one item, in fen, in the 7 days before a day.

        None if it wasn't sold.
        """
        days = [shifted(day, -ago) for ago in range(1, PRICE_DAYS + 1)]
        return self._repository.lowest(dish_id, days)


def _lowest(orders: Sequence[FeatureOrder]) -> dict[tuple[str, str], int]:
    """Return the lowest price of one item by dish and day, after all discounts, rounded down.

    A line with extras (加料) counts with them: that makes it dearer, so it can't be the lowest by
    mistake. Refunded orders count too, since the dish was offered at that price.
    """
    found: dict[tuple[str, str], int] = {}
    for order in orders:
        if kept_fen(order) == 0 and not order.refunds:
            continue
        for number, line in enumerate(order.lines):
            shares = (d.by_line_fen[number] for d in order.discounts if number < len(d.by_line_fen))
            fen = max(0, line.list_fen - sum(shares)) // max(1, line.quantity)
            if fen:  # A line that a voucher or points paid completely has no price.
                key = (line.dish_id, order.business_day)
                found[key] = min(found.get(key, fen), fen)
    return found
