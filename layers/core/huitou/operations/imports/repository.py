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
        fields = {"schema": 1, "kind": batch.kind, "file": file, "at": at}
        counts = {
            "imported": len(batch.order_ids) + len(batch.entries),
            "refunded": len(batch.refunded_ids),
            "points": batch.points,
        }
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

    def next_unchecked(self, import_id: str, session: ClientSession) -> ImportBatch | None:
        """Return a batch that was taken back and whose members are still to be looked at."""
        found = self._batches.find_one(
            {"import_id": import_id, "undone": True, "members_checked": False},
            sort=[("_id", 1)],
            session=session,
        )
        return ImportBatch.model_validate(found) if found else None

    def count_steps(self, import_id: str, session: ClientSession) -> tuple[int, int]:
        """Return how many batches are still in, and of how many the members aren't looked at."""
        of = {"import_id": import_id}
        still_in = self._batches.count_documents({**of, "undone": False}, session=session)
        unchecked = self._batches.count_documents(
            {**of, "undone": True, "members_checked": False}, session=session
        )
        return still_in, unchecked

    def has_batch(self, batch_id: str, session: ClientSession) -> bool:
        return self._batches.find_one({"_id": batch_id}, {"_id": 1}, session=session) is not None

    def touch_batch(self, batch_id: str, session: ClientSession) -> bool:
        """Write a batch that is still in; False if it was taken back.

        An undo writes the batch, too: of two that run at once, one runs again.
        """
        touched = self._batches.update_one(
            {"_id": batch_id, "undone": False}, {"$inc": {"touched": 1}}, session=session
        )
        return touched.matched_count == 1

    def undone_among(self, import_ids: list[str], session: ClientSession) -> set[str]:
        """Return those of these imports that were taken back whole."""
        found = self._imports.find(
            {"_id": {"$in": import_ids}, "undone_at": {"$ne": None}}, {"_id": 1}, session=session
        )
        return {one["_id"] for one in found}

    def mark_members_checked(self, batch_id: str, session: ClientSession) -> None:
        """Mark that a batch's members were looked at; of two at once, one conflicts here."""
        self._batches.update_one(
            {"_id": batch_id}, {"$set": {"members_checked": True}}, session=session
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
