"""What a month costs: figures times prices, by hand and by property."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bootstrap import ROOT
from cli.cost.estimate import (
    MEMORY_STEPS_MB,
    RELAY_SPARE_S,
    Estimate,
    estimate,
    slower,
    standing_s,
)
from cli.cost.figures import Assumptions, Figures, FunctionFigures
from cli.cost.measure import firings_a_month
from cli.cost.prices import PATH, Prices, load_prices
from cli.cost.verdict import comparisons, free_tier, verdict, yuan

PAY = FunctionFigures(
    name="pay", memory_mb=256, timeout_s=60, calls_per_order=4.0, warm_ms=20.0, cold_ms=20.0,
    firings_a_month=0.0, idle_ms=0.0, timer_work_ms_per_order=0.0, peak_mb=60.0,
    log_bytes_per_call=300.0,
)  # fmt: skip
RELAY = FunctionFigures(
    name="trigger-relay", memory_mb=128, timeout_s=900, calls_per_order=0.0, warm_ms=0.0,
    cold_ms=0.0, firings_a_month=43_800.0, idle_ms=4_000.0, timer_work_ms_per_order=0.0,
    peak_mb=57.0, log_bytes_per_call=0.0, stands=True,
)  # fmt: skip
FIGURES = Figures(
    paid_orders=100, functions=(PAY, RELAY), relay=RELAY, member_calls_per_order=3.0,
    http_calls_per_order=1.0, answer_bytes_per_order=10_000.0, database_bytes_per_order=6_000.0,
)  # fmt: skip
GROWS = {
    "functions, for orders", "calls", "HTTP access", "CloudBase API", "traffic out", "database",
    "backups", "logs", "CloudBase plan, less its points",
}  # fmt: skip


def at(orders: int, figures: Figures = FIGURES) -> Estimate:
    return estimate(figures, orders, load_prices(), Assumptions())


def fen(bill: Any, name: str) -> tuple[int, int]:
    [item] = [item for item in bill.items if item.name == name]
    return item.low_fen, item.high_fen


def test_a_small_month_by_hand_comes_out_to_the_fen() -> None:
    # 24,000 orders a day are 730,000 a month; each makes 4 calls of 20 ms at a quarter of a GB.
    bill = at(24_000, replace(FIGURES, functions=(PAY,))).bill
    assert fen(bill, "functions, for orders") == (162, 162)  # 14,600 GB-s × 0.00011108
    assert fen(bill, "calls") == (388, 388)  # 292 times 10,000 calls × 0.0133
    assert fen(bill, "HTTP access") == (219, 219)  # 73 × 0.03
    assert fen(bill, "CloudBase API") == (0, 2190)  # 219 × 0.1
    assert fen(bill, "traffic out") == (584, 1168)  # 7.3 GB out, and 7.3 GB of answers × 0.8
    assert fen(bill, "logs") == (242, 242)  # 2.92 million × 1,000 bytes × 0.83
    # Used: ¥13.53 to ¥41.27; the personal plan includes ¥40 for ¥19.90, the standard ¥330 for ¥199.
    assert fen(bill, "CloudBase plan, less its points") == (1_990 - 1_353, 19_900 - 4_127)
    assert fen(bill, "relay, standing") == (0, 0)
    # A year is 52.56 GB, half as much again 78.84: 80 GB of disk. 12 GB × 38.3333 is 460 yuan.
    assert fen(bill, "database") == (46_000 + 16_800, 46_000 + 21_000)
    assert fen(bill, "backups") == (0, 4_341)  # 7 × 52.56 GB × 0.118
    assert fen(bill, "NAT gateway") == (0, 36_500 + 657)  # 730 h × 0.5; 8.2125 GB × 0.8


def test_the_totals_are_the_sums_of_their_items_and_low_is_below_high() -> None:
    out = at(10_000)
    for bill in (out.bill, out.servers, out.servers_and_database):
        assert bill.low_fen == sum(item.low_fen for item in bill.items)
        assert bill.high_fen == sum(item.high_fen for item in bill.items)
        assert bill.low_fen < bill.high_fen


def test_twice_the_orders_double_only_what_comes_with_orders() -> None:
    once, twice = at(10_000), at(20_000)
    for name in ("functions, for orders", "HTTP access", "CloudBase API", "traffic out"):
        for single, double in zip(fen(once.bill, name), fen(twice.bill, name), strict=True):
            assert double == pytest.approx(2 * single, abs=1)
    changed = {
        item.name
        for item, other in zip(once.bill.items, twice.bill.items, strict=True)
        if (item.low_fen, item.high_fen) != (other.low_fen, other.high_fen)
    }
    assert changed <= GROWS
    assert fen(once.bill, "relay, standing") == fen(twice.bill, "relay, standing")
    assert fen(once.bill, "timers with nothing to do") == fen(
        twice.bill, "timers with nothing to do"
    )


def test_the_relay_stands_all_month_and_a_successor_waits_a_little() -> None:
    assert standing_s(PAY) == 0
    # Newcomers every minute, the last 70 s of 890 s: 7/6 of them wait 35 s on average.
    waits = 730 * 3_600 / 890 * 7 / 6 * 35
    assert standing_s(RELAY) == pytest.approx(730 * 3_600 + waits)
    [_, relay] = at(1).functions
    assert relay.standing_gbs == pytest.approx(standing_s(RELAY) * 128 / 1024)
    never_fired = replace(RELAY, firings_a_month=0.0)
    assert standing_s(never_fired) == 730 * 3_600
    # The founding estimate: at 256 MB, 657,000 GB-seconds a month.
    whole = at(1, replace(FIGURES, functions=(replace(never_fired, memory_mb=256),)))
    assert whole.functions[0].standing_gbs == 657_000


def test_the_relay_is_left_out_of_the_bill_and_told_beside_it() -> None:
    without = at(10_000, replace(FIGURES, functions=(PAY,)))
    assert fen(without.bill, "relay, standing") == (0, 0)
    assert without.with_relay == at(10_000).bill
    low, _ = fen(without.with_relay, "relay, standing")
    assert low == round(standing_s(RELAY) / 8 * 0.011108)  # 128 MB; fen for a GB-second.


def test_the_spare_time_is_the_relays_own() -> None:
    source = (ROOT / "functions" / "trigger-relay" / "index.py").read_text(encoding="utf-8")
    assert f"_SPARE_S = {float(RELAY_SPARE_S)}" in source


def test_slower_calls_leave_the_relays_waiting_as_it_is() -> None:
    prices, assumed = load_prices(), Assumptions()
    slow = estimate(FIGURES, 10_000, prices, slower(assumed, 2.0))
    once = estimate(FIGURES, 10_000, prices, assumed)
    assert slow.functions[0].order_gbs == pytest.approx(2 * once.functions[0].order_gbs)
    assert slow.functions[1] == once.functions[1]


def test_cold_starts_count_by_their_share() -> None:
    warm = replace(FIGURES, functions=(PAY,))
    cold = replace(FIGURES, functions=(replace(PAY, cold_ms=1_020.0),))
    ratio = at(10_000, cold).functions[0].order_gbs / at(10_000, warm).functions[0].order_gbs
    assert ratio == pytest.approx((20 + 0.03 * 1_000) / 20)


@pytest.mark.parametrize(
    ("peak_mb", "enough_mb"), [(40.0, 64), (43.0, 128), (57.0, 128), (86.0, 256)]
)
def test_enough_memory_is_a_step_with_room_over_the_peak(peak_mb: float, enough_mb: int) -> None:
    [pay] = at(1, replace(FIGURES, functions=(replace(PAY, peak_mb=peak_mb),))).functions
    assert pay.enough_mb == enough_mb
    assert enough_mb in MEMORY_STEPS_MB
    assert bool(pay.saves_fen) is False  # One order a day is less than a fen.


def test_free_months_give_no_more_than_is_used_nor_than_is_granted() -> None:
    assert at(1).free_months_save_fen < at(10_000).free_months_save_fen
    granted = 400_000 * Decimal("0.011108") + 100 * Decimal("1.33")
    assert at(1_000_000).free_months_save_fen == round(granted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cron", "a_month"),
    [
        ("0 * * * * * *", 43_800),
        ("30 */5 * * * * *", 8_760),
        ("45 6-59/10 * * * * *", 4_380),
        ("0 0 4 * * * *", 365 / 12),
        ("0 0 4 1 * * *", 1),
    ],
)
def test_firings_of_an_average_month_are_counted_from_the_cron(cron: str, a_month: float) -> None:
    assert firings_a_month(cron) == pytest.approx(a_month, rel=0.005)


class _Seen(dict[str, Any]):
    """Prices that remember which of them were asked for."""

    def __init__(self, items: Any) -> None:
        super().__init__(items)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)


def test_every_price_is_used_and_has_a_source_a_date_and_a_unit() -> None:
    raw = json.loads(PATH.read_text(encoding="utf-8"))
    prices = load_prices()
    assert set(raw["items"]) == set(prices.items)
    for price in prices.items.values():
        assert price.value > 0
        assert "/" in price.unit
        assert len(price.source) > 10
        assert price.source_date[:1].isdigit() or price.source_date.startswith("about 20")
    seen = _Seen(prices.items)
    estimate(
        FIGURES, 100, Prices.model_construct(as_of="", currency="CNY", items=seen), Assumptions()
    )
    assert seen.names == set(prices.items)


def test_only_a_price_makes_money() -> None:
    with pytest.raises(ValueError, match="is not a price"):
        load_prices().fen("scf_free_calls", 1)


def test_the_comparisons_hold_the_same_bill_against_three_others() -> None:
    out = at(10_000)
    alone, same, without = comparisons(out)
    assert alone.ours == same.ours == out.bill
    assert same.under_low == pytest.approx(1 - out.bill.low_fen / same.theirs.low_fen)
    # Without any database both sides lose the same items, so the difference in yuan stays.
    assert without.theirs.high_fen - without.ours.high_fen == (
        same.theirs.high_fen - same.ours.high_fen
    )
    assert {item.name for item in without.theirs.items} < {item.name for item in alone.theirs.items}


def test_the_verdict_says_what_the_figures_say() -> None:
    assert "“about ¥300.00” does not hold" in verdict(at(10_000))
    cheap = {
        n: p.model_copy(update={"value": p.value / 100}) for n, p in load_prices().items.items()
    }
    out = estimate(
        FIGURES, 10_000, load_prices().model_copy(update={"items": cheap}), Assumptions()
    )
    assert "“about ¥300.00” holds, and" in verdict(out)
    assert yuan(-2_010) == "−¥20.10"
    assert yuan(123_456_789) == "¥1,234,567.89"


def test_a_single_shop_is_within_the_free_tier_and_its_database_never_is() -> None:
    prices = load_prices()
    for orders_per_day, begins in ((300, "are within"), (1_000_000, "are not within")):
        out = at(orders_per_day)
        told = free_tier(out, prices)
        assert told.startswith(f"The functions {begins} SCF's free tier")
        [database] = [item for item in out.bill.items if item.name == "database"]
        assert f"never the database's {yuan(database.low_fen)}" in told
