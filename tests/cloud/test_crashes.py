"""SIGKILL during traffic and lost events: no payment is lost or counted twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import urllib3

from cli.reconcile import reconciled
from cloud_guest import Guest, eventually
from localcloud.client import CallFailed, LocalCloudClient
from localcloud.cloud import LocalCloud
from simulation.play import FIRST_DAY, load

pytestmark = pytest.mark.slow


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[LocalCloud]:
    """Run a separate local cloud, whose processes the test kills."""
    with opened(tmp_path) as cloud:
        yield cloud


@contextmanager
def opened(folder: Path, *, relay: bool = False) -> Iterator[LocalCloud]:
    with LocalCloud(folder, relay=relay) as cloud:
        cloud.set_clock(FIRST_DAY.replace(hour=12), stands=True)
        load(LocalCloudClient(cloud.url, cloud.vendor_url, cloud.data))
        yield cloud


class Traffic:
    """Guests who keep buying until they are stopped, whatever the answers are."""

    def __init__(self, cloud: LocalCloud, guests: int = 4) -> None:
        self.client = LocalCloudClient(cloud.url, cloud.vendor_url, cloud.data)
        self.guests = [Guest(self.client) for _ in range(guests)]
        self.paid = 0
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_buying, args=(guest,)) for guest in self.guests
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _keep_buying(self, guest: Guest) -> None:
        while not self._stop.is_set():
            try:
                guest.buy(2)
                self.paid += 1
            except (AssertionError, CallFailed, KeyError, urllib3.exceptions.HTTPError):
                time.sleep(0.05)  # A guest whose call failed tries again.


def settle_down(cloud: LocalCloud, client: LocalCloudClient) -> None:
    """Let the timers finish unpaid orders, lost events and open refunds."""
    for _ in range(3):
        cloud.drain(20)
        cloud.advance(cloud.clock.now() + timedelta(minutes=20))
    eventually(lambda: cloud.drain(5), 30)
    report = reconciled(client)
    assert report["differences"] == []
    books = cloud.wechat_pay.books()
    assert books["taken_fen"] - books["refunded_fen"] == report["revenue_fen"]
    # Points are rounded down per order: a guest who reaches gold pays ¥26.40 and gets 26 points.
    most = report["revenue_fen"] // 100
    assert most - report["orders_paid"] <= report["points_issued"] <= most


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_killed_workers_lose_nothing_and_count_nothing_twice(fragile: LocalCloud) -> None:
    with Traffic(fragile) as traffic:
        for _ in range(3):
            time.sleep(2.5)
            for function in ("pay", "points-sync", "tier-evaluate"):
                kill(fragile.platform.pool(function).pids())
        eventually(lambda: traffic.paid > 0, 60)  # A slow machine must not fail the test.
    settle_down(fragile, traffic.client)


def test_another_relay_continues_after_a_killed_one(tmp_path: Path) -> None:
    """Our functions start their followers as well: whoever comes second finds nothing due."""
    with opened(tmp_path, relay=True) as cloud:
        with Traffic(cloud) as traffic:
            for _ in range(2):
                time.sleep(1.5)
                kill(cloud.platform.pool("trigger-relay").pids())
                cloud.timers.fire_function("trigger-relay")
            time.sleep(1.5)
        settle_down(cloud, traffic.client)
        eventually(lambda: cloud.platform.under_way("trigger-relay") > 0, 15)
        # A writer outside our functions: only the relay tells of it.
        orders = cloud.database.collection("orders")
        orders.update_one({"settlement": "done"}, {"$set": {"settlement": "due"}}, hint="_id_")
        eventually(lambda: orders.find_one({"settlement": "due"}) is None, 20)
        assert reconciled(traffic.client)["differences"] == []


def test_a_killed_database_keeps_everything_that_was_confirmed(fragile: LocalCloud) -> None:
    assert fragile.mongod
    with Traffic(fragile) as traffic:
        for _ in range(2):
            time.sleep(1.5)
            kill([fragile.mongod.pid])
            time.sleep(1.0)
        time.sleep(6)
        eventually(lambda: traffic.paid > 0, 60)
    settle_down(fragile, traffic.client)
