"""Its collections: indexes, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("imports", "for ever", [index("-at", "-_id")]),
    Declaration("import_batches", "for ever", [index("import_id", "undone", "_id")]),
)
