"""The usual interval: the median of the last twelve intervals between days with a visit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from huitou.marketing.features.models import FeatureOrder, Features
from huitou.marketing.features.rules import fold

START = datetime(2026, 3, 2, 4, tzinfo=UTC)


def features_of(*days: int) -> Features:
    """Return the features of a member who ordered on these days; day 0 is the first one."""
    orders = [
        FeatureOrder.model_validate(
            {
                "_id": f"o{number}",
                "member_id": "m",
                "store_id": None,
                "status": "paid",
                "business_day": (START + timedelta(days=day)).date().isoformat(),
                "created_at": START + timedelta(days=day),
                "payable_fen": 1_000,
                "lines": [],
            }
        )
        for number, day in enumerate(days)
    ]
    found = fold(Features(id="m"), orders, {})
    assert found
    return found


@pytest.mark.parametrize(
    ("days", "interval", "overdue"),
    [
        ((0, 3, 6), None, None),  # Two intervals are too few …
        ((0, 3, 6, 9), 3, 14),  # … three are enough: ⌈1.5 × 3⌉ = 5 days after day 9.
        ((0, 2, 4, 6), 2, 9),
        ((0, 1, 2, 3), 1, 5),  # ⌈1.5⌉ = 2.
        ((0, 2, 4, 9, 16), 4, 22),  # The median of 2, 2, 5, 7 is 3.5, rounded to 4.
        ((0, 3, 3, 6, 9, 9), 3, 14),  # Two orders on one day count once.
        ((*range(0, 100, 20), *range(90, 103)), 1, 104),  # Only the last twelve intervals count.
    ],
)
def test_the_usual_interval_says_from_when_a_member_is_overdue(
    days: tuple[int, ...], interval: int | None, overdue: int | None
) -> None:
    found = features_of(*days)
    assert found.usual_interval_days == interval
    on = (START + timedelta(days=overdue)).date().isoformat() if overdue is not None else None
    assert found.overdue_on == on
