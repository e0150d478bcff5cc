"""Every query on `tier_runs`."""

from __future__ import annotations

from datetime import datetime

from huitou.loyalty.tier_rollouts.models import TierRun
from huitou.runtime.database import Database, Document, insert_new
from huitou.runtime.limits import MOST_REVISION
from huitou.runtime.revisions import later_than


class TierRunRepository:
    def __init__(self, database: Database) -> None:
        self._runs = database.collection("tier_runs")

    def begin(self, run: TierRun) -> None:
        """Store a run and end the runs of earlier revisions; a run that exists already goes on."""
        if not insert_new(self._runs, run.document()):
            return
        self._runs.update_many(
            {"status": "running", **later_than(run.revision)},
            {"$set": {"status": "superseded", "ended_at": run.started_at}},
        )

    def find(self, revision: int) -> TierRun | None:
        found = self._runs.find_one({"_id": f"tiers@{revision}"})
        return TierRun.model_validate(found) if found else None

    def latest(self) -> TierRun | None:
        runs: tuple[Document, ...] = ({"revision": {"$lte": MOST_REVISION}}, {})
        by_revision = (self._runs.find_one(one, sort=[("revision", -1)]) for one in runs)
        found = next(filter(None, by_revision), None)
        return TierRun.model_validate(found) if found else None

    def running(self) -> TierRun | None:
        found = self._runs.find_one({"status": "running"}, sort=[("status", 1), ("_id", 1)])
        return TierRun.model_validate(found) if found else None

    def advance(self, seen: TierRun, cursor: str, members: int) -> TierRun | None:
        """Store that a page is done; None if another call did the same page and stored it first."""
        return self._move(seen, {"$set": {"cursor": cursor}, "$inc": {"members": members}})

    def end(self, seen: TierRun, at: datetime) -> bool:
        """Store that all pages are done; False if another call was faster."""
        return self._move(seen, {"$set": {"status": "done", "ended_at": at}}) is not None

    def _move(self, seen: TierRun, change: Document) -> TierRun | None:
        # The filter names the cursor read before: if two timers do one page, only one counts it.
        guard = {"_id": seen.id, "status": "running", "cursor": seen.cursor}
        moved = self._runs.update_one(guard, change)
        return self.find(seen.revision) if moved.matched_count == 1 else None
