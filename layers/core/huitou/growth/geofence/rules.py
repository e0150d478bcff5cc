"""Coordinates, distances, and an index that finds the fences around a point.

The index is a grid: every fence is listed in each cell that it may touch, so a look-up reads one
cell and tests only the fences listed there. Distances are measured on a sphere and compared as
chords.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import asin, atan2, cos, floor, pi, radians, sin, sqrt
from typing import NamedTuple

from huitou.catalog.stores.models import Store
from huitou.catalog.stores.rules import in_hours
from huitou.growth.geofence.models import ArrivalOffer, System

EARTH_M = 6_371_008.8  # Mean radius (IUGG).
CELL = 0.004  # Degrees, some 440 m: a usual fence touches ten cells, and a cell has few fences.
_COLUMNS = round(360 / CELL)
# How fast a guest may move: a fast train's 300 km/h, or a plane if an hour or more has passed.
TRAIN_M_S, PLANE_M_S, LONG = 83.0, 250.0, timedelta(hours=1)
FRESH, EARLY = timedelta(minutes=2), timedelta(seconds=30)
KEPT = timedelta(hours=24)
_CELL_LETTERS = "0123456789bcdefghjkmnpqrstuvwxyz"
_CELL_LENGTH = 5  # A geohash of five letters: at most 4.9 km by 4.9 km.


class Point(NamedTuple):
    """Latitude and longitude in degrees, in GCJ-02 unless said otherwise."""

    lat: float
    lng: float


# --- coordinate systems -----------------------------------------------------------------------

_A, _EE = 6_378_245.0, 0.006_693_421_622_965_943  # The ellipsoid of GCJ-02: Krasovsky 1940.
_X_PI = pi * 3_000 / 180


def in_gcj02(lat: float, lng: float, system: System) -> Point:
    """Return a point in GCJ-02, given the system in which it was measured.

    The formulas are those of public converters, which were found by analysing the maps. They are
    written from memory and were not yet compared with a converter. Outside China, GCJ-02 and
    WGS-84 are the same.
    """
    if system == "GCJ-02":
        return Point(lat, lng)
    return _from_bd09(lat, lng) if system == "BD-09" else _from_wgs84(lat, lng)


def _is_shifted(lat: float, lng: float) -> bool:
    return 72.004 <= lng <= 137.8347 and 0.8293 <= lat <= 55.8271


def _from_wgs84(lat: float, lng: float) -> Point:
    if not _is_shifted(lat, lng):
        return Point(lat, lng)
    x, y = lng - 105.0, lat - 35.0
    root = sqrt(abs(x))
    waves = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
    north = (
        -100
        + 2 * x
        + 3 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + waves
        + (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
        + (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    )
    east = (
        300
        + x
        + 2 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + waves
        + (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
        + (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    )
    turned = radians(lat)
    flat = 1 - _EE * sin(turned) ** 2
    return Point(
        lat + north * 180 / (_A * (1 - _EE) / (flat * sqrt(flat)) * pi),
        lng + east * 180 / (_A / sqrt(flat) * cos(turned) * pi),
    )


def to_bd09(lat: float, lng: float) -> Point:
    """Convert a point from GCJ-02 to BD-09, the system of Baidu's maps."""
    far = sqrt(lng * lng + lat * lat) + 0.00002 * sin(lat * _X_PI)
    angle = atan2(lat, lng) + 0.000003 * cos(lng * _X_PI)
    return Point(far * sin(angle) + 0.006, far * cos(angle) + 0.0065)


def _from_bd09(lat: float, lng: float) -> Point:
    # There is no formula for this direction. Start near the result and correct it four times by
    # the error that `to_bd09` shows.
    found = Point(lat - 0.006, lng - 0.0065)
    for _ in range(4):
        there = to_bd09(*found)
        found = Point(found.lat + lat - there.lat, found.lng + lng - there.lng)
    return found


# --- distances --------------------------------------------------------------------------------


def _on_sphere(lat: float, lng: float) -> tuple[float, float, float]:
    phi, lam = radians(lat), radians(lng)
    flat = cos(phi)
    return flat * cos(lam), flat * sin(lam), sin(phi)


def chord2(metres: float) -> float:
    """Return the squared chord, on the unit sphere, of a distance; chords are fast to compare."""
    chord = 2 * sin(min(metres / EARTH_M / 2, pi / 2))
    return chord * chord


def distance_m(one: Point, other: Point) -> float:
    """Return the distance between two points along the sphere, in metres."""
    ax, ay, az = _on_sphere(*one)
    bx, by, bz = _on_sphere(*other)
    chord = sqrt((ax - bx) ** 2 + (ay - by) ** 2 + (az - bz) ** 2)
    return 2 * EARTH_M * asin(min(1.0, chord / 2))


def inside(point: Point, corners: Sequence[Point]) -> bool:
    """Tell whether a point is inside a polygon, by counting the sides that a ray crosses."""
    odd = False
    for one, other in pairwise((*corners, corners[0])):
        if (one.lat > point.lat) != (other.lat > point.lat):
            crossing = one.lng + (point.lat - one.lat) / (other.lat - one.lat) * (
                other.lng - one.lng
            )
            odd ^= point.lng < crossing
    return odd


# --- the index --------------------------------------------------------------------------------


class Fenced(NamedTuple):
    """A place and its fence: a circle or, if it has corners, a polygon."""

    name: str
    place: Point
    radius_m: float
    corners: tuple[Point, ...] = ()


class _IndexedFence(NamedTuple):
    """A fence in the form in which the look-up tests it."""

    x: float
    y: float
    z: float
    most: float  # The radius as a squared chord; for a polygon, more than any chord.
    name: str
    corners: tuple[Point, ...]


