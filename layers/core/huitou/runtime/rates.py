"""Limit how often one member may call an action within a minute, over all instances.

A counter in the database is raised before the work begins, so of two who call at the limit one is
refused. Counters live for two minutes of real time. Their ids hold a keyed hash, not the member.
"""

import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.write_concern import WriteConcern

from huitou.runtime.database import Database
from huitou.runtime.documents import Answer
from huitou.runtime.errors import Code, Refusal

MINUTE_S = 60


class WaitAnswer(Answer):
    """What the refusal TOO_MANY_CALLS carries: after how many seconds the next minute begins."""

    retry_s: int


_KEPT = timedelta(minutes=2)
# A counter that a failing node loses lets a few more calls through; waiting for others costs more.
_ONE_NODE = WriteConcern(w=1)


def count_call(database: Database, secret: bytes, who: str, what: str, most: int) -> None:
    """Count one call of `what` by `who`; raises Refusal TOO_MANY_CALLS after `most` in a minute.

    The refusal's `data` says after how many seconds the next minute begins: `retry_s`.
    """
    now = time.time()
    minute, past_s = divmod(int(now), MINUTE_S)
    key = hashlib.blake2b(f"{what}:{who}".encode(), key=secret[:64], digest_size=16).hexdigest()
    counters = database.collection("call_counters").with_options(write_concern=_ONE_NODE)
    found: Any = counters.find_one_and_update(
        {"_id": f"{key}:{minute}"},
        {
            "$inc": {"calls": 1},
            "$setOnInsert": {"schema": 1, "delete_at": datetime.fromtimestamp(now, UTC) + _KEPT},
        },
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    if found["calls"] > most:
        retry_s = MINUTE_S - past_s
        raise Refusal(Code.TOO_MANY_CALLS, detail=str(retry_s), data={"retry_s": retry_s})
