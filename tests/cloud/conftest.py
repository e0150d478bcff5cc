"""A local cloud without our bundle, for what the platform does with anybody's functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.probes import Probes
from localcloud.cloud import LocalCloud
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