class FenceIndex:
    """Finds the fences around a point, exactly; the cost doesn't grow with all fences."""

    def __init__(self, fences: Iterable[Fenced]) -> None:
        self._cells: dict[int, list[_IndexedFence]] = {}
        for fence in fences:
            x, y, z = _on_sphere(*fence.place)
            most = 5.0 if fence.corners else chord2(fence.radius_m)
            indexed = _IndexedFence(x, y, z, most, fence.name, fence.corners)
            for cell in _cells_of(fence):
                self._cells.setdefault(cell, []).append(indexed)

    def near(self, point: Point) -> list[tuple[float, str]]:
        """Return (distance in metres, name) of each fence around the point, nearest first."""
        row, column = floor((point.lat + 90) / CELL), floor((point.lng + 180) / CELL) % _COLUMNS
        fences = self._cells.get(row * _COLUMNS + column)
        if fences is None:
            return []
        x, y, z = _on_sphere(*point)
        found = []
        for px, py, pz, most, name, corners in fences:
            chord = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
            if chord <= most and (not corners or inside(point, corners)):
                found.append((2 * EARTH_M * asin(min(1.0, sqrt(chord) / 2)), name))
        found.sort()
        return found


def _cells_of(fence: Fenced) -> Iterator[int]:
    """Yield every cell that a fence may touch; near a pole, these go all the way round."""
    if fence.corners:
        lats, lngs = zip(*fence.corners, strict=True)
        south, north, west, east = min(lats), max(lats), min(lngs), max(lngs)
    else:
        high = fence.radius_m / EARTH_M * 180 / pi * 1.000001
        south, north = fence.place.lat - high, fence.place.lat + high
        # A circle is widest at a point that is nearer to the pole than its centre.
        narrow = cos(radians(min(90.0, max(abs(south), abs(north)))))
        wide = high / narrow if narrow > high / 180 else 180.0
        west, east = fence.place.lng - wide, fence.place.lng + wide
    first = floor((west + 180) / CELL)
    columns = min(_COLUMNS, floor((east + 180) / CELL) - first + 1)
    for row in range(
        floor((max(-90.0, south) + 90) / CELL), floor((min(90.0, north) + 90) / CELL) + 1
    ):
        for column in range(first, first + columns):
            yield row * _COLUMNS + column % _COLUMNS


def fenced(store: Store) -> Fenced | None:
    """Return a store's fence; None if the store has no place on the map."""
    if store.place is None:
        return None
    corners = tuple(Point(corner.lat, corner.lng) for corner in store.fence)
    return Fenced(store.id, Point(store.place.lat, store.place.lng), store.radius_m, corners)


# --- what a position is worth -----------------------------------------------------------------


def is_precise(accuracy_m: float, store: Store) -> bool:
    """Tell whether a position is exact enough to count as an arrival at a store.

    Its radius of uncertainty may be at most half of the store's radius; for a polygon, 100 m.
    """
    return accuracy_m <= (100 if store.fence else store.radius_m / 2)


def cell_of(point: Point) -> str:
    """Return the coarse cell around a point, as a geohash of five letters."""
    south, north, west, east = -90.0, 90.0, -180.0, 180.0
    letters, bits = [], 0
    for number in range(5 * _CELL_LENGTH):
        if number % 2 == 0:
            middle = (west + east) / 2
            bit = point.lng >= middle
            west, east = (middle, east) if bit else (west, middle)
        else:
            middle = (south + north) / 2
            bit = point.lat >= middle
            south, north = (middle, north) if bit else (south, middle)
        bits = bits * 2 + bit
        if number % 5 == 4:
            letters.append(_CELL_LETTERS[bits])
            bits = 0
    return "".join(letters)


def _bounds(cell: str) -> tuple[float, float, float, float]:
    """Return a geohash cell's south, north, west and east border, in degrees."""
    south, north, west, east = -90.0, 90.0, -180.0, 180.0
    for number in range(5 * len(cell)):
        bit = _CELL_LETTERS.index(cell[number // 5]) >> (4 - number % 5) & 1
        if number % 2 == 0:
            middle = (west + east) / 2
            west, east = (middle, east) if bit else (west, middle)
        else:
            middle = (south + north) / 2
            south, north = (middle, north) if bit else (south, middle)
    return south, north, west, east


def is_possible(point: Point, at: datetime, cell: str, before: datetime) -> bool:
    """Tell whether somebody can be at a point now who was in a cell at the moment `before`.

    The distance is measured to the nearest point of the cell, in the guest's favour.
    """
    south, north, west, east = _bounds(cell)
    nearest = Point(min(max(point.lat, south), north), min(max(point.lng, west), east))
    passed = at - before
    speed = PLANE_M_S if passed >= LONG else TRAIN_M_S
    return distance_m(point, nearest) <= speed * max(0.0, passed.total_seconds())


def offers_at(
    offers: Iterable[ArrivalOffer], store: Store, day: str, local: datetime
) -> list[ArrivalOffer]:
    """Return the offers for an arrival at a store; `local` is the store's wall-clock time."""
    return [
        offer
        for offer in offers
        if (not offer.store_ids or store.id in offer.store_ids)
        and (offer.valid_from is None or offer.valid_from.isoformat() <= day)
        and (offer.valid_until is None or day <= offer.valid_until.isoformat())
        and (not offer.weekdays or datetime.fromisoformat(day).weekday() in offer.weekdays)
        and (not offer.hours or any(in_hours(h, local.strftime("%H:%M")) for h in offer.hours))
    ]
