"""`bench quota`: 16 members take a coupon with a quota at once, against two plain writes."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from cli.bench import json_option, report, scratch_mongod
from cli.bench.orders import register_members
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import compare
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declare

WRITERS = 16
LAST = 50  # Coupons in the small quota.
Take = Callable[[int], object]


@click.command()
@click.option("--coupons", default=600, show_default=True, help="Coupons per round and side.")
@click.option("--rounds", default=3, show_default=True, help="Rounds, each side in turn.")
@profile_option
@json_option
def quota(coupons: int, rounds: int, profile: Profile | None, as_json: bool) -> None:
    """Issue coupons of one template with a quota to 16 writers at once.

    Each writer checks whether its cause already has a coupon, takes one unit of the quota by a
    guarded write, inserts the coupon and updates the pool. The floor is one guarded decrement and
    the insert; there a crash in between loses a unit. `last_…` is about a quota of 50 and three
    times as many takers: found_none counts those who got nothing, and `last_p99_ms` is the
    time in which 99 % of the others got their coupon.
    """
    with scratch_mongod() as mongod:
        database = connect(mongod.uri, "bench")
        declare(database)
        most = coupons * (rounds + 2)
        sides = {"ours": _ours(database, most), "floor": _floor(database, most)}
        figures = compare(
            sides,
            lambda _, number: range(number * coupons, (number + 1) * coupons),
            rounds=rounds,
            threads=WRITERS,
            profile=profile,
        )
        report({**figures, **_last_coupon_figures(database)}, profile, as_json=as_json)


def _template(database: Database, name: str, quota: int) -> tuple[Coupons, CouponTemplate]:
    coupons = Coupons(database, RealClock())
    template = CouponTemplate.model_validate(
        {
            "_id": name,
            "name": name,
            "valid_days": 7,
            "terms": {"off_fen": 100},
            "limits": {"quota": quota},
        }
    )
    coupons.put_templates([template], [])
    return coupons, template


def _ours(database: Database, quota: int) -> Take:
    coupons, template = _template(database, "storm", quota)
    register_members(database, [f"m{number}" for number in range(max(quota, 3 * LAST))])
    return lambda n: coupons.issue_coupon(template, member_id=f"m{n}", cause=f"storm:{n}")


def _floor(database: Database, quota: int) -> Take:
    counters, issued = database.collection("floor"), database.collection("floor_coupons")
    counters.insert_one({"_id": "quota", "left": quota})

    def take(number: int) -> None:
        taken = counters.update_one({"_id": "quota", "left": {"$gte": 1}}, {"$inc": {"left": -1}})
        if taken.matched_count:
            issued.insert_one({"_id": f"c{number}", "member_id": f"m{number}", "status": "issued"})

    return take


def _last_coupon_figures(database: Database) -> dict[str, Any]:
    coupons, template = _template(database, "last", LAST)

    def take(number: int) -> tuple[str, float]:
        started = time.perf_counter()
        outcome = coupons.try_issue_coupon(
            template, member_id=f"m{number}", cause=f"last:{number}"
        )[1]
        return outcome, (time.perf_counter() - started) * 1_000

    with ThreadPoolExecutor(WRITERS) as pool:
        took = list(pool.map(take, range(3 * LAST)))
    outcomes = Counter(outcome for outcome, _ in took)
    issued_ms = [ms for outcome, ms in took if outcome == "issued"]
    return {
        "last_issued": outcomes["issued"],
        "last_found_none": outcomes["used_up"],
        "last_p99_ms": round(statistics.quantiles(issued_ms, n=100)[98], 1),
    }
