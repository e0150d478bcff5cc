"""A local cloud without our bundle, for what the platform does with anybody's functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.probes import Probes
from cloud.wechat_pay_merchant import Merchant
from localcloud.cloud import LocalCloud
from localcloud.keys import LocalSecrets, load_secrets
from localcloud.mongod import Mongod


@pytest.fixture(scope="session")
def empty_cloud(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with nothing deployed, on the session's MongoDB."""
    folder = tmp_path_factory.mktemp("empty-cloud")
    with LocalCloud(folder, deploy=False, mongodb_uri=mongod.uri) as running:
        yield running


@pytest.fixture(scope="session")
def probes(empty_cloud: LocalCloud) -> Probes:
    return Probes(empty_cloud)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    """A local cloud's keys, without the cloud."""
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def merchant(keys: LocalSecrets, tmp_path: Path) -> Merchant:
    """A merchant with a WeChat Pay of its own that nobody else uses."""
    return Merchant(keys, tmp_path)
