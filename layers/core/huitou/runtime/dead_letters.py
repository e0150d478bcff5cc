"""Dead letters: documents that a trigger or timer could not process.

Only the document's id and the reason are kept, until the letter is replayed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from huitou.runtime.database import Database
from huitou.runtime.logs import log


def record_letter(database: Database, function: str, document_id: str, reason: str) -> None:
    """Record a failure that no retry can cure; if it happens again, its count goes up by one."""
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
    """List the dead letters in the order of their ids, for a person or for a replay."""
    shown = {"schema": 0}
    return list(database.collection("dead_letters").find({}, shown).sort("_id", 1).limit(limit))


def count_letters(database: Database) -> int:
    """Return how many dead letters there are."""
    return database.collection("dead_letters").estimated_document_count()


def find_letter(database: Database, letter_id: str) -> dict[str, Any] | None:
    """Return one dead letter, or None if there is none with this id."""
    return database.collection("dead_letters").find_one({"_id": letter_id})


def forget_letter(database: Database, letter: dict[str, Any]) -> None:
    """Delete a letter whose replay was accepted, unless it has failed again since it was read."""
    database.collection("dead_letters").delete_one({"_id": letter["_id"], "times": letter["times"]})
