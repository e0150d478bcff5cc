"""`bench geofence`: find the fences around a point, against shapely's STRtree and brute force."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import pi

import click
import numpy as np
import shapely

from cli.bench import json_option, report
from huitou.growth.geofence.rules import (
    EARTH_M,
    Fenced,
    FenceIndex,
    Point,
    chord2,
    distance_m,
    inside,
)

SOUTH, NORTH, WEST, EAST = 30.7, 31.9, 120.9, 122.0  # Shanghai and around, 130 km by 105 km.
POLYGONS = 10  # Every tenth fence is a polygon.
BRUTE_POINTS = 30
Look = Callable[[Point], list[str]]


@click.command()
@click.option("--stores", default=30_000, show_default=True, help="Fences, a tenth polygons.")
@click.option("--points", default=10_000, show_default=True, help="Positions that are looked up.")
@json_option
def geofence(stores: int, points: int, as_json: bool) -> None:
    """Find the fences around positions, one position at a time, as a warm function does.

    The ratio is ours against shapely's STRtree (aim: above 1), which finds candidates by their
    boxes and tests each of them exactly, as ours does; `exact` tells whether the answers are the
    same for all points; `brute_exact` whether they are the same as those of testing every fence,
    for some of the points.
    """
    dice = random.Random(7)
    fences = [_fence(dice, number) for number in range(stores)]
    places = [_place(dice) for _ in range(points)]
    started = time.perf_counter()
    index = FenceIndex(fences)
    built_s = time.perf_counter() - started
    ours: Look = lambda point: [name for _, name in index.near(point)]  # noqa: E731
    theirs, brute = _strtree(fences), _brute_force(fences)
    answers, ours_s, slowest = _timed(ours, places)
    others, theirs_s, _ = _timed(theirs, places)
    few = places[:BRUTE_POINTS]
    forced, brute_s, _ = _timed(brute, few)
    report(
        {
            "stores": stores,
            "points": points,
            "found": sum(map(len, answers)),
            "build_ms": round(built_s * 1000),
            "look_ups_per_s": round(points / ours_s),
            "strtree_per_s": round(points / theirs_s),
            "brute_per_s": round(len(few) / brute_s, 1),
            "ratio": round(theirs_s / ours_s, 2),
            "p50_us": round(slowest[len(slowest) // 2] * 1e6, 1),
            "p99_us": round(slowest[len(slowest) * 99 // 100] * 1e6, 1),
            "exact": [sorted(a) for a in answers] == [sorted(a) for a in others],
            "brute_exact": answers[: len(few)] == forced,
        },
        as_json=as_json,
    )


def _place(dice: random.Random) -> Point:
    return Point(dice.uniform(SOUTH, NORTH), dice.uniform(WEST, EAST))


def _fence(dice: random.Random, number: int) -> Fenced:
    place = _place(dice)
    if number % POLYGONS:
        return Fenced(f"s{number}", place, dice.choice([300, 500, 500, 800]))
    corners = tuple(
        Point(
            place.lat + dice.uniform(0.001, 0.005) * np.sin(turn),
            place.lng + dice.uniform(0.001, 0.005) * np.cos(turn),
        )
        for turn in np.linspace(0, 2 * pi, 8, endpoint=False)
    )
    return Fenced(f"s{number}", place, 500, corners)


def _timed(look: Look, places: list[Point]) -> tuple[list[list[str]], float, list[float]]:
    """Look up every point; returns the answers, the total seconds, and each point's, sorted."""
    for point in places[:200]:
        look(point)
    answers, times = [], []
    for point in places:
        started = time.perf_counter()
        answers.append(look(point))
        times.append(time.perf_counter() - started)
    return answers, sum(times), sorted(times)


def _holds_point(fence: Fenced, point: Point) -> bool:
    if fence.corners:
        return inside(point, fence.corners)
    return distance_m(point, fence.place) <= fence.radius_m


def _strtree(fences: list[Fenced]) -> Look:
    """Look up boxes in an STRtree, and test the fences found exactly, in one call."""
    boxes: list[shapely.Polygon] = []
    polygons: list[shapely.Polygon | None] = []
    for fence in fences:
        if fence.corners:
            polygon = shapely.Polygon([(c.lng, c.lat) for c in fence.corners])
            polygons.append(polygon)
            boxes.append(shapely.box(*polygon.bounds))
            continue
        polygons.append(None)
        high = fence.radius_m / EARTH_M * 180 / pi * 1.00001
        wide = high / np.cos(np.radians(abs(fence.place.lat) + high))
        west, east = fence.place.lng - wide, fence.place.lng + wide
        boxes.append(shapely.box(west, fence.place.lat - high, east, fence.place.lat + high))
    tree = shapely.STRtree(boxes)
    phi = np.radians([f.place.lat for f in fences])
    lam = np.radians([f.place.lng for f in fences])
    xyz = np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    most = np.array([4.1 if f.corners else chord2(f.radius_m) for f in fences])
    shapely.prepare([polygon for polygon in polygons if polygon is not None])

    def look(point: Point) -> list[str]:
        here = shapely.Point(point.lng, point.lat)
        candidates = tree.query(here)
        phi, lam = np.radians(point.lat), np.radians(point.lng)
        x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
        chords = ((xyz[candidates] - (x, y, z)) ** 2).sum(axis=1)
        held = [
            (chord, number)
            for chord, number in zip(chords, candidates, strict=True)
            if chord <= most[number]
            and (polygons[number] is None or polygons[number].contains(here))
        ]
        return [fences[number].name for _, number in sorted(held)]

    return look


def _brute_force(fences: list[Fenced]) -> Look:
    def look(point: Point) -> list[str]:
        held = [(distance_m(point, f.place), f.name) for f in fences if _holds_point(f, point)]
        return [name for _, name in sorted(held)]

    return look
