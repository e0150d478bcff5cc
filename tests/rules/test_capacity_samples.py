"""What `capacity` stores for sizes is as varied as a real chain's, and what `bench day` sees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cli.bench.day.samples import Sample, Samples
from cli.capacity.measure import APART_DAYS, Renamed
from localcloud.cloud import LocalCloud

MEMBER, ORDER = "mplim4tiuq6gehsi2c22c3gr5", "o4e1564521b5e4de81238a2d7"
DOCUMENT = {
    "_id": f"{ORDER}n1",
    "order_id": ORDER,
    "member_id": MEMBER,
    "business_day": "2026-03-02",
    "at": datetime(2026, 3, 2, 4, tzinfo=UTC),
    "lots": {"9999-12-31": 5, "2026-03-02": 1},
    "cause": [f"earn:{ORDER}", "guest-0007", "招牌奶茶"],
}


def test_a_copy_has_other_ids_and_days_of_the_same_length_everywhere() -> None:
    copy = Renamed(3).document(DOCUMENT)
    assert copy["_id"] == f"{copy['order_id']}n1"
    assert copy["cause"][0] == f"earn:{copy['order_id']}"
    assert copy["cause"][2] == "招牌奶茶"
    for name in ("order_id", "member_id", "business_day"):
        assert copy[name] != DOCUMENT[name]
        assert len(copy[name]) == len(str(DOCUMENT[name]))
    ahead = timedelta(days=3 * APART_DAYS)
    assert copy["at"] == datetime(2026, 3, 2, 4, tzinfo=UTC) + ahead
    assert copy["business_day"] == copy["at"].date().isoformat()
    assert copy["lots"] == {"9999-12-31": 5, copy["business_day"]: 1}


def test_each_copy_has_names_of_its_own_and_keeps_them_in_every_document() -> None:
    copies = [Renamed(number) for number in range(50)]
    ids = {copy.document(DOCUMENT)["_id"] for copy in copies}
    guests = {copy.document(DOCUMENT)["cause"][1] for copy in copies}
    assert len(ids) == len(guests) == 50
    first = copies[0]
    assert first.document({"m": MEMBER})["m"] == first.document(DOCUMENT)["member_id"]


Seen = Callable[..., Samples]


@pytest.fixture
def seen() -> Seen:
    """Return samples that were taken each second."""

    def make(reads: list[int], memory: list[dict[str, float]]) -> Samples:
        samples = Samples(LocalCloud.__new__(LocalCloud), 1.0)
        samples.taken = [
            Sample(float(number), done, 2 * done, number % 4, of)
            for number, (done, of) in enumerate(zip(reads, memory, strict=True))
        ]
        return samples

    return make


def test_the_mean_and_the_peak_of_reads_and_writes_are_per_second(seen: Seen) -> None:
    samples = seen([0, 0, 10, 40, 70, 100, 100], [{}] * 7)
    assert samples.mean_per_s("reads") == pytest.approx(100 / 6)
    assert samples.peak_per_s("reads") == 30
    assert samples.peak_per_s("writes") == 60
    assert samples.most_waiting() == 3


def test_memory_that_grows_shows_and_a_late_function_is_no_growth(seen: Seen) -> None:
    flat = [{"pay": 60.0}] * 3 + [{"pay": 60.0, "late": 50.0}] * 6
    assert seen([0] * 9, flat).memory_by_third() == [60.0, 60.0, 60.0]
    leak = [{"pay": 60.0 + 10 * number} for number in range(9)]
    assert seen([0] * 9, leak).memory_by_third() == [70.0, 100.0, 130.0]
