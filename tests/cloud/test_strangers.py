"""The local cloud answers this machine's own programs and pages; its data is its owner's."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client

from localcloud.cloud import LocalCloud
from localcloud.doors import for_this_machine, platform_app, vendors_app

PATHS = (
    "/callFunction", "/local/status", "/local/reset", "/api/session/sign_in", "/phone/pay",
    "/cgi-bin/stable_token", "/v3/pay/transactions/jsapi",
)  # fmt: skip


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[FlaskClient]]:
    """Both doors of a local cloud that isn't up."""
    cloud = LocalCloud(tmp_path_factory.mktemp("strangers"))
    yield [platform_app(cloud).test_client(), vendors_app(cloud).test_client()]
    cloud.platform.stop()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:1", "10.0.0.1", "[", ""])
def test_a_foreign_host_is_refused(doors: list[FlaskClient], path: str, host: str) -> None:
    for door in doors:
        answer = door.post(path, json={}, headers={"Host": host})
        assert answer.status_code in (400, 403)
        assert answer.status_code == 400 or answer.get_json()["errCode"] == "FOREIGN_HOST"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_what_a_page_of_another_site_can_send_is_refused(
    doors: list[FlaskClient], path: str, kind: str, origin: str
) -> None:
    for door in doors:
        headers = {"Origin": origin, "Content-Type": kind}
        answer = door.post(path, data=b"{}", headers=headers)
        assert (answer.status_code, answer.get_json()["errCode"]) == (403, "FOREIGN_ORIGIN")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, "403"),
        ({"Host": "127.0.0.1.evil.example"}, "403"),
        ({"Host": "127.0.0.1:1", "Origin": "https://evil.example"}, "403"),
        ({"Host": "127.0.0.1:1", "Origin": "null"}, "403"),
        ({"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:2"}, "404"),
        ({"Host": "localhost:1"}, "404"),
    ],
)
def test_the_storage_answers_this_machine_only(headers: dict[str, str], status: str) -> None:
    door = for_this_machine(Flask("storage", static_folder=None))
    answer = Client(door).post("/moto-api/reset", headers=headers)
    assert answer.status[:3] == status  # 404: the storage behind the door, which has no pages.


def test_a_control_takes_json_only(doors: list[FlaskClient]) -> None:
    answer = doors[0].post("/local/reset", data=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_our_own_page_gets_in(doors: list[FlaskClient], host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    answer = doors[0].post("/local/no-such-control", json={}, headers=headers)
    assert answer.status_code == 404


def test_the_consoles_pages_are_in_nobodys_frame(doors: list[FlaskClient]) -> None:
    with doors[0].get("/console/") as answer:
        headers = answer.headers
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize("before", ["absent", "empty", "readable"])
def test_the_data_folder_is_its_owners(tmp_path: Path, before: str) -> None:
    folder = tmp_path / "huitou"
    if before != "absent":
        folder.mkdir(mode=0o755)
    if before == "readable":  # From a version that did not close it.
        LocalCloud(folder).platform.stop()
        folder.chmod(0o755)
    LocalCloud(folder).platform.stop()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_with_other_peoples_things_keeps_its_rights(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "notes.txt").touch()
    LocalCloud(folder).platform.stop()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "secrets.json").stat().st_mode) == 0o600
