"""The floor: what MongoDB alone reads and writes here, in the same mix."""

from __future__ import annotations

import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from pymongo.write_concern import WriteConcern

from huitou.runtime.database import connect

PROCESSES = 4
KEPT = 200  # Documents of each process that are read and changed.
_NAME = "raw_floor"


def reads_and_writes_per_s(
    uri: str, database: str, document: dict[str, Any], share_of_reads: float, seconds: float
) -> float:
    """Read and write plain documents of an order's size in several processes; operations a second.

    Half of the writes insert, half update; all wait for the majority, as ours do.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
        runs = [
            pool.submit(_work, uri, database, document, share_of_reads, seconds, number)
            for number in range(PROCESSES)
        ]
        return sum(run.result() for run in runs)


def _work(
    uri: str, name: str, document: dict[str, Any], share_of_reads: float, seconds: float, own: int
) -> float:
    database, dice = connect(uri, name), random.Random(own)
    raw = database.mongo.get_collection(_NAME, write_concern=WriteConcern("majority"))
    raw.insert_many([{**document, "_id": f"{own}-{number}"} for number in range(KEPT)])
    done, made = 0, KEPT
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        wanted = {"_id": f"{own}-{dice.randrange(KEPT)}"}
        chance = dice.random()
        if chance < share_of_reads:
            raw.find_one(wanted)
        elif chance < (1 + share_of_reads) / 2:
            raw.update_one(wanted, {"$inc": {"version": 1}})
        else:
            raw.insert_one({**document, "_id": f"{own}-{made}"})
            made += 1
        done += 1
    took = time.perf_counter() - started
    database.client.close()
    return done / took
