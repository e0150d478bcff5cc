"""Deploying with a MongoDB user that has few rights, on a MongoDB that asks who comes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

import guard
from huitou.runtime.database import Database, connect
from huitou.runtime.declarations import declarations, declare
from huitou.runtime.errors import Code, Refusal
from localcloud.mongod import find_binary, free_port

pytestmark = pytest.mark.slow
CHAIN = "chain"
PASSWORD = "pass-of-this-test"


@contextmanager
def _mongod_that_asks(folder: Path) -> Iterator[str]:
    """Run a mongod with `--auth`; its address. One node without a set: declaring needs no more."""
    guard.stand()
    port = free_port()
    process = subprocess.Popen(
        [
            find_binary(),
            "--auth",
            "--dbpath",
            folder,
            "--port",
            str(port),
            "--bind_ip",
            "127.0.0.1",
            "--nounixsocket",
            "--logpath",
            folder / "mongod.log",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"mongodb://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database as its administrator sees it."""
    with _mongod_that_asks(tmp_path_factory.mktemp("auth")) as address:
        with MongoClient(address, serverSelectionTimeoutMS=30_000) as first:
            first.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
        database = connect(_as_user(address, "root", "admin"), CHAIN)
        for role in ("read", "readWrite", "dbAdmin"):
            roles = [role] if role != "dbAdmin" else ["readWrite", "dbAdmin"]
            database.mongo.command("createUser", role, pwd=PASSWORD, roles=roles)
        with database.client:
            yield database


def _as_user(address: str, user: str, source: str = CHAIN) -> str:
    return f"mongodb://{user}:{PASSWORD}@{urlsplit(address).netloc}/?authSource={source}"


@pytest.fixture
def user(admin: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database as a user with the role of `request.param` sees it."""
    for name in admin.mongo.list_collection_names():
        admin.mongo.drop_collection(name)
    host, port = admin.client.address or ("", 0)
    database = connect(_as_user(f"mongodb://{host}:{port}/", request.param), CHAIN)
    with database.client:
        yield database


def _validators(database: Database) -> dict[str, object]:
    found = database.mongo.list_collections()
    return {one["name"]: one["options"].get("validator", {}) for one in found}


@pytest.mark.parametrize("user", ["readWrite"], indirect=True)
def test_a_user_with_read_write_alone_deploys_again_and_again(user: Database) -> None:
    counts = [declare(user)["collections"] for _ in range(3)]
    assert counts == [len(declarations())] * 3


@pytest.mark.parametrize("user", ["readWrite"], indirect=True)
def test_a_validator_that_changed_names_the_right_that_is_missing(
    user: Database, admin: Database
) -> None:
    declare(user)
    admin.mongo.command("collMod", "orders", validator={"status": {"$exists": True}})
    with pytest.raises(Refusal) as refused:
        declare(user)
    assert refused.value.code is Code.DATABASE_RIGHT_MISSING
    assert "collMod @ chain.orders (role dbAdmin @ chain)" in refused.value.message("en")


@pytest.mark.parametrize("user", ["read"], indirect=True)
def test_a_user_that_may_only_read_is_told_so(user: Database) -> None:
    with pytest.raises(Refusal, match="DATABASE_RIGHT_MISSING") as refused:
        declare(user)
    assert "(role readWrite @ chain)" in refused.value.message("zh")


@pytest.mark.parametrize("user", ["dbAdmin"], indirect=True)
def test_a_validator_that_differs_is_put_right(user: Database, admin: Database) -> None:
    declare(user)
    declared = _validators(admin)
    for name in ("orders", "meta"):  # One with a validator of its own, and one without.
        admin.mongo.command("collMod", name, validator={"other": {"$exists": True}})
    assert _validators(admin) != declared
    declare(user)
    assert _validators(admin) == declared


@pytest.mark.parametrize("user", ["readWrite"], indirect=True)
def test_indexes_of_earlier_versions_are_dropped_when_the_new_ones_are_there(
    user: Database,
) -> None:
    declare(user)
    made = {one.name: user.collection(one.name).index_information() for one in declarations()}
    for one in declarations():
        assert not set(one.gone) & made[one.name].keys()
        for name in one.gone:
            fields = [(key, 1) for key in name.removesuffix("_1").split("_1_")]
            user.collection(one.name).create_index(fields, name=name)
    declare(user)
    after = {one.name: user.collection(one.name).index_information() for one in declarations()}
    assert after == made
    assert any(one.gone for one in declarations())
