"""Shared fixtures: one real MongoDB per session, and an empty database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import guard
import hunting  # noqa: F401  # Registers Hypothesis's profiles before tests are imported.
from answers import CheckedClient
from chain_data import FakeClock, Sample, empty
from due_writes import DueWrites
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declare
from localcloud.cloud import LocalCloud
from localcloud.keys import LocalSecrets, load_secrets
from localcloud.mongod import Mongod
from simulation.play import FIRST_DAY, load

# The slowest files, the slowest first. `scripts/test` runs them first; `--fast` skips them.
LONGEST = (
    "test_readme", "test_deploy_interrupted", "test_import", "test_crash_at_every_step",
    "test_console_pages", "test_campaign_triggers", "test_crashes", "test_campaign_runs",
    "test_late_campaigns", "test_measured_cost", "test_deploy", "test_best_price",
    "test_tier_lives", "test_console_forms", "test_tcb", "test_function_examples",
    "test_bill_check", "test_new_function", "test_packages", "test_runtime",
    "test_deploy_commands", "test_campaign_months", "test_payments_that_crash", "test_packing",
    "test_limits", "test_waiting_occasions", "test_money_machine", "test_ledger_machine",
    "test_any_history", "test_prices_of_peers", "test_guard", "test_typings",
    "test_stored_models", "test_refunds_of_any_order", "test_held_points", "test_days_and_tiers",
    "test_liability",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first, so that both processes end at about the same time."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))
    for item in items:
        if item.path.stem in place:
            item.add_marker(pytest.mark.slow)


def pytest_configure(config: pytest.Config) -> None:
    """End all processes that tests have started, even if somebody kills the tests."""
    guard.stand()
    if config.option.markexpr == "not slow":  # Set by `scripts/test --fast`.
        settings.load_profile("fast")


@pytest.fixture(scope="session", autouse=True)
def tidied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the temporary folders even if the tests are killed."""
    with guard.removed_if_killed(tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """Start MongoDB as a one-node replica set with notablescan; no test may kill it."""
    server = Mongod(tmp_path_factory.mktemp("mongod"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def due_writes() -> DueWrites:
    return DueWrites()


@pytest.fixture(scope="session")
def declared(mongod: Mongod, due_writes: DueWrites) -> Iterator[Database]:
    """Declare one database for the session, because declaring takes half a second."""
    with due_writes.connecting():
        database = connect(mongod.uri, "tests")
    declare(database)
    yield database
    database.client.close()


@pytest.fixture
def database(
    request: pytest.FixtureRequest, declared: Database, due_writes: DueWrites
) -> Iterator[Database]:
    """Return the declared database without documents; for tests of `chain`, with its own.

    After the test: whatever was made due was told to `Followers`, so that somebody follows at once.
    """
    kept: set[str] = set()
    if "chain" in request.fixturenames:
        sample: Sample = request.getfixturevalue("sample")
        kept = sample.unchanged(declared)
    empty(declared, kept)
    declared.cache.clear()
    due_writes.forget()
    with due_writes.listening():
        yield declared
    assert due_writes.untold() == set(), "made due, and no follower is started"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    """Make all keys: ours and WeChat Pay's."""
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sample(declared: Database) -> Sample:
    return Sample(declared)


@pytest.fixture
def chain(sample: Sample, database: Database) -> Database:
    """Return the database with the sample chain's stores, menu, coupons and rules."""
    sample.fill(database)
    return database


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run the whole local cloud for the session."""
    with LocalCloud(Path(tmp_path_factory.mktemp("cloud"))) as running:
        yield running


@pytest.fixture
def client(cloud: LocalCloud) -> Iterator[CheckedClient]:
    """Return a caller of the cloud; its clock stands at noon, and the sample chain is loaded."""
    caller = CheckedClient(cloud.url, cloud.vendor_url, cloud.data)
    noon = FIRST_DAY.replace(hour=12)
    if not cloud.clock.stands:
        cloud.set_clock(noon, stands=True)
        load(caller)
    yield caller
    cloud.wechat_pay.reset()
    cloud.drain()
