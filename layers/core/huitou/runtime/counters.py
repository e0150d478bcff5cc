"""Counters of tries: one document for each thing counted, and one atomic write for each count.

The key is a sub-document and never a joined text. So a name that somebody chooses, such as
`boss@10.0.0.1`, can't become the key of somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.collection import Collection

from huitou.runtime.database import Document

Key = Mapping[str, str | int]


def count_one(counters: Collection[Document], key: Key, expires_at: datetime) -> int:
    """Count once more under a key; returns the number with this one.

    Of a hundred calls at once, each gets its own number. `expires_at` is real time; the collection
    has a TTL index on it.
    """
    counted = counters.find_one_and_update(
        {"_id": dict(key)},
        {"$inc": {"tries": 1}, "$setOnInsert": {"schema": 1, "expires_at": expires_at}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return int((counted or {})["tries"])


def forget_counts(counters: Collection[Document], key: Key) -> None:
    """Begin again at zero under a key."""
    counters.delete_one({"_id": dict(key)})
