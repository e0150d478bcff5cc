"""The usual interval: the median of the last twelve gaps between days with a visit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from huitou.marketing.features.models import FeatureOrder, Features
from huitou.marketing.features.rules import fold

START = datetime(2026, 3, 2, 4, tzinfo=UTC)


def features_of(*days: int) -> Features:
    """Features of a member who ordered on these days, counted from the first one."""
    orders = [
        FeatureOrder.model_validate({
            "_id": f"o{number}", "member_id": "m", "store_id": None, "status": "paid",
            "business_day": (START + timedelta(days=day)).date().isoformat(),
            "created_at": START + timedelta(days=day), "payable_fen": 1_000, "lines": [],
        })
        for number, day in enumerate(days)
    ]  # fmt: skip
    found = fold(Features(id="m"), orders, {})
    assert found
    return found


@pytest.mark.parametrize(
    ("days", "interval", "overdue"),
    [
        ((0, 3, 6), None, None),  # Two gaps are too few …
        ((0, 3, 6, 9), 3, 14),  # … three are enough: ⌈1.5 × 3⌉ = 5 days after the 9th.
        ((0, 2, 4, 6), 2, 9),
        ((0, 1, 2, 3), 1, 5),  # ⌈1.5⌉ = 2.
        ((0, 2, 4, 9, 16), 4, 22),  # Of 2, 2, 5, 7 the median is 3.5: rounded to 4.
        ((0, 3, 3, 6, 9, 9), 3, 14),  # Two orders of a day are one visit.
        ((*range(0, 100, 20), *range(90, 103)), 1, 104),  # Only the last twelve gaps.
    ],
)
def test_who_is_overdue_from_when(
    days: tuple[int, ...], interval: int | None, overdue: int | None
) -> None:
    found = features_of(*days)
    assert found.usual_interval_days == interval
    on = (START + timedelta(days=overdue)).date().isoformat() if overdue is not None else None
    assert found.overdue_on == on
