"""Every query on `imports` and `import_batches`."""

from __future__ import annotations

from datetime import datetime

from pymongo.client_session import ClientSession

from huitou.operations.imports.undo_models import Import, ImportBatch
from huitou.runtime.database import Database


class ImportRepository:
    def __init__(self, database: Database) -> None:
        self._imports = database.collection("imports")
        self._batches = database.collection("import_batches")

    def note(self, batch: ImportBatch, file: str, at: datetime, session: ClientSession) -> None:
        """Note what a batch wrote; the first one of an import makes its document."""
        self._batches.insert_one(batch.document(), session=session)
        fields = {"schema": 1, "file": file, "at": at}
        counts = {"imported": len(batch.order_ids), "refunded": len(batch.refunded_ids)}
        self._imports.update_one(
            {"_id": batch.import_id},
            {"$setOnInsert": fields, "$inc": counts, "$unset": {"undone_at": ""}},
            upsert=True,
            session=session,
        )

    def latest(self, limit: int) -> list[Import]:
        """Return the latest imports, newest first."""
        found = self._imports.find({}).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [Import.model_validate(one) for one in found]

    def find(self, import_id: str, session: ClientSession) -> Import | None:
        """Return an import, None if there is none of this id."""
        found = self._imports.find_one({"_id": import_id}, session=session)
        return Import.model_validate(found) if found else None

    def next_batch(self, import_id: str, session: ClientSession) -> ImportBatch | None:
        """Return a batch that is still in, None where all were taken back."""
        found = self._batches.find_one(
            {"import_id": import_id, "undone": False}, sort=[("_id", 1)], session=session
        )
        return ImportBatch.model_validate(found) if found else None

    def count_batches(self, import_id: str, session: ClientSession) -> int:
        """Return how many batches are still in."""
        return self._batches.count_documents(
            {"import_id": import_id, "undone": False}, session=session
        )

    def refunded_ids(self, import_id: str, session: ClientSession) -> list[str]:
        """Return the ids of all orders on which an import booked refunds."""
        found = self._batches.find({"import_id": import_id}, {"refunded_ids": 1}, session=session)
        return sorted({one for batch in found for one in batch["refunded_ids"]})

    def mark_batch_undone(self, batch_id: str, session: ClientSession) -> None:
        """Mark a batch as taken back."""
        # Of two that undo one import at once, one writes first; the other conflicts with it here,
        # reads again and finds the batch undone.
        self._batches.update_one(
            {"_id": batch_id, "undone": False}, {"$set": {"undone": True}}, session=session
        )

    def mark_undone(self, import_id: str, at: datetime, session: ClientSession) -> None:
        """Mark an import as wholly taken back."""
        self._imports.update_one({"_id": import_id}, {"$set": {"undone_at": at}}, session=session)
