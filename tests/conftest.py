"""What tests share: one real MongoDB for the session, a database of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain_data import FakeClock, load_chain
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declare
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from localcloud.mongod import Mongod
from simulation.play import FIRST_DAY, load

_numbers = itertools.count()


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """The embedded MongoDB, as a one-node replica set with notablescan."""
    server = Mongod(tmp_path_factory.mktemp("mongod"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def connection(mongod: Mongod) -> Iterator[Database]:
    database = connect(mongod.uri, "shared")
    yield database
    database.client.close()


@pytest.fixture
def database(connection: Database) -> Iterator[Database]:
    """A declared, empty database of this test's own."""
    fresh = Database(connection.client, f"test{next(_numbers)}")
    declare(fresh)
    yield fresh
    fresh.client.drop_database(fresh.name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def chain(database: Database, clock: FakeClock) -> Database:
    """The sample chain's stores, menu, coupons and rules, loaded."""
    load_chain(database, clock)
    return database


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The whole local cloud, up for the session, its clock standing at noon."""
    with LocalCloud(Path(tmp_path_factory.mktemp("cloud"))) as running:
        yield running


@pytest.fixture
def client(cloud: LocalCloud) -> Iterator[LocalCloudClient]:
    """A caller of the cloud; the sample chain loaded, everything settled before and after."""
    caller = LocalCloudClient(cloud.url, cloud.vendor_url, cloud.data)
    noon = FIRST_DAY.replace(hour=12)
    if not cloud.clock.stands:
        cloud.set_clock(noon, stands=True)
        load(caller)
    yield caller
    cloud.set_wechat_pay_mode({"copies": 1, "delay_s": 0.0, "down": False})
    cloud.drain()
