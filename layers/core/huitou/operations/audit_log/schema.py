"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration(
        "staff_changes",
        "two years (who did what)",
        [
            index("-at", "-_id"),
            index("target", "-at", "-_id"),
            index("staff_id", "-at", "-_id"),
        ],
    ),
)
