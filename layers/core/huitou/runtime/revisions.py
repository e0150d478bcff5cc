"""Rule documents: each is replaced only by a later revision of itself, and all are kept.

What was given or frozen under a revision can be judged by it for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from huitou.runtime.database import Document, insert_new
from huitou.runtime.errors import Code, Refusal

_HISTORY = "rule_revisions"
MOST_KEPT = 1_000


def put_revision(
    rules: Collection[Document], document: Document, field: str, at: datetime | None = None
) -> None:
    """Store a later revision; the same one again must say the same.

    `at` is when it comes into force, for rules by which the past is judged. Raises Refusal
    RULES_CONFLICT naming `field`.
    """
    stored = rules.find_one({"_id": document["_id"]})
    if stored == document:
        return
    conflict = Refusal(Code.RULES_CONFLICT, field=field)
    if stored is not None:
        if stored["revision"] >= document["revision"]:
            raise conflict
        if _kept(rules, stored) is None:  # It was stored before revisions were kept.
            _keep(rules, stored)
    # Of two editors of one revision the history's id lets one through. Who finds their own words
    # there stopped before they came into force, and goes on: from now on they are in force.
    came = {"at": at, "after": stored["revision"] if stored else 0} if at is not None else {}
    if not _keep(rules, document, came):
        if _kept(rules, document) != document:
            raise conflict
        if came:
            named = {"_id": _id(rules, document)}
            rules.database[_HISTORY].update_one(named, {"$set": came})
    # The revision in the filter: of two later ones the higher stays, in whatever order they come.
    later = {"_id": document["_id"], "revision": {"$lt": document["revision"]}}
    try:
        rules.replace_one(later, document, upsert=True)
    except DuplicateKeyError:
        if rules.find_one({"_id": document["_id"]}) != document:
            raise conflict from None


def revision_of(rules: Collection[Document], document_id: str, revision: int) -> Document | None:
    """Return a document as it was in one revision; None for those from before they were kept."""
    found = rules.find_one({"_id": document_id})
    if found is not None and found["revision"] == revision:
        return found
    return _kept(rules, {"_id": document_id, "revision": revision})


def revisions_of(rules: Collection[Document], wanted: Iterable[tuple[str, int]]) -> list[Document]:
    """Return those of several documents in these revisions that are kept, in no order."""
    ids = [f"{rules.name}:{name}@{revision}" for name, revision in wanted]
    found = rules.database[_HISTORY].find({"_id": {"$in": ids}}).limit(len(ids) or 1)
    return [dict(kept["document"]) for kept in found]


def revisions_in_force(
    rules: Collection[Document], document_id: str, last: int
) -> list[tuple[datetime | None, Document]]:
    """Return the revisions that were in force, the earliest first, with since when, if known.

    Each names the one that it came `after`: one that was kept and never came into force is not
    among them. Those from before these were noted count as if all had been in force.
    """
    kept = {int(one["document"]["revision"]): one for one in _all_kept(rules, document_id)}
    found: list[Document] = []
    while last in kept:
        found.append(kept.pop(last))
        earlier = [revision for revision in kept if revision < last]
        last = int(found[-1].get("after", max(earlier, default=0)))
    return [(one.get("at"), dict(one["document"])) for one in reversed(found)]


def history_of(rules: Collection[Document], document_id: str) -> list[Document]:
    """Return a document in all its kept revisions, the latest first."""
    documents = [dict(kept["document"]) for kept in _all_kept(rules, document_id)]
    return sorted(documents, key=lambda document: -int(document["revision"]))


def _all_kept(rules: Collection[Document], document_id: str) -> list[Document]:
    first = f"{rules.name}:{document_id}@"
    ids = {"$gte": first, "$lt": first[:-1] + chr(ord(first[-1]) + 1)}
    return list(rules.database[_HISTORY].find({"_id": ids}).limit(MOST_KEPT))


def _id(rules: Collection[Document], document: Document) -> str:
    return f"{rules.name}:{document['_id']}@{document['revision']}"


def _kept(rules: Collection[Document], document: Document) -> Document | None:
    found = rules.database[_HISTORY].find_one({"_id": _id(rules, document)})
    return dict(found["document"]) if found else None


def _keep(rules: Collection[Document], document: Document, came: Document | None = None) -> bool:
    """Append a revision, with when it came into force and after which; False if it was there."""
    kept = {"_id": _id(rules, document), "schema": 1, "document": document, **(came or {})}
    return insert_new(rules.database[_HISTORY], kept)
