"""What an instance of each function loads for its first answer: what it doesn't need, it doesn't.

A member waits for it. `scripts/huitou bench coldstart` measures the time; here stands what took
most of it: modules of models, because pydantic reads each class, and libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cli.bench.coldstart import calls, make_member
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.registry import DEFAULT
from simulation.play import FIRST_DAY, load

pytestmark = pytest.mark.slow

# Only who calls out or draws needs them. `tests/cloud/test_packages.py` says who has which.
LIBRARIES = {"PIL", "argon2", "boto3", "cryptography", "numpy", "requests", "tencentcloud"}
# By function: which `models.py` its first answer loads; "loyalty.tiers.shown" is the file
# `loyalty/tiers/shown_models.py`. If a change needs one more, a guest waits for it each time.
MODELS = {
    "member-profile": "catalog.stores members.profiles",
    "store-menu": "catalog.stores catalog.stores.shown",
    "pay": (
        "catalog.menu catalog.stores loyalty.earning loyalty.points loyalty.tiers "
        "loyalty.tiers.shown ordering.orders.quote ordering.quotes promotions.discounts "
        "promotions.offers promotions.quotas"
    ),
    "geofence-check": (
        "catalog.stores coupons.issuing growth.geofence members.consents promotions.offers"
    ),
    "referral-settle": "catalog.stores growth.referrals growth.referrals.poster",
    "points-sync": (
        "catalog.stores loyalty.earning loyalty.holds loyalty.liability loyalty.points "
        "loyalty.tiers loyalty.tiers.shown members.profiles ordering.orders "
        "ordering.orders.quote ordering.quotes ordering.settlement promotions.discounts "
        "promotions.offers promotions.quotas"
    ),
    "tier-evaluate": (
        "catalog.stores loyalty.tier_rollouts loyalty.tiers promotions.discounts "
        "promotions.offers promotions.quotas"
    ),
    "coupon-issue": (
        "catalog.stores loyalty.earning loyalty.points loyalty.tiers promotions.discounts "
        "promotions.offers promotions.quotas"
    ),
    "kpi-rollup": (
        "catalog.stores insight.kpis loyalty.earning loyalty.points loyalty.tiers "
        "loyalty.tiers.shown members.profiles ordering.orders ordering.orders.quote "
        "ordering.quotes promotions.discounts promotions.offers promotions.quotas"
    ),
}
# Nobody waits for these; the relay isn't among them, as it answers after minutes.
UNAWAITED = {"campaign-run", "maintenance"}

FIRST_CALL = """
import json, os, sys
import index
answer = index.main_handler(*json.loads(os.environ["CALL"]))
print(json.dumps([answer, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def fresh_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run a cloud in which nothing is due, so that each first call does the same each time."""
    with LocalCloud(tmp_path_factory.mktemp("cold"), relay=False) as running:
        running.set_clock(FIRST_DAY.replace(hour=12), stands=True)
        client = LocalCloudClient(running.url, running.vendor_url, running.data)
        load(client)
        make_member(client)
        yield running


def loaded(cloud: LocalCloud, name: str, event: dict[str, Any], caller: dict[str, str]) -> set[str]:
    """Make a first call in a process that sees what an instance sees; return what it loaded."""
    revision = cloud.registry.function(name).revision(DEFAULT)
    paths = cloud.registry.paths(revision)
    context = {"environment": json.dumps(caller), "time_limit_in_ms": revision.timeout_s * 1000}
    interpreter = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        [interpreter, "-S", "-s", "-P", "-c", FIRST_CALL],
        env={
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CALL": json.dumps([event, context]),
            **cloud.platform.variables,
            **revision.variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer, modules = json.loads(done.stdout.splitlines()[-1])
    assert answer["ok"], answer
    return set(modules)


@pytest.mark.parametrize("name", sorted({*MODELS, *UNAWAITED}))
def test_a_first_answer_loads_no_more_than_it_needs(name: str, fresh_cloud: LocalCloud) -> None:
    modules = loaded(fresh_cloud, name, *calls(fresh_cloud)[name])
    assert not {module.partition(".")[0] for module in modules} & LIBRARIES
    if name in UNAWAITED:
        return
    known = set(MODELS[name].split())
    models = {
        module.removeprefix("huitou.").removesuffix("models").rstrip("._")
        for module in modules
        if module.startswith("huitou.") and module.endswith("models")
    }
    assert not models - known, "more than before: import it late, or say here that it is needed"
    assert not known - models, "no longer loaded: take it off the list"


def test_the_list_has_every_function_that_the_benchmark_measures(fresh_cloud: LocalCloud) -> None:
    assert {*MODELS, *UNAWAITED} == set(calls(fresh_cloud)) - {"trigger-relay"}
