"""`bench pay`: an order from cart to points against plain writes, and checking callbacks."""

from __future__ import annotations

import base64
import json
import statistics
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from cli.bench import json_option, report, scratch_mongod
from cli.bench.by_hand import ByHand, WrittenDocuments
from cli.bench.paying import Answer, Till, Visit
from cli.bench.profile import Profile, profile_option
from cli.bench.sides import compare
from guard import scratch_folder
from huitou.payments.charges.rules import NotificationKeys, verify_and_decrypt
from huitou.runtime.database import connect
from huitou.runtime.declarations import declare

MEMBERS = 200
AT_A_TIME = 50  # callbacks


@click.command()
@click.option("--orders", default=200, show_default=True, help="Orders per round and side.")
@click.option("--callbacks", default=2_000, show_default=True, help="Checked per round and side.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, ours and floor in turn.")
@click.option("--threads", default=4, show_default=True, help="Guests at once, on both sides.")
@profile_option
@json_option
def pay(
    orders: int,
    callbacks: int,
    rounds: int,
    threads: int,
    profile: Profile | None,
    as_json: bool,
) -> None:
    """Order, prepay, take WeChat Pay's callback and settle; then check callbacks alone.

    Ours includes everything that our services do, with two signatures and two verifications an
    order. It excludes the network, the function's door, and WeChat Pay, whose signed answers and
    notices the stand-in makes before the clock starts (`wechat_ms` for each order). The floor
    writes the same documents in the same transactions with plain pymongo and does nothing else.

    A callback alone (`verify_us`) is checked, opened and read against plain `cryptography` and
    `json` with keys already loaded, on one thread. Same process, in turn; medians.
    """
    with scratch_mongod() as mongod, scratch_folder() as folder:
        database = connect(mongod.uri, "bench")
        declare(database)
        till = Till(database, folder, MEMBERS)
        [first] = till.visits(0, 1)
        till.wechat_prepares([first])
        floor = ByHand(database, WrittenDocuments.of(till, first))
        wechat_s: list[float] = []
        numbers = count(1)

        def visits(side: str, _: int) -> list[Visit]:
            found = till.visits(1 + orders * next(numbers), orders)
            if side == "ours":
                started = time.perf_counter()
                till.wechat_prepares(found)
                wechat_s.append((time.perf_counter() - started) / orders)
            return found

        figures = compare(
            {"ours": till.serve, "floor": floor.serve},
            visits,
            rounds=rounds,
            threads=threads,
            profile=profile,
        )
        notice, keys = till.notice(first), till.notification_keys
        checks = [_check(notice, keys, callbacks) for _ in range(rounds + 1)][1:]
        database.client.close()
    report(
        {
            **figures,
            "wechat_ms": round(statistics.median(wechat_s) * 1000, 2),
            "threads": threads,
            **_medians("verify_us", checks, 1),
            "verify_ratio": _ratio(checks),
        },
        profile,
        as_json=as_json,
    )


def _medians(name: str, pairs: list[tuple[float, float]], digits: int) -> dict[str, float]:
    ours, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {name: round(ours, digits), f"floor_{name}": round(floor, digits)}


def _ratio(pairs: list[tuple[float, float]]) -> float:
    return round(statistics.median(ours / floor for ours, floor in pairs), 3)


def _check(notice: Answer, keys: NotificationKeys, callbacks: int) -> tuple[float, float]:
    """Return the µs that checking a callback takes: ours and the floor's."""
    headers, body = notice
    floor = _floor(keys, headers["Wechatpay-Serial"])
    if verify_and_decrypt(headers, body, keys, time.time())["resource"] != floor(headers, body):
        raise RuntimeError("the floor reads something else")

    now, took_s = time.time(), [0.0, 0.0]
    sides: tuple[Callable[[], object], ...] = (
        lambda: verify_and_decrypt(headers, body, keys, now),
        lambda: floor(headers, body),
    )
    for _ in range(0, callbacks, AT_A_TIME):  # Short turns, since all takes a tenth of a second.
        for side, check in enumerate(sides):
            started = time.perf_counter()
            for _ in range(AT_A_TIME):
                check()
            took_s[side] += time.perf_counter() - started
    checked = -(-callbacks // AT_A_TIME) * AT_A_TIME
    return took_s[0] / checked * 1e6, took_s[1] / checked * 1e6


def _floor(keys: NotificationKeys, serial: str) -> Callable[[dict[str, str], bytes], Any]:
    """Return a floor that verifies, decrypts and reads a callback, without other checks."""
    public_key: Any = load_pem_public_key(keys.platform_keys[serial].encode())
    opener = AESGCM(keys.api_v3_key)
    padding, digest = PKCS1v15(), SHA256()

    def read(headers: dict[str, str], body: bytes) -> Any:
        signed = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
        signature = base64.b64decode(headers["Wechatpay-Signature"])
        public_key.verify(signature, signed + body + b"\n", padding, digest)
        sealed = json.loads(body)["resource"]
        secret = base64.b64decode(sealed["ciphertext"])
        associated = sealed["associated_data"].encode()
        return json.loads(opener.decrypt(sealed["nonce"].encode(), secret, associated))

    return read
