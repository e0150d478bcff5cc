"""A real MongoDB on loopback: found, started as a one-node replica set, restarted if it dies."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

import guard
from deployment.errors import Stopped
from huitou.runtime.database import Database

REPLICA_SET = "huitou"
START_WITHIN_S = 60.0
ALREADY_INITIALIZED = 23
# What a killed function's transaction has written keeps others waiting for so long (60 s by
# default); the house's own transactions end within `TRANSACTION_TIMEOUT_S`, 8 s.
ABANDONED_AFTER_S = 10
# Below the ports that Linux (32768 and up) and macOS (49152 and up) give to outgoing connections.
OWN_PORTS = range(15_000, 32_000)


class NoMongoDB(Stopped):
    """There is no MongoDB to be had on this machine; the message says how to get one."""


def find_binary() -> Path:
    """Return the embedded mongod, or one on PATH; NoMongoDB explains the ways otherwise."""
    package = importlib.util.find_spec("fiftyone")
    if package is not None and package.submodule_search_locations:
        embedded = Path(next(iter(package.submodule_search_locations))) / "db" / "bin" / "mongod"
        if embedded.exists() and _runs(embedded):
            return embedded
    on_path = shutil.which("mongod")
    if on_path and _runs(Path(on_path)):
        return Path(on_path)
    raise NoMongoDB(
        "no MongoDB found. One of these helps:\n"
        "  · on Linux x86-64 the setup installs one; delete .venv and run this command again\n"
        "  · install mongod 6 or newer and put it on the PATH\n"
        "  · set MONGODB_URI to a replica set, e.g. mongodb://127.0.0.1:27017/?replicaSet=rs0"
    )


def _runs(binary: Path) -> bool:
    try:
        found = subprocess.run([binary, "--version"], capture_output=True, timeout=20, check=False)
    except OSError:
        return False
    return found.returncode == 0


class Mongod:
    """One mongod process of our own, its data in `folder`; kept alive until `stop`.

    Runs with `notablescan`, so that a query no index serves fails here, not in a year. One that
    isn't `durable` confirms writes before they are on disk, for data nobody would miss.
    """

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = True) -> None:
        self._binary = find_binary()
        self.folder = folder
        self._port = port or free_port()
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int:
        """The process id, for tests that pull the plug."""
        if self._process is None:
            raise RuntimeError("mongod is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it is primary; then watch over it."""
        guard.stand()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._end_orphan()
        self._wanted = True
        self._launch()
        try:
            self._initiate()
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._watch, daemon=True, name="mongod-watch").start()

    def _end_orphan(self) -> None:
        """Stop the mongod of a local cloud that was killed; its owner holds our lock no more."""
        try:
            pid = int((self.folder / "mongod.lock").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if str(self.folder).encode() not in command:
            return
        os.kill(pid, signal.SIGTERM)
        for _ in range(200):
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)

    def _launch(self) -> None:
        arguments = [
            str(self._binary),
            "--dbpath",
            str(self.folder),
            "--port",
            str(self._port),
            "--bind_ip",
            "127.0.0.1",
            "--replSet",
            REPLICA_SET,
            "--oplogSize",
            "512",
            "--wiredTigerCacheSizeGB",
            "1",
            "--nounixsocket",
            "--setParameter",
            "notablescan=1",
            "--setParameter",
            f"transactionLifetimeLimitSeconds={ABANDONED_AFTER_S}",
            "--setParameter",
            "diagnosticDataCollectionEnabled=0",
            "--logpath",
            str(self.folder / "mongod.log"),
            "--logappend",
        ]
        if not self._durable:
            # Tests store and delete the same documents again and again. By default mongod keeps
            # deleted ones for five minutes, and each query of their collection passes over them.
            # A reconciliation reads one snapshot for as long as it takes.
            arguments += ["--setParameter", "minSnapshotHistoryWindowInSeconds=10"]
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the local cloud, which stops it in order.
        )

    def _initiate(self) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        # pymongo would look again only half a second after it found nobody.
        while not _is_heard(self._port) and time.monotonic() < deadline:
            self._check_alive()
            time.sleep(0.02)
        uri = f"mongodb://127.0.0.1:{self._port}/?directConnection=true"
        client: MongoClient[dict[str, object]] = MongoClient(uri, serverSelectionTimeoutMS=1_000)
        with client:
            while time.monotonic() < deadline:
                self._check_alive()
                try:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return
                    self._configure(client)
                except PyMongoError:
                    pass
                time.sleep(0.05)
        raise RuntimeError(f"mongod did not become primary; see {self.folder / 'mongod.log'}")

    def _configure(self, client: MongoClient[dict[str, object]]) -> None:
        """Make this process the set's one member; an earlier run had another port."""
        member = {"_id": 0, "host": f"127.0.0.1:{self._port}"}
        config: dict[str, Any] = {
            "_id": REPLICA_SET,
            "version": 1,
            "members": [member],
            "writeConcernMajorityJournalDefault": self._durable,
        }
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
            stored = client.admin.command("replSetGetConfig")["config"]
            if stored["members"][0]["host"] != member["host"]:
                stored["members"][0]["host"] = member["host"]
                stored["version"] += 1
                client.admin.command("replSetReconfig", stored, force=True)

    def _check_alive(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            log = (self.folder / "mongod.log").read_text(errors="replace").splitlines()[-5:]
            raise RuntimeError("mongod stopped at once:\n" + "\n".join(log))

    def _watch(self) -> None:
        while self._wanted:
            process = self._process
            if process is None:
                return
            began = time.monotonic()
            process.wait()
            if time.monotonic() - began < 1.0:
                time.sleep(1)  # It can't live just now (a full disk?); its log says why.
            with self._lock:
                if self._wanted and self._process is process:
                    self._launch()

    def stop(self) -> None:
        """Stop in order."""
        with self._lock:
            self._wanted = False
            process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check_replica_set(database: Database) -> None:
    """Make sure the database answers and has transactions; NoMongoDB says what is wrong."""
    try:
        hello = database.client.admin.command("hello")
    except PyMongoError as error:
        raise NoMongoDB(
            f"MongoDB does not answer ({type(error).__name__}); is MONGODB_URI right?"
        ) from error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise NoMongoDB(
            "this MongoDB is not a replica set, so it has no transactions and no change streams; "
            "start it with --replSet and run rs.initiate(), or unset MONGODB_URI"
        )


def free_port() -> int:
    """Return a port nobody uses just now.

    None of those the system hands out: any connection of any process could take such a one
    before our server listens on it.
    """
    for _ in range(1_000):
        port = secrets.choice(OWN_PORTS)
        if _is_free(port):
            return port
    raise RuntimeError(f"no port from {OWN_PORTS[0]} to {OWN_PORTS[-1]} is free")


def kept_ports(path: Path, count: int) -> list[int]:
    """Return the ports a data folder used before, as far as they are free, else new ones.

    What is deployed names them, so a cloud that comes back on the same ones finds it unchanged.
    """
    try:
        ports: list[int] = json.loads(path.read_text())
    except (OSError, ValueError):
        ports = []
    if len(ports) != count or not all(_is_free(port) for port in ports):
        ports = [free_port() for _ in range(count)]
        path.write_text(json.dumps(ports))
    return ports


def _is_heard(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def configured_uri(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the MONGODB_URI the developer set, if any."""
    return environment.get("MONGODB_URI") or None
