"""Fixtures: clouds without our bundle, and browsers of people who use the console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from answers import CheckedClient
from browsing.browser import browser
from browsing.console import Person
from cloud.in_browser import Enter
from cloud.probes import Probes
from cloud.wechat_pay_merchant import Merchant
from deployment.web import pages
from localcloud.cloud import LocalCloud
from localcloud.keys import LocalSecrets, load_secrets
from localcloud.mongod import Mongod


@pytest.fixture(scope="session")
def empty_cloud(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run a local cloud with nothing deployed, on the session's MongoDB."""
    folder = tmp_path_factory.mktemp("empty-cloud")
    with LocalCloud(folder, deploy=False, mongodb_uri=mongod.uri) as running:
        yield running


@pytest.fixture(scope="session")
def bare_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run a local cloud with its own database, for tests that deploy to it."""
    with LocalCloud(tmp_path_factory.mktemp("bare"), deploy=False) as running:
        yield running


@pytest.fixture(scope="session")
def probes(empty_cloud: LocalCloud) -> Probes:
    return Probes(empty_cloud)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LocalSecrets:
    """Make the keys of a local cloud, without the cloud."""
    return load_secrets(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def merchant(keys: LocalSecrets, tmp_path: Path) -> Merchant:
    """Make a merchant with its own WeChat Pay stand-in."""
    return Merchant(keys, tmp_path)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    pages()  # Builds the pages before a test waits for them.
    expect.set_options(timeout=15_000)  # A slow machine must not fail tests.
    with browser() as started:
        yield started


@pytest.fixture
def enter(cloud: LocalCloud, chromium: Browser, client: CheckedClient) -> Iterator[Enter]:
    """Return a call that opens an account and signs in with it, in a new browser."""
    contexts = []
    counted = cloud.database.collection("staff").count_documents

    def sign_in(role: str, *store_ids: str) -> Page:
        number = counted({"_id": {"$gt": ""}})
        answer = cloud.functions().call(
            "console",
            {
                "action": "add_staff",
                "staff_id": f"s{number}",
                "name": f"员工{number}",
                "role": role,
                "store_ids": list(store_ids),
            },
        )
        context = chromium.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        Person.of(answer["data"]).sign_in(page, cloud.url)
        return page

    yield sign_in
    for context in contexts:
        context.close()
