"""The relay: database triggers for writers outside our functions, which start followers themselves.

It turns changes in MongoDB into calls of functions.
One relay runs at a time, under a fenced lease. It reads the change stream from the stored resume
token, calls each trigger's function in batches of ids, and stores the token only after the calls
were accepted. So after a crash a batch may be sent twice, but none is lost. If the server can't
go back to the token any more, the relay starts at the present moment. Before it relays, it calls
for what is due already; the functions' own timers find the rest by the markers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure

from huitou.runtime import leases
from huitou.runtime.database import Database, Document, is_passing
from huitou.runtime.events import MAX_BATCH, change_event
from huitou.runtime.leases import Lease
from huitou.runtime.logs import log
from huitou.runtime.missed import due_ids
from huitou.runtime.triggers import DUE, TRIGGERS, Trigger

NAME = "trigger-relay"
AWAIT_MS = 1_000  # How long the database waits for a change before it answers with none.
GATHER_S = 0.02  # Changes that follow the first one within this time go into the same batch.
RENEW_EVERY_S = 1.0
KEEP_TOKEN_EVERY_S = 10.0  # On quiet streams, where storing the token would be the only write.
WAIT_FOR_HANDOVER_S = 70.0  # The timer starts a relay every minute, so a successor always waits.
MOST_COUNTED = 1_000  # `health` counts at most this many due documents of one trigger.
WATCH_S = 4.0  # A new relay watches for this time that the holder is alive before it leaves.


class LeaseLost(Exception):  # noqa: N818
    """Another relay has taken the lease; this one must not write any more."""


class Relay:
    """One run of the relay, for at most `seconds`.

    `stream` is a connection whose commands may wait; `start` calls a function asynchronously.
    """

    def __init__(
        self,
        database: Database,
        stream: Database,
        start: Callable[[str, Mapping[str, Any]], None],
        *,
        seconds: float,
    ) -> None:
        self._database = database
        self._stream = stream
        self._start = start
        self._ends = time.monotonic() + seconds
        self._relayed = 0

    def run(self) -> dict[str, Any]:
        """Relay until the time is over; returns early if another relay runs and stays longer."""
        lease = self._wait_for_lease()
        if lease is None:
            return {"status": "another relay runs"}
        try:
            self._relay(lease)
        except LeaseLost:
            return {"status": "lease lost", "relayed": self._relayed}
        finally:
            leases.release(self._database, lease)
        return {"status": "time over", "relayed": self._relayed}

    def _wait_for_lease(self) -> Lease | None:
        came = time.monotonic()
        while True:
            left_ms = int((self._ends - time.monotonic()) * 1000)
            if left_ms <= 0:
                return None
            lease = leases.acquire(self._database, NAME, until_ms=left_ms)
            if lease is not None:
                return lease
            stays_s = leases.seconds_until_handover(self._database, NAME)
            if stays_s > WAIT_FOR_HANDOVER_S and time.monotonic() - came > WATCH_S:
                return None
            time.sleep(0.2)

    def _relay(self, lease: Lease) -> None:
        with self._stream.client.start_session() as session:
            stream = self._open_stream(session)
            self._keep_token(lease, stream.token)
            self._name_what_is_due()
            renewed = kept = time.monotonic()
            while time.monotonic() < self._ends:
                batch = stream.more(AWAIT_MS)
                if batch:
                    time.sleep(GATHER_S)
                    batch += stream.more(1)
                    self._dispatch(batch)
                now = time.monotonic()
                if batch or now - kept > KEEP_TOKEN_EVERY_S:
                    self._keep_token(lease, stream.token)
                    kept = now
                if now - renewed > RENEW_EVERY_S:
                    if not leases.renew(self._database, lease):
                        raise LeaseLost
                    renewed = now

    def _name_what_is_due(self) -> None:
        """Call for what is due already: nobody sends the events again that an outage swallowed."""
        for trigger in TRIGGERS:
            now, due = datetime.now(UTC), due_ids(self._database, trigger)
            events = [change_event(trigger.collection, identity, "update", now) for identity in due]
            if events:
                self._start(trigger.function, {"events": events})

    def _open_stream(self, session: ClientSession) -> ChangeStream:
        """Continue from the stored token; if the server can't, start at the present moment."""
        state = self._database.collection("relay_state").find_one({"_id": NAME}) or {}
        try:
            return ChangeStream(self._stream, session, state.get("token"))
        except OperationFailure as error:
            if is_passing(error):
                raise
            log("relay_history_lost", code=error.code)
            return ChangeStream(self._stream, session, None)

    def _dispatch(self, batch: list[Document]) -> None:
        for trigger in TRIGGERS:
            changes = {
                change["documentKey"]["_id"]: change for change in batch if _is_for(trigger, change)
            }
            if not changes:
                continue
            events = [
                change_event(
                    trigger.collection,
                    document_id,
                    change["operationType"],
                    change["clusterTime"].as_datetime(),
                )
                for document_id, change in changes.items()
            ]
            self._start(trigger.function, {"events": events})
            self._relayed += len(events)

    def _keep_token(self, lease: Lease, token: Document) -> None:
        """Store how far we have read; raises LeaseLost if a relay with a higher fence has stored.

        The upsert then finds no document with this fence or a lower one, tries to insert a second
        document with the same id, and fails.
        """
        try:
            self._database.collection("relay_state").update_one(
                {"_id": NAME, "fence": {"$lte": lease.fence}},
                {
                    "$set": {"token": token, "fence": lease.fence, "schema": 1},
                    "$currentDate": {"at": True},
                },
                upsert=True,
            )
        except DuplicateKeyError:
            raise LeaseLost from None


