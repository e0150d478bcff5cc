"""The call that starts a follower is lost: the timers find what it left, and nothing is lost."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from cli.reconcile import reconciled
from cloud_guest import Guest, eventually
from localcloud.client import LocalCloudClient
from localcloud.cloud import LocalCloud
from simulation.play import FIRST_DAY, load

pytestmark = pytest.mark.slow
NOBODY = "127.0.0.1:9"


@contextmanager
def reaching(folder: Path, endpoint: str) -> Iterator[tuple[LocalCloud, LocalCloudClient]]:
    """Run a local cloud whose functions look for the platform's API at this endpoint."""
    cloud = LocalCloud(folder)
    cloud.platform.variables["HUITOU_SCF_ENDPOINT"] = endpoint
    with cloud:
        cloud.set_clock(FIRST_DAY.replace(hour=12), stands=True)
        client = LocalCloudClient(cloud.url, cloud.vendor_url, cloud.data)
        load(client)
        yield cloud, client


def fire_timers(cloud: LocalCloud, times: int) -> None:
    for _ in range(times):
        cloud.clock.stand_at(cloud.clock.now() + timedelta(minutes=11))
        cloud.timers.catch_up()
        eventually(lambda: not cloud.platform.busy(), 30)


def test_without_any_call_the_timers_settle_everything(tmp_path: Path) -> None:
    with reaching(tmp_path, NOBODY) as (cloud, client):
        guest = Guest(client)
        order_ids = [guest.buy(20) for _ in range(3)]
        eventually(lambda: all(guest.status(order_id) == "paid" for order_id in order_ids))
        assert guest.points() == 0
        cloud.platform.start("points-sync", {"events": []})  # It settles nothing.
        fire_timers(cloud, 4)  # Orders → points → tier → coupon: one timer after the other.
        assert guest.points() == 900
        assert guest.ok("member-profile", action="profile")["tier"]["level"] == "silver"
        assert len(guest.ok("member-profile", action="coupons")["coupons"]) == 1
        assert reconciled(client)["differences"] == []


def test_a_function_killed_between_commit_and_call_loses_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # It accepts a call and says nothing.
        silent.settimeout(60)
        with reaching(tmp_path, f"127.0.0.1:{silent.getsockname()[1]}") as (cloud, client):
            guest = Guest(client)
            order_id = guest.order(2)
            payment = guest.prepay(order_id)
            paying = threading.Thread(target=client.pay, args=(guest.openid, payment))
            paying.start()
            connection, _ = silent.accept()  # The order is committed, and the call is on its way.
            cloud.platform.variables["HUITOU_SCF_ENDPOINT"] = cloud.url.removeprefix("http://")
            for pid in cloud.platform.pool("pay").pids():
                os.kill(pid, signal.SIGKILL)
            connection.close()
            paying.join(30)
            orders = cloud.database.collection("orders")
            found = orders.find_one({"_id": order_id})
            assert found
            assert (found["status"], found["settlement"]) == ("paid", "due")
            assert guest.points() == 0
            fire_timers(cloud, 1)
            eventually(lambda: guest.points() == 30, 20)
            assert cloud.drain()
            assert reconciled(client)["differences"] == []
