"""Coordinates against known values, the fence index against brute force, and guests' speed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from huitou.catalog.stores.models import OpeningHours, Place, Store
from huitou.growth.geofence.rules import (
    EARTH_M,
    Fenced,
    FenceIndex,
    Point,
    cell_of,
    distance_m,
    in_gcj02,
    inside,
    is_possible,
    to_bd09,
)
from hunting import examples

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
# Known conversions, in degrees. They are quoted from memory of public converters.
WGS_TO_GCJ = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
    ((39.915, 116.404), (39.91640428150164, 116.41024449916938)),
]
GCJ_TO_BD = [((39.915, 116.404), (39.92133699351021, 116.41036949371029))]


@pytest.mark.parametrize(("wgs", "gcj"), WGS_TO_GCJ)
def test_wgs84_is_converted_to_gcj02(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert distance_m(in_gcj02(*wgs, "WGS-84"), Point(*gcj)) < 0.01


@pytest.mark.parametrize(("gcj", "bd"), GCJ_TO_BD)
def test_bd09_is_converted_to_gcj02_and_back(
    gcj: tuple[float, float], bd: tuple[float, float]
) -> None:
    assert distance_m(to_bd09(*gcj), Point(*bd)) < 0.01
    assert distance_m(in_gcj02(*bd, "BD-09"), Point(*gcj)) < 0.01


china = st.tuples(st.floats(18.2, 53.5), st.floats(73.6, 134.7))
anywhere = st.tuples(st.floats(-84, 84), st.floats(-180, 180))


@given(china)
def test_converting_to_bd09_and_back_gives_the_same_place(point: tuple[float, float]) -> None:
    assert distance_m(in_gcj02(*to_bd09(*point), "BD-09"), Point(*point)) < 0.05


def test_outside_china_wgs84_is_not_shifted() -> None:
    assert in_gcj02(48.8566, 2.3522, "WGS-84") == (48.8566, 2.3522)


def test_confusing_coordinate_systems_would_lose_most_true_arrivals() -> None:
    dice = random.Random(7)
    cities = [(31.23, 121.47), (39.91, 116.40), (23.13, 113.27), (30.57, 104.07), (43.83, 87.62)]
    shifts, lost, hits = [], 0, 0
    for _ in range(2_000):
        lat, lng = dice.choice(cities)
        lat, lng = lat + dice.uniform(-0.2, 0.2), lng + dice.uniform(-0.2, 0.2)
        store = in_gcj02(lat, lng, "WGS-84")
        guest = (lat + dice.uniform(-0.0045, 0.0045), lng + dice.uniform(-0.0045, 0.0045))
        mixed, right = Point(*guest), in_gcj02(*guest, "WGS-84")
        shifts.append(distance_m(mixed, right))
        if distance_m(right, store) <= 500:
            hits += 1
            lost += distance_m(mixed, store) > 500
    assert 450 < sum(shifts) / len(shifts) < 650
    assert lost / hits > 0.5


def test_distances_are_measured_on_the_sphere() -> None:
    quarter = distance_m(Point(0, 0), Point(0, 90))
    assert quarter == pytest.approx(EARTH_M * 3.141592653589793 / 2)
    assert distance_m(Point(31.2243, 121.4468), Point(31.1957, 121.4376)) == pytest.approx(
        3_299, abs=5
    )
    assert distance_m(Point(10, 179.999), Point(10, -179.999)) < 250


# Fences anywhere, also across the antimeridian; points near them or far away.
fences = st.lists(
    st.builds(lambda place, radius: (Point(*place), radius), anywhere | st.tuples(
        st.floats(-0.02, 0.02), st.sampled_from([179.999, -179.999, 0.0])),
        st.sampled_from([50, 500, 5_000])), min_size=1, max_size=12,
)  # fmt: skip
nudges = st.tuples(st.floats(-0.06, 0.06), st.floats(-0.06, 0.06))


@pytest.mark.slow
@given(fences, nudges, anywhere, st.integers(0, 11))
@settings(max_examples=examples(300))
def test_the_index_finds_the_same_circles_as_brute_force(
    given_fences: list[tuple[Point, int]],
    nudge: tuple[float, float],
    far: tuple[float, float],
    which: int,
) -> None:
    known = [Fenced(str(n), place, radius) for n, (place, radius) in enumerate(given_fences)]
    index = FenceIndex(known)
    place = known[which % len(known)].place
    lng = (place.lng + nudge[1] + 180) % 360 - 180
    for point in (Point(max(-90.0, min(90.0, place.lat + nudge[0])), lng), place, Point(*far)):
        held = {f.name for f in known if distance_m(point, f.place) <= f.radius_m}
        found = {name for _, name in index.near(point)}
        unsure = {f.name for f in known if abs(distance_m(point, f.place) - f.radius_m) < 1e-6}
        assert found - unsure == held - unsure


@given(china, st.lists(st.tuples(st.floats(0.0001, 0.004), st.floats(0.01, 1)), min_size=3,
                       max_size=12), nudges)  # fmt: skip
def test_the_index_finds_a_polygon_if_the_point_is_inside(
    place: tuple[float, float], spokes: list[tuple[float, float]], nudge: tuple[float, float]
) -> None:
    from math import cos, pi, sin

    turns = sum(turn for _, turn in spokes)
    corners, angle = [], 0.0
    for length, turn in spokes:
        angle += turn / turns * 2 * pi
        corners.append(Point(place[0] + length * sin(angle), place[1] + length * cos(angle)))
    fence = Fenced("p", Point(*place), 500, tuple(corners))
    index = FenceIndex([fence])
    for point in (Point(*place), Point(place[0] + nudge[0] / 15, place[1] + nudge[1] / 15)):
        assert bool(index.near(point)) == inside(point, corners)


@pytest.mark.slow
def test_fences_at_the_poles_are_found() -> None:
    index = FenceIndex([Fenced("pole", Point(90, 0), 100), Fenced("near", Point(-89.999, 9), 200)])
    assert [name for _, name in index.near(Point(89.9999, 123))] == ["pole"]
    assert [name for _, name in index.near(Point(-90, -180))] == ["near"]
    assert index.near(Point(90, 180))[0][1] == "pole"


def test_the_nearest_fence_comes_first() -> None:
    index = FenceIndex(
        [
            Fenced("far", Point(31.224, 121.45), 500),
            Fenced("near", Point(31.2241, 121.447), 500),
        ]
    )
    assert [name for _, name in index.near(Point(31.2243, 121.4468))] == ["near", "far"]
    assert FenceIndex([]).near(Point(0, 0)) == []


def test_a_cell_is_a_geohash() -> None:
    assert cell_of(Point(57.64911, 10.40744)) == "u4pru"


@pytest.mark.parametrize(
    ("lat", "passed", "possible"),
    [
        (31.23, timedelta(seconds=1), True),  # Within the cell or right beside it.
        (31.40, timedelta(minutes=10), True),  # Some 20 km by car.
        (31.80, timedelta(minutes=5), False),
        (39.90, timedelta(minutes=30), False),  # Beijing in half an hour.
        (39.90, timedelta(hours=2), True),  # By plane.
        (39.90, timedelta(hours=1), False),
    ],
)
def test_a_position_is_possible_only_at_the_speed_of_a_train_or_plane(
    lat: float, passed: timedelta, possible: bool
) -> None:
    seen = cell_of(Point(31.2243, 121.4468))
    assert is_possible(Point(lat, 121.44), NOON + passed, seen, NOON) is possible


@pytest.mark.parametrize(
    ("fence", "says"),
    [
        ([(31.0, 121.0), (31.1, 121.1)], "three corners"),
        ([(31.0, 121.0), (31.1, 121.1), (31.0, 121.1), (31.1, 121.0)], "cross each other"),
        ([(10.0, 179.9), (10.1, -179.9), (10.0, -179.8)], "antimeridian"),
    ],
)
def test_the_error_on_a_bad_fence_says_why(fence: list[tuple[float, float]], says: str) -> None:
    corners = [Place(lat=lat, lng=lng) for lat, lng in fence]
    hours = [OpeningHours(opens="09:00", closes="21:00")]
    with pytest.raises(ValidationError, match=says):
        Store(id="s", brand_id="b", name="s", hours=hours, fence=corners)