class ChangeStream:
    """The changes that make a marker due, in the batches that the server sends.

    The driver's own change stream hides where a batch ends: a reader can't tell whether there is
    nothing more for now or whether it must wait. With plain commands, an idle relay asks once a
    second, and a busy one gets everything that has gathered.
    """

    def __init__(self, database: Database, session: ClientSession, token: Document | None) -> None:
        self._mongo = database.mongo
        self._session = session
        start = {"resumeAfter": token} if token else {}
        reply = self._command(
            {
                "aggregate": 1,
                "pipeline": [{"$changeStream": start}, *_pipeline()],
                "cursor": {"batchSize": 0},
            }
        )
        self._cursor_id = reply["id"]
        # The token moves on even if no change was for us, so that a quiet stream stays within
        # the history that the server keeps.
        self.token: Document = reply["postBatchResumeToken"]
        # The server reports lost history only when it is asked for changes. So ask once here;
        # the first call of `more` returns this answer.
        self._first: Document | None = self._next(1)

    def more(self, await_ms: int) -> list[Document]:
        """Return the changes that have gathered; waits up to `await_ms` if there are none."""
        reply = self._first or self._next(await_ms)
        self._first = None
        self.token = reply["postBatchResumeToken"]
        return list(reply["nextBatch"])

    def _next(self, await_ms: int) -> Document:
        return self._command(
            {
                "getMore": Int64(self._cursor_id),
                "collection": "$cmd.aggregate",
                "maxTimeMS": await_ms,
                "batchSize": MAX_BATCH // 2,
            }
        )

    def _command(self, command: Document) -> Document:
        reply: Document = self._mongo.command(command, session=self._session)["cursor"]
        return reply


def _pipeline() -> list[Document]:
    """Let through only changes that make a marker due, and only the fields that the relay reads."""
    becomes_due: list[Document] = []
    for trigger in TRIGGERS:
        becomes_due += [
            {
                "ns.coll": trigger.collection,
                "fullDocument." + trigger.marker: DUE,
                "operationType": {"$in": ["insert", "replace"]},
            },
            {
                "ns.coll": trigger.collection,
                "updateDescription.updatedFields." + trigger.marker: DUE,
            },
        ]
    shown = {"ns.coll": 1, "operationType": 1, "documentKey": 1, "clusterTime": 1}
    for trigger in TRIGGERS:
        shown["fullDocument." + trigger.marker] = 1
        shown["updateDescription.updatedFields." + trigger.marker] = 1
    return [{"$match": {"$or": becomes_due}}, {"$project": shown}]


def _is_for(trigger: Trigger, change: Document) -> bool:
    if change["ns"]["coll"] != trigger.collection:
        return False
    updated = change.get("updateDescription", {}).get("updatedFields", {})
    whole = change.get("fullDocument") or {}
    return bool(DUE in (updated.get(trigger.marker), whole.get(trigger.marker)))


def health(database: Database) -> dict[str, Any]:
    """Tell whether a relay is alive, how much is due for each trigger, and for how long.

    `lag_s` is how many seconds the oldest due document has been waiting, of those that keep the
    moment in `<marker>_since`, as orders do; 0 if none waits. Counting stops at `MOST_COUNTED`
    documents for each trigger.
    """
    due = {
        trigger.function: database.collection(trigger.collection).count_documents(
            {trigger.marker: DUE}, limit=MOST_COUNTED, hint=f"{trigger.marker}_due"
        )
        for trigger in TRIGGERS
    }
    waiting = [_longest_wait_s(database, trigger) for trigger in TRIGGERS]
    alive = leases.seconds_until_handover(database, NAME) > 0
    return {"alive": alive, "due": due, "lag_s": round(max(0.0, *waiting), 1)}


def _longest_wait_s(database: Database, trigger: Trigger) -> float:
    """Return for how many seconds the oldest due document waits, if `<marker>_since` is kept."""
    since = trigger.marker + "_since"
    found = database.collection(trigger.collection).aggregate(
        [
            {"$match": {trigger.marker: DUE, since: {"$gt": 0}}},
            {"$limit": MOST_COUNTED},
            {"$group": {"_id": None, "first": {"$min": f"${since}"}}},
        ],
        hint=f"{trigger.marker}_due",
    )
    return next((time.time() - float(row["first"]) for row in found), 0.0)
