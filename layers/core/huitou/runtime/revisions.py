"""Rule documents. A later revision replaces an earlier one, and every revision is kept.

So it can always be checked what a member got under the rules that were in force then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from huitou.runtime.database import Document, insert_new
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.limits import MOST_REVISION

_HISTORY = "rule_revisions"
MOST_KEPT = 1_000
MOST_FIRST = 10**9  # The first revision of a document; chains number theirs by the date.


def later_than(revision: int) -> Document:
    """Return a filter for documents of which `revision` is a later revision.

    A document whose number is above the limit comes from before the limit, and every revision is
    later: otherwise its rules could never be changed again.
    """
    return {"$or": [{"revision": {"$lt": revision}}, {"revision": {"$gt": MOST_REVISION}}]}


def put_revision(
    rules: Collection[Document],
    document: Document,
    field: str,
    at: datetime | None = None,
    *,
    is_first: bool = False,
) -> None:
    """Store a later revision of a rule document. Storing the same document again does nothing.

    A revision is one above the last, so nobody can use up the numbers. The first one may have a
    higher number; `is_first` says that the stored document is only the default. `at` is the moment
    it comes into force; only rules that are later applied to the past need it. Raises Refusal
    RULES_CONFLICT naming `field` if a revision with this or a higher number exists and differs, or
    REVISION_TOO_HIGH.
    """
    stored = rules.find_one({"_id": document["_id"]})
    if stored == document:
        return
    conflict = Refusal(Code.RULES_CONFLICT, field=field)
    is_first = is_first or stored is None or stored["revision"] > MOST_REVISION
    _check_height(rules, document, 0 if stored is None or is_first else stored["revision"], field)
    if stored is not None:
        if stored["revision"] >= document["revision"] and stored["revision"] <= MOST_REVISION:
            raise conflict
        if _kept(rules, stored) is None:  # It was stored before revisions were kept.
            _keep(rules, stored)
    # If two editors store one revision at once, the unique id in the history lets one through.
    # If the history already has this very document, an earlier call was killed before it came
    # into force: go on, and it is in force from now on.
    came = {"at": at, "after": stored["revision"] if stored else 0} if at is not None else {}
    if not _keep(rules, document, came):
        if _kept(rules, document) != document:
            raise conflict
        if came:
            named = {"_id": _id(rules, document)}
            rules.database[_HISTORY].update_one(named, {"$set": came})
    # The revision is in the filter, so of two later revisions the higher one stays, in whatever
    # order they are written.
    later = {"_id": document["_id"], **later_than(document["revision"])}
    try:
        rules.replace_one(later, document, upsert=True)
    except DuplicateKeyError:
        if rules.find_one({"_id": document["_id"]}) != document:
            raise conflict from None


def _check_height(rules: Collection[Document], document: Document, last: int, field: str) -> None:
    """Refuse a revision that is more than one above the last one, 0 if there is none.

    Counted from the history too: a call that was killed may have kept a revision that never came
    into force, and its number is used up.
    """
    number = document["revision"]
    if number <= (last + 1 if last else MOST_FIRST):
        return
    if last and _kept(rules, {**document, "revision": number - 1}) is not None:
        return
    most = last + 1 if last else MOST_FIRST
    raise Refusal(Code.REVISION_TOO_HIGH, field=field, detail=str(most))


def revision_of(rules: Collection[Document], document_id: str, revision: int) -> Document | None:
    """Return a document as it was in one revision; None if that revision was never kept."""
    found = rules.find_one({"_id": document_id})
    if found is not None and found["revision"] == revision:
        return found
    return _kept(rules, {"_id": document_id, "revision": revision})


def revisions_of(rules: Collection[Document], wanted: Iterable[tuple[str, int]]) -> list[Document]:
    """Return the documents for these pairs (id, revision), in any order, without unknown ones."""
    ids = [f"{rules.name}:{name}@{revision}" for name, revision in wanted]
    found = rules.database[_HISTORY].find({"_id": {"$in": ids}}).limit(len(ids) or 1)
    return [dict(kept["document"]) for kept in found]


def revisions_in_force(
    rules: Collection[Document], document_id: str, last: int
) -> list[tuple[datetime | None, Document]]:
    """Return the revisions that were in force, earliest first, each with its first moment if known.

    The history is followed backwards from revision `last`: each entry names the revision it came
    `after`, so a revision that was kept but never came into force is skipped. Older entries don't
    name it; there, every lower revision is taken to have been in force.
    """
    kept = {int(one["document"]["revision"]): one for one in _all_kept(rules, document_id)}
    found: list[Document] = []
    while last in kept:
        found.append(kept.pop(last))
        earlier = [revision for revision in kept if revision < last]
        last = int(found[-1].get("after", max(earlier, default=0)))
    return [(one.get("at"), dict(one["document"])) for one in reversed(found)]


def history_of(rules: Collection[Document], document_id: str) -> list[Document]:
    """Return all kept revisions of a document, the latest first."""
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
    """Append a revision to the history; False if the history has it already.

    `came` holds the moment it comes into force and the revision before it.
    """
    kept = {"_id": _id(rules, document), "schema": 1, "document": document, **(came or {})}
    return insert_new(rules.database[_HISTORY], kept)
