"""Calendar rules: business days, opening hours, tier windows and ends of coupons."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huitou.catalog.stores.models import OpeningHours, Store
from huitou.catalog.stores.rules import business_day, takes_orders
from huitou.coupons.issuing.rules import end_of_day
from huitou.loyalty.tiers.models import Figures, TierAccount, default_rules
from huitou.loyalty.tiers.rules import Evaluation
from tier_lives import evaluate


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text + "+08:00")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-02T03:59:59", "2026-03-01"),  # Supper belongs to the evening before.
        ("2026-03-02T04:00:00", "2026-03-02"),
        ("2026-03-01T00:30:00", "2026-02-28"),
        ("2028-03-01T01:00:00", "2028-02-29"),  # A leap day.
        ("2027-01-01T02:00:00", "2026-12-31"),
    ],
)
def test_a_business_day_ends_at_the_cut_off_time_in_the_stores_zone(moment: str, day: str) -> None:
    assert business_day(shanghai(moment), "Asia/Shanghai", "04:00") == day


def test_a_business_day_follows_the_stores_zone_not_the_servers() -> None:
    moment = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    assert business_day(moment, "Asia/Shanghai", "04:00") == "2026-03-03"
    assert business_day(moment, "America/New_York", "04:00") == "2026-03-02"


def store(opens: str, closes: str, **more: int) -> Store:
    return Store(
        id="s", brand_id="b", name="", hours=[OpeningHours(opens=opens, closes=closes, **more)]
    )


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-03-02T16:59:59", False),
        ("2026-03-02T17:00:00", True),
        ("2026-03-03T01:44:59", True),  # After midnight Monday's opening hours still count.
        ("2026-03-03T01:45:00", False),  # After the last order.
    ],
)
def test_opening_hours_run_past_midnight_and_stop_at_last_order(moment: str, open_: bool) -> None:
    assert takes_orders(store("17:00", "02:00", last_order_min=15), shanghai(moment)) is open_


@pytest.mark.parametrize("opens", ["00:00", "08:00"])
def test_a_store_that_is_open_day_and_night_has_no_last_order(opens: str) -> None:
    """It was closed for the minutes before midnight, or before the hour at which a day began."""
    always = store(opens, opens, last_order_min=30)
    for hour in range(24):
        assert takes_orders(always, shanghai(f"2026-03-03T{hour:02}:45:00"))


def test_a_store_takes_last_orders_only_where_no_other_period_begins() -> None:
    day = OpeningHours(opens="06:00", closes="14:00", last_order_min=30)
    late = OpeningHours(opens="14:00", closes="22:00", last_order_min=30)
    both = store("06:00", "14:00").model_copy(update={"hours": [day, late]})
    assert takes_orders(both, shanghai("2026-03-03T13:45:00"))
    assert not takes_orders(both, shanghai("2026-03-03T21:45:00"))
    monday = OpeningHours(opens="00:00", closes="00:00", last_order_min=30, weekdays=[0])
    once = both.model_copy(update={"hours": [monday]})
    assert takes_orders(once, shanghai("2026-03-02T23:15:00"))
    assert not takes_orders(once, shanghai("2026-03-02T23:45:00"))  # Tuesday it is closed.


def test_a_paused_store_takes_no_orders() -> None:
    paused = store("00:00", "00:00").model_copy(update={"paused": True})
    assert not takes_orders(paused, shanghai("2026-03-02T12:00:00"))


def test_a_coupon_ends_with_its_last_local_day_inclusive() -> None:
    """mitxpro 991: coupons ended a day early."""
    until = end_of_day("2026-03-02", 7)
    assert until.isoformat() == "2026-03-08T23:59:59.999000+08:00"


def by_spend(spend: dict[str, int], today: str) -> Evaluation:
    return evaluate(TierAccount(id="m", spend_by_day=spend), default_rules(), today)


def test_the_rolling_window_counts_365_days_including_today() -> None:
    today = date(2026, 12, 31)
    oldest, older = (today - timedelta(days=d) for d in (364, 365))
    spend = {oldest.isoformat(): 49_999, older.isoformat(): 1}
    assert by_spend(spend, today.isoformat()).level.level == "basic"
    assert by_spend(spend | {today.isoformat(): 1}, today.isoformat()).level.level == "silver"


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 500).map(lambda n: (date(2026, 1, 1) + timedelta(days=n)).isoformat()),
        st.integers(0, 60_000),
        max_size=12,
    ),
    st.integers(0, 500),
)
def test_the_review_day_is_the_first_day_on_which_the_level_is_lost(
    spend: dict[str, int], after: int
) -> None:
    """The review day is compared with an evaluation of every single day."""
    today = date(2026, 1, 1) + timedelta(days=after)
    spend = {day: fen for day, fen in spend.items() if day <= today.isoformat()}
    found = by_spend(spend, today.isoformat())
    first_fall, places = None, {"basic": 0, "silver": 1, "gold": 2}
    for ahead in range(1, 400):
        later = (today + timedelta(days=ahead)).isoformat()
        if places[by_spend(spend, later).level.level] < places[found.level.level]:
            first_fall = later
            break
    holds = found.standing.holds_through
    assert (holds and (date.fromisoformat(holds) + timedelta(days=1)).isoformat()) == first_fall


def test_the_figures_missing_for_the_next_tier_are_known() -> None:
    silver = default_rules().above("basic")
    assert silver is not None
    assert silver.name == "白银"
    assert silver.missing(Figures(spend_fen=38_000)) == {"spend_fen": 12_000}
    assert default_rules().above("gold") is None
