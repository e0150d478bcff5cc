"""The whole local cloud put together: database, functions, timers, doors and stand-ins."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from waitress.server import create_server

import guard
from deployment.cloud_api import bypass_proxies
from deployment.deploy import Deployment, Progress, prepare
from deployment.found import look
from deployment.packages import local_target
from deployment.plan import Step, plan
from deployment.target import Target
from huitou.integrations.functions import Functions
from huitou.runtime.database import Database, connect
from huitou.runtime.identity import internal_token
from huitou.runtime.relay import NAME as RELAY
from huitou.runtime.settings import CloudSettings, Settings
from huitou.runtime.triggers import DUE, TRIGGERS
from localcloud.clock import LocalClock
from localcloud.doors import for_this_machine, platform_app, vendors_app
from localcloud.errors import AlreadyUp, PlatformError
from localcloud.keys import load_secrets, own_folder
from localcloud.mini_program import MiniProgramStandIn
from localcloud.mongod import Mongod, check_replica_set, kept_ports
from localcloud.platform import Platform
from localcloud.registry import DEFAULT, Registry, Trigger
from localcloud.storage import StorageStandIn
from localcloud.target import DEFAULT_DATA, NAMESPACE, REGION, local_cloud_target
from localcloud.tencent.api import TencentApi
from localcloud.timers import Timers
from localcloud.weather import WeatherStandIn
from localcloud.wechat_pay import Refused, WeChatPayStandIn
from simulation.chain import POSTERS, STORES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_UPLOAD_BYTES = 128 * 1024 * 1024
THREADS = 320  # More than callers of one test at once: a call that waits holds one.
CONNECTIONS = 2_000  # Clients keep theirs for their next call, so there are more than calls.
RELAY_CRON = "0 * * * * * *"
_SAMPLE = "sample_data"
# The running relay keeps its place, and staff their accounts.
KEPT_ON_RESET = ("leases", "relay_state", "staff", "staff_sessions", "staff_changes")


def deploy_to(target: Target, progress: Progress = lambda _: None) -> list[Step]:
    """Deploy the whole bundle to a local cloud; returns the steps that this took."""
    api, wanted = prepare(target, local_target())
    storage_url = target.variables["STORAGE_URL"]
    found = look(api, wanted, storage_url=storage_url)
    steps = plan(wanted, found)
    Deployment(api, wanted, found, progress, storage_url).run(steps)
    return steps


class LocalCloud:
    """One local cloud on one data folder; `start` and `stop` it, or use it as a context.

    With `relay`, trigger-relay's timer is switched on too, as for writers outside our functions.
    """

    def __init__(
        self,
        data: Path = DEFAULT_DATA,
        *,
        relay: bool = False,
        deploy: bool = True,
        mongodb_uri: str | None = None,
    ) -> None:
        self.data = data
        own_folder(data)
        self.keys = load_secrets(data)
        self.clock = LocalClock(data / "clock.json")
        ports = kept_ports(data / "ports.json", 4)
        self.port, self.vendor_port, mongod_port, self._storage_port = ports
        self.storage = StorageStandIn(self._storage_port, POSTERS)
        own = Mongod(data.resolve() / "mongod", port=mongod_port)
        self.mongod = None if mongodb_uri else own
        self.mongodb_uri = mongodb_uri or own.uri
        self.database_name = "huitou"
        self.registry = Registry(data / "deployed.json")
        self.platform = Platform(
            self.registry, data / "logs", self._platform_variables(), NAMESPACE
        )
        self.api = TencentApi(self.platform, self.keys, self.url)
        self.wechat_pay = WeChatPayStandIn(
            self.keys, self.clock, data / "wechat_pay.sqlite", base_url=self.vendor_url
        )
        self.mini_program = MiniProgramStandIn(self.keys, self.wechat_pay.find)
        self.weather = WeatherStandIn(self.keys.weather_key, self.clock)
        self._relay = relay
        self._deploy = deploy
        self.timers = Timers(self._triggers, self.clock, self.platform.start)
        self.deployed: list[Step] = []  # What starting had to do, and what it found done.
        self._servers: list[Any] = []

    def _triggers(self) -> list[Trigger]:
        found = self.registry.triggers()
        return [*found, self.relay_timer] if self._relay else found

    @property
    def relay_timer(self) -> Trigger:
        """The timer that functions/trigger-relay/README.md adds to `cloudbaserc.json`."""
        return Trigger(
            function=RELAY,
            name="relay",
            cron=RELAY_CRON,
            message=self.token(RELAY),
            qualifier=DEFAULT,
            enabled=True,
            added_at="",
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def vendor_url(self) -> str:
        return f"http://127.0.0.1:{self.vendor_port}"

    def token(self, function: str) -> str:
        """Return what an internal caller of a function shows."""
        return internal_token(self.keys.internal_secret.encode(), function)

    @property
    def target(self) -> Target:
        """This cloud as a place to deploy to."""
        return local_cloud_target(
            self.keys, self.url, self.mongodb_uri, self.database_name, self.storage.url
        )

    def _platform_variables(self) -> dict[str, str]:
        """What the platform gives every function, here pointing at this machine."""
        return {
            "TCB_ENV": NAMESPACE,
            "TENCENTCLOUD_SECRETID": self.keys.secret_id,
            "TENCENTCLOUD_SECRETKEY": self.keys.secret_key,
            "HUITOU_SCF_ENDPOINT": f"127.0.0.1:{self.port}",
            "HUITOU_SCF_PROTOCOL": "http",
            "HUITOU_CLOCK_FILE": str(self.clock.path.resolve()),
            "WECHAT_PAY_URL": self.vendor_url,
            "WECHAT_API_URL": self.vendor_url,
            "WEATHER_URL": self.vendor_url,
            "STORAGE_URL": self.storage.url,
        }

    def start(self) -> None:
        """Bring everything up and the database's declarations in place."""
        guard.stand()
        self._own = (self.data / "lock").open("w")
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(f"a local cloud is already up on {self.data}") from None
        try:
            self._start()
        except BaseException:  # Ctrl-C too: nothing half started may stay behind.
            self.stop()
            raise

    def _start(self) -> None:
        if self.mongod:
            self.mongod.start()
        self.database: Database = connect(self.mongodb_uri, self.database_name)
        check_replica_set(self.database)
        bypass_proxies(self.url)
        self._serve("storage", for_this_machine(self.storage.app()), self._storage_port, 8)
        self.storage.fill(Settings({**self.target.variables, **self._platform_variables()}))
        self._serve("platform", platform_app(self), self.port)
        self._serve("vendors", vendors_app(self), self.vendor_port)
        if self._deploy:
            self.deployed = deploy_to(self.target)
        self.wechat_pay.resume()
        self.timers.run()
        endpoint = {
            "pid": os.getpid(),
            "url": self.url,
            "vendor_url": self.vendor_url,
            "storage_url": self.storage.url,
            "mongodb_uri": self.mongodb_uri,
            "database": self.database_name,
        }
        path = self.data / "endpoint.json"
        path.touch(mode=0o600)  # A MongoDB of one's own may have its password in the URI.
        path.write_text(json.dumps(endpoint))

    def _serve(self, name: str, app: WSGIApplication, port: int, threads: int = THREADS) -> None:
        logging.getLogger("waitress").setLevel(logging.ERROR)
        server = create_server(
            app,
            # A socket of our own: waitress leaves one open whose port is taken.
            sockets=[socket.create_server(("127.0.0.1", port))],
            threads=threads,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,  # select() knows no more than 1,024 of them.
            # Uploads stay in memory: waitress leaves the files open that it would use instead.
            inbuf_overflow=MAX_UPLOAD_BYTES,
        )
        threading.Thread(target=server.run, daemon=True, name=name).start()
        self._servers.append(server)

    def stop(self) -> None:
        """Stop everything; what was under way is found again by the timers of the next start."""
        (self.data / "endpoint.json").unlink(missing_ok=True)
        self.timers.stop()
        self.platform.stop()
        for server in self._servers:
            server.task_dispatcher.shutdown(timeout=2)
            server.close()
        if hasattr(self, "database"):
            self.database.client.close()
        if self.mongod:
            self.mongod.stop()
        self._own.close()

    def __enter__(self) -> LocalCloud:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def functions(self) -> Functions:
        """The bundle's functions as an internal caller reaches them, through Tencent's API."""
        return Functions(
            CloudSettings(
                namespace=NAMESPACE,
                region=REGION,
                endpoint=f"127.0.0.1:{self.port}",
                protocol="http",
                secret_id=self.keys.secret_id,
                secret_key=self.keys.secret_key,
                session_token=None,
            ),
            self.keys.internal_secret.encode(),
        )

    # --- controls -----------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "vendor_url": self.vendor_url,
            "now": self.clock.now().isoformat(),
            "clock_stands": self.clock.stands,
            "functions": {
                name: len(self.platform.pool(name).pids()) for name in self.registry.functions
            },
            "undelivered": list(self.platform.undelivered),
            "sample_data": self._is_sample(),
        }

    def set_clock(self, at: datetime, *, stands: bool) -> dict[str, str]:
        """Put business time at a moment, standing still or running on."""
        if stands:
            self.clock.stand_at(at)
        else:
            self.clock.run_from(at)
        self.timers.clock_was_set()
        return {"now": self.clock.now().isoformat()}

    def advance(self, to: datetime) -> dict[str, Any]:
        """Move a standing clock on: drain what is under way, move, fire what came due, drain."""
        before = self.drain()
        self.clock.stand_at(max(to, self.clock.now()))
        self.timers.catch_up()
        return {"now": self.clock.now().isoformat(), "drained": self.drain() and before}

    def drain(self, within_s: float = 10.0) -> bool:
        """Wait until no asynchronous call is under way and no marker is due; False if time ran out.

        What stays due then (a call was lost, or something is a dead letter) is the timers'.
        """
        deadline = time.monotonic() + within_s
        quiet = 0
        while time.monotonic() < deadline:
            quiet = 0 if self.platform.busy() or self._any_due() else quiet + 1
            if quiet == 2:  # Twice, since a call may just have been between two functions.
                return True
            time.sleep(0.01)
        return False

    def _any_due(self) -> bool:
        return any(
            self.database.collection(trigger.collection).find_one({trigger.marker: DUE}, {"_id": 1})
            for trigger in TRIGGERS
        )

    def set_wechat_pay_mode(self, mode: dict[str, Any]) -> dict[str, Any]:
        """Change how WeChat Pay behaves; returns all its switches."""
        try:
            return self.wechat_pay.mode.set(mode)
        except ValueError as error:
            raise PlatformError("InvalidParameter", str(error)) from None

    def plant_at_wechat_pay(self, plant: dict[str, Any]) -> dict[str, Any]:
        """Put a difference into WeChat Pay's books: `{"kind", "day", "number", "by_fen"}`."""
        try:
            return self.wechat_pay.plant(**plant)
        except (TypeError, ValueError) as error:
            raise PlatformError("InvalidParameter", str(error)) from None

    def forge_notice(self, kind: str, out_trade_no: str) -> dict[str, Any]:
        """Send our door a notice that is wrong in one way; returns what it answered."""
        try:
            headers, body = self.wechat_pay.forge(kind, out_trade_no)
        except (ValueError, Refused) as error:
            raise PlatformError("InvalidParameter", str(error)) from None
        url = self.target.variables["WECHAT_PAY_NOTIFY_URL"]
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        return {"kind": kind, "status": answer.status_code, "answer": answer.json()}

    # --- sample data --------------------------------------------------------------------------

    def _is_sample(self) -> bool:
        if self.is_empty():
            return True
        meta = self.database.collection("meta").find_one({"_id": _SAMPLE})
        ours = {store[0] for store in STORES}
        stores = self.database.collection("stores").find({}, {"_id": 1})
        return bool(meta and meta["sample"]) and {store["_id"] for store in stores} <= ours

    def is_empty(self) -> bool:
        """Whether nobody has put anything in yet."""
        return all(
            self.database.collection(name).find_one({}, {"_id": 1}) is None
            for name in ("stores", "dishes", "members", "orders")
        )

    def mark_sample(self, *, sample: bool) -> dict[str, bool]:
        """Say whether the data is a sample, which the demo may throw away."""
        self.database.collection("meta").update_one(
            {"_id": _SAMPLE}, {"$set": {"sample": sample, "schema": 1}}, upsert=True
        )
        return {"sample": sample}

    def reset_sample(self) -> dict[str, bool]:
        """Empty the database and WeChat Pay's books if they hold sample data, else refuse."""
        if not self._is_sample():
            return {"reset": False}
        self.drain()
        for name in self.database.mongo.list_collection_names():
            if name not in KEPT_ON_RESET:
                self.database.collection(name).delete_many({})
        self.wechat_pay.forget_everything()
        self.mini_program.forget_everything()
        self.weather.forget_everything()
        return {"reset": True}
