"""The first page, made from stored daily figures, so its cost doesn't grow with orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from huitou.catalog.menu.service import Menu
from huitou.catalog.stores.rules import brand_day, store_day
from huitou.catalog.stores.service import Stores
from huitou.insight.kpis.models import DaysRequest, StoreFiguresRequest
from huitou.insight.kpis.service import Kpis
from huitou.loyalty.adjustments.models import AdjustmentsRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.marketing.runs.skipped_service import Skipped
from huitou.operations.console.home_models import (
    DAYS_SHOWN,
    AlarmsAnswer,
    FiguresRequest,
    Goals,
)
from huitou.operations.console.lookup_service import Lookups, MaySeeStore
from huitou.operations.maintenance.service import Maintenance
from huitou.payments.discrepancies.models import DiscrepanciesRequest
from huitou.payments.discrepancies.service import Discrepancies
from huitou.payments.refunds.models import RefundsRequest
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

MOST_STORES = 100
MOST_ALARMS = 50
WEEK_DAYS = 7


class Home:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def show_figures(self, request: FiguresRequest, store_ids: Sequence[str]) -> dict[str, Any]:
        """Return the figures, and those of each store in `store_ids`.

        For one store, today is its own business day, as its orders are counted by it. If
        `store_ids` is empty, they are those of the chain's first 100 stores.
        """
        now, shops = self._clock.now(), Stores(self._database, self._clock)
        shop = shops.get_store(request.store_id) if request.store_id else None
        today = date.fromisoformat(store_day(shop, now) if shop else brand_day(now))
        kpis = Kpis(self._database, self._clock)
        days = kpis.list_day_figures(
            DaysRequest(
                store_id=request.store_id, first=today - timedelta(days=DAYS_SHOWN - 1), last=today
            )
        )["days"]
        of_stores = StoreFiguresRequest(
            as_of=today - timedelta(days=1),
            limit=MOST_STORES,
            store_ids=list(store_ids)[:MOST_STORES] if store_ids else None,
        )
        names = shops.store_names()
        return {
            "store_id": request.store_id,
            "today": days[-1],
            "week_ago": days[-8],
            "days": days,
            "stores": [
                {"store_id": store_id, "name": names.get(store_id, store_id), **figures}
                for store_id, figures in kpis.list_store_figures(of_stores)["by_store"].items()
            ],
            "goals": Goals(),
        }

    def count_alarms(
        self,
        may_see_store: MaySeeStore,
        store_ids: Sequence[str],
        near: Callable[[list[str]], set[str]],
    ) -> AlarmsAnswer:
        """Count what needs attention, up to a page of each.

        Counts refunds of stores that the person may see, what colleagues `near` them asked to give
        by hand, and sold-out dishes of `store_ids`, or of all stores if it is empty.
        """
        health = Maintenance(self._database, self._clock).show_health()
        open_ones = DiscrepanciesRequest(limit=MOST_ALARMS)
        waiting = AdjustmentsRequest(limit=MOST_ALARMS)
        refunds = RefundsRequest(limit=MOST_ALARMS)
        gifts = Adjustments(self._database, self._clock).list_adjustments(waiting).adjustments
        colleagues = near([gift.actor for gift in gifts])
        return AlarmsAnswer(
            dead_letters=int(health["dead_letters"]),
            relay_lag_s=float(health["relay"].get("lag_s") or 0.0),
            differences=len(
                Discrepancies(self._database, self._clock)
                .list_discrepancies(open_ones)
                .discrepancies
            ),
            refunds=len(
                Lookups(self._database, may_see_store).list_waiting_refunds(refunds).refunds
            ),
            adjustments=sum(gift.actor in colleagues for gift in gifts),
            sold_out=Menu(self._database).count_sold_out_dishes(store_ids, MOST_ALARMS),
            skipped=Skipped(self._database, self._clock).count_skipped_days(WEEK_DAYS, MOST_ALARMS),
            most=MOST_ALARMS,
        )
