"""Rule documents: each is replaced only by a later revision of itself."""

from __future__ import annotations

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from huitou.runtime.database import Document
from huitou.runtime.errors import Code, Refusal


def put_revision(rules: Collection[Document], document: Document, field: str) -> None:
    """Store a later revision; the same one again must say the same.

    The revision in the filter makes one of two editors of the same revision lose. Raises Refusal
    RULES_CONFLICT naming `field`.
    """
    if rules.find_one({"_id": document["_id"]}) == document:
        return
    later = {"_id": document["_id"], "revision": {"$lt": document["revision"]}}
    try:
        rules.replace_one(later, document, upsert=True)
    except DuplicateKeyError:
        raise Refusal(Code.RULES_CONFLICT, field=field) from None
