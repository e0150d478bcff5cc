"""Lists in pages, newest first. The cursor is the moment and the id of a page's last row."""

from datetime import UTC, datetime
from typing import Any

from pydantic import Field
from pymongo.collection import Collection

from huitou.runtime.database import Document
from huitou.runtime.documents import Request
from huitou.runtime.errors import Code, Refusal


class PageRequest(Request):
    """One page of a list; `after` is the `next` that the previous page returned."""

    limit: int = Field(default=20, ge=1, le=50)
    after: str | None = Field(default=None, max_length=120)


def newest_first(
    collection: Collection[Document], where: Document, page: PageRequest, moment: str
) -> tuple[list[Document], str | None]:
    """Return one page and the next cursor, None after the last page.

    `moment` is the field to sort by. Needs an index on the filter's fields, `moment` and `_id`.
    Raises Refusal INVALID_REQUEST naming `after` if the cursor is not one of ours.
    """
    conditions: Document = dict(where)
    if page.after is not None:
        at, document_id = _parsed(page.after)
        conditions["$or"] = [
            where | {moment: {"$lt": at}},
            where | {moment: at, "_id": {"$lt": document_id}},
        ]
    rows = list(collection.find(conditions).sort([(moment, -1), ("_id", -1)]).limit(page.limit + 1))
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    return rows, f"{rows[-1][moment].isoformat()}|{rows[-1]['_id']}" if more else None


def _parsed(cursor: str) -> tuple[datetime, Any]:
    moment, bar, document_id = cursor.partition("|")
    try:
        at = datetime.fromisoformat(moment)
        if not bar or at.tzinfo is None:
            raise ValueError(cursor)
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(Code.INVALID_REQUEST, field="after", detail="after") from None
    return at, document_id
