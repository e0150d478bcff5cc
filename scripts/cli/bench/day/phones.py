"""Guests who come to the chain at given moments, and how their calls went."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3

from localcloud.client import CallFailed, LocalCloudClient
from localcloud.cloud import LocalCloud
from simulation.guests import make_guests, visits_on
from simulation.play import (
    FIRST_DAY,
    SLOTS,
    ZONE,
    Simulation,
    SimulationError,
    load,
    start_campaigns,
)

GUESTS = 2_000
AT_ONCE = 32  # Guests who are served at the same time, at most; the others wait.
PAID = {"paid", "refunded", "partly refunded", "cancelled with money back"}
OPENS_AT = FIRST_DAY.replace(hour=18, minute=30)  # All stores are open for four hours from here.


class TimedClient(LocalCloudClient):
    """Counts the answers to calls by their error code; no code is a good answer."""

    def __init__(self, url: str, vendor_url: str, data: Path) -> None:
        super().__init__(url, vendor_url, data)
        self._lock = threading.Lock()
        self.codes: Counter[str] = Counter()

    def member_call(self, function: str, openid: str, data: object) -> dict[str, Any]:
        """Call a function as the mini-program does."""
        return self._counted(lambda: super(TimedClient, self).member_call(function, openid, data))

    def internal_call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a function as a till does."""
        return self._counted(lambda: super(TimedClient, self).internal_call(function, event))

    def _counted(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        code = "NO_ANSWER"
        try:
            answer = call()
            code = "" if answer["ok"] else str(answer["error"]["code"])
        finally:
            with self._lock:
                self.codes[code] += 1
        return answer


class Phones:
    """The guests of a local cloud; each comes again only after all others have come."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.client = TimedClient(cloud.url, cloud.vendor_url, cloud.data)
        self._cloud = cloud
        cloud.set_clock(OPENS_AT, stands=False)
        load(self.client)
        start_campaigns(self.client)
        self._simulation = Simulation(self.client, members=0)
        self._free = deque(make_guests(7, GUESTS, days=1))
        self._dice = random.Random(8)
        self._lock = threading.Lock()
        self.ends: Counter[str] = Counter()
        self.late_s: list[float] = []
        self.paid_at_s: list[float] = []  # Since the first moment.

    def serve_at_once(self, guests: int, seconds: float) -> float:
        """Serve guests without a pause, so many at once; returns visits a second."""
        ends = time.monotonic() + seconds
        served = itertools.count()

        def serve() -> None:
            while time.monotonic() < ends:
                self._serve()
                next(served)

        started = time.monotonic()
        with ThreadPoolExecutor(guests) as pool:
            for done in [pool.submit(serve) for _ in range(guests)]:
                done.result()
        return next(served) / (time.monotonic() - started)

    def serve_at(self, moments: Sequence[float], told: Callable[[float], None]) -> None:
        """Serve a guest at each moment, in seconds from now; tells each moment as it comes.

        Nobody waits for the guests before, so a cloud that is too slow shows in `late_s`.
        """
        self.ends.clear()
        started = time.monotonic()

        def serve(due: float) -> None:
            self.late_s.append(time.monotonic() - due)
            if self._serve() in PAID:
                self.paid_at_s.append(time.monotonic() - started)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            visits: list[Future[None]] = []
            for moment in moments:
                time.sleep(max(0.0, started + moment - time.monotonic()))
                told(moment)
                visits.append(pool.submit(serve, started + moment))
            for visit in visits:
                visit.result()

    def _serve(self) -> str:
        with self._lock:
            guest = self._free.popleft()
            [visit] = visits_on(self._dice, guest.joins_on, [guest], len(SLOTS))
            self._simulation.moment = self._cloud.clock.now().astimezone(ZONE)
        try:
            end = self._simulation.serve(visit)
        except (SimulationError, CallFailed, urllib3.exceptions.HTTPError):
            end = "failed"
        with self._lock:
            self.ends[end] += 1
            self._free.append(guest)
        return end
