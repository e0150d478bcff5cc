"""The shapes in which the platform, other functions and the relay call a function.

Change events have CloudBase's CloudEvent format, with only the document's id in `data`. A handler
reads the document itself, so a forged event can name a document but can't change what it says.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from huitou.runtime.errors import Code, Refusal
from huitou.runtime.parsing import MOST_BODY_BYTES, Malformed, is_text, parse_json

MAX_ASYNC_EVENT_BYTES = 128 * 1024  # The platform's limit for asynchronous calls.
MAX_BATCH = 200  # Changes in one call: some 400 bytes each, so well below the limit above.


def change_event(collection: str, document_id: str, operation: str, at: datetime) -> dict[str, Any]:
    """Build CloudBase's database-change event, with the document's id only."""
    return {
        "specversion": "1.0",
        "id": f"{collection}:{document_id}:{int(at.timestamp() * 1000)}",
        "source": f"huitou/{collection}",
        "type": f"com.tcb.database.{operation}",
        "subject": collection,
        "time": at.isoformat(),
        "data": {"docId": document_id},
    }


def changed_ids(event: Mapping[str, Any], collections: Iterable[str]) -> list[str]:
    """Return the ids that a change event or a batch of events names, each once, in order.

    Raises Refusal INVALID_REQUEST naming the field if the shape or the collection is wrong.
    """
    allowed = set(collections)
    batch = event.get("events", [event])
    if not isinstance(batch, list) or not 1 <= len(batch) <= MAX_BATCH:
        raise Refusal(Code.INVALID_REQUEST, field="events", detail=f"1 … {MAX_BATCH} events")
    ids: dict[str, None] = {}
    for number, change in enumerate(batch):
        where = f"events.{number}"
        subject = change.get("subject") if isinstance(change, dict) else None
        if not isinstance(subject, str) or subject not in allowed:
            raise Refusal(Code.INVALID_REQUEST, field=f"{where}.subject", detail="collection")
        data = change.get("data")
        document_id = data.get("docId") if isinstance(data, dict) else None
        if not isinstance(document_id, str) or not document_id or not is_text(document_id):
            raise Refusal(Code.INVALID_REQUEST, field=f"{where}.data.docId", detail="text")
        ids[document_id] = None
    return list(ids)


@dataclass(frozen=True)
class HttpRequest:
    """A call through HTTP access; `body` is the raw bytes, header names are in lower case.

    `address` is the caller's address as the platform saw it; a header could be forged.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    address: str = ""


@dataclass(frozen=True)
class HttpAnswer:
    """The answer to an HTTP call; `body` becomes JSON, `headers` are added to its content type."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


def http_request(event: Mapping[str, Any]) -> HttpRequest:
    """Read the platform's HTTP event, in which header names may have any case.

    Raises Refusal INVALID_REQUEST or TOO_LARGE naming `body`.
    """
    headers, context = event.get("headers"), event.get("requestContext")
    return HttpRequest(
        method=_text(event.get("httpMethod") or "").upper(),
        path=_text(event.get("path") or "/"),
        headers={_text(k).lower(): _text(v) for k, v in headers.items()}
        if isinstance(headers, dict)
        else {},
        body=_body(event),
        address=_text(context.get("sourceIp") or "") if isinstance(context, dict) else "",
    )


def _text(value: object) -> str:
    """Return a value as text that has bytes: `?` stands for half of a surrogate pair."""
    return str(value).encode(errors="replace").decode()


def _body(event: Mapping[str, Any]) -> bytes:
    text = str(event.get("body") or "")
    try:
        raw = text.encode()
        body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw
    except (UnicodeEncodeError, binascii.Error):
        raise Refusal(Code.INVALID_REQUEST, field="body", detail="text") from None
    if len(body) > MOST_BODY_BYTES:
        raise Refusal(Code.TOO_LARGE, field="body")
    return body


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in the body of an HTTP call; no body is an empty object.

    Raises Refusal INVALID_REQUEST naming the place at fault.
    """
    try:
        fields = parse_json(request.body or b"{}")
    except Malformed as malformed:
        raise malformed.refusal() from None
    if not isinstance(fields, dict):
        raise Refusal(Code.INVALID_REQUEST, field="body", detail="object")
    return fields


def http_answer(answer: HttpAnswer) -> dict[str, Any]:
    """Build the platform's HTTP answer with a JSON body, which nobody keeps or shows in a frame."""
    return {
        "statusCode": answer.status,
        "headers": {
            "Content-Type": "application/json; charset=utf-8",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            **answer.headers,
        },
        "body": json.dumps(answer.body, ensure_ascii=False),
        "isBase64Encoded": False,
    }
