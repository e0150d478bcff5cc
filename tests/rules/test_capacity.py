"""The sums of `capacity`: sizes grow as declared, and what breaks first has a next step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.capacity import Count
from cli.capacity.estimate import NEXT, Capacity, Size, estimate
from cli.capacity.figures import GROWTH, CollectionFigures, DatabaseFigures, Limits
from cli.capacity.show import as_data, verdict
from cli.cost.figures import FunctionFigures
from huitou.runtime.declarations import declarations

MEASURED = DatabaseFigures(
    paid_orders=100,
    members=50,
    sample=1_000,
    cpu_ms_per_order=20.0,
    per_order={"inserts": 10.0, "updates": 20.0, "reads": 60.0, "transactions": 6.0},
    collections=(
        CollectionFigures("orders", 100, 2_000.0, 500.0, {"_id_": 60.0, "complete_by_1": 40.0}),
        CollectionFigures("logins", 200, 100.0, 50.0, {"_id_": 50.0}),
        CollectionFigures("accounts", 50, 500.0, 100.0, {"_id_": 50.0}),
        CollectionFigures("pickup_numbers", 6, 80.0, 80.0, {"_id_": 50.0}),
    ),
)  # fmt: skip
PAY = FunctionFigures("pay", 256, 60, 5.0, 100.0, 900.0, 1_000.0, 5.0, 1.0, 60.0, 300.0)
LIMITS = Limits()


def capacity(members: int, orders_per_day: int, limits: Limits = LIMITS) -> Capacity:
    return estimate(Size(members, orders_per_day), MEASURED, [PAY], declarations(), limits)


def after(out: Capacity, name: str) -> tuple[int, int]:
    [found] = [one for one in out.collections if one.name == name]
    return found.first_year.documents, found.third_year.documents


def test_documents_grow_by_orders_members_or_days_until_they_go() -> None:
    out = capacity(members=10_000, orders_per_day=1_000)
    assert after(out, "orders") == (365_000, 3 * 365_000)  # For ever.
    assert after(out, "logins") == (730_000, 2 * 730_000)  # Two of an order, for two years.
    assert after(out, "accounts") == (10_000, 10_000)
    assert after(out, "pickup_numbers") == (4 * 30, 4 * 30)  # Four stores, 30 days.


def test_an_account_is_as_large_as_its_member_orders_often() -> None:
    def bytes_each(orders_per_day: int) -> float:
        out = capacity(members=1_000, orders_per_day=orders_per_day)
        [accounts] = [one for one in out.collections if one.name == "accounts"]
        return accounts.first_year.data_bytes / accounts.first_year.documents

    assert bytes_each(1) == pytest.approx(100, rel=0.1)
    assert bytes_each(1_000) == pytest.approx(100 * (500 + 48 * 365) / 500)
    assert bytes_each(2_000) == pytest.approx(100 * (500 + 48 * 366) / 500)  # No more days.


def test_instances_follow_littles_law_with_room() -> None:
    [pay] = capacity(members=10**6, orders_per_day=7_200).instances
    assert pay.busy == pytest.approx(1.0 * 5 * 0.1)  # 12 × 7,200 orders a day are one a second.
    assert pay.needed == 3


@pytest.mark.parametrize("members_and_orders", [(300, 300), (10**5, 10**4), (10**7, 10**6)])
def test_what_breaks_first_is_named_with_a_next_step(members_and_orders: tuple[int, int]) -> None:
    out = capacity(*members_and_orders)
    assert NEXT[out.first] in verdict(out)
    assert {need.name for need in out.needs} == set(NEXT)
    assert as_data(out, MEASURED, LIMITS)["next_step"] == NEXT[out.first]
    # A little larger than that it breaks, a little smaller it doesn't.
    for factor, breaks in ((1.1, True), (0.9, False)):
        size = out.breaks_at.times(factor)
        needs = capacity(size.members, size.orders_per_day).needs
        assert (max(needs, key=lambda need: need.share).share > 1) == breaks
    assert max(needs, key=lambda need: need.share).name == out.first


def test_there_are_as_many_shards_as_the_fullest_resource_needs() -> None:
    assert capacity(300, 300).shards == 1
    small = replace(LIMITS, disk_gb=1)
    out = capacity(10_000, 1_000, small)
    [disk] = [need for need in out.needs if need.name == "database disk"]
    assert out.shards == -(-disk.needed // 1) == int(disk.share) + 1
    # More instances of functions need no shard.
    assert capacity(300, 300, replace(LIMITS, instances=1)).shards == 1


def test_every_sharded_collection_is_known_to_grow() -> None:
    sharded = {one.name for one in declarations() if one.shard_key}
    assert sharded <= set(GROWTH) <= {one.name for one in declarations()}


@pytest.mark.parametrize(
    ("typed", "count"), [("300", 300), ("10,000", 10_000), ("10K", 10_000), ("1.5m", 1_500_000)]
)
def test_sizes_may_be_written_short(typed: str, count: int) -> None:
    assert Count().convert(typed, None, None) == count


@pytest.mark.parametrize("typed", ["0", "-5", "10G", "many", "1e5", "99999999999"])
def test_what_is_no_size_is_refused(typed: str) -> None:
    with pytest.raises(Exception, match="is no number such as"):
        Count().convert(typed, None, None)
