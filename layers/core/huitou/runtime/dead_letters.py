"""What a trigger or timer could not process: ids and the reason, kept until replayed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from huitou.runtime.database import Database
from huitou.runtime.logs import log


def record_letter(database: Database, function: str, document_id: str, reason: str) -> None:
    """Record a failure no retry can cure; the same one again raises its count."""
    log("buried", function=function, id=document_id, reason=reason)
    database.collection("dead_letters").update_one(
        {"_id": f"{function}:{document_id}"},
        {
            "$set": {
                "function": function,
                "document_id": document_id,
                "reason": reason,
                "last_at": datetime.now(UTC),
            },
            "$setOnInsert": {"schema": 1, "first_at": datetime.now(UTC)},
            "$inc": {"times": 1},
        },
        upsert=True,
    )


def list_letters(database: Database, limit: int = 200) -> list[dict[str, Any]]:
    """List the dead letters, oldest id first, for eyes or for a replay."""
    shown = {"schema": 0}
    return list(database.collection("dead_letters").find({}, shown).sort("_id", 1).limit(limit))


def count_letters(database: Database) -> int:
    """How many dead letters there are."""
    return database.collection("dead_letters").estimated_document_count()


def find_letter(database: Database, letter_id: str) -> dict[str, Any] | None:
    """Return one dead letter."""
    return database.collection("dead_letters").find_one({"_id": letter_id})


def forget_letter(database: Database, letter: dict[str, Any]) -> None:
    """Take away a letter whose replay was accepted; one that failed again meanwhile stays."""
    database.collection("dead_letters").delete_one({"_id": letter["_id"], "times": letter["times"]})
