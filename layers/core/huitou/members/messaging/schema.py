"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import NOT_NEGATIVE, Declaration, index

DECLARATIONS = (
    Declaration(
        "subscriptions",
        "until erased",
        [index("member_id")],
        validator={"required": ["left"], "properties": {"left": NOT_NEGATIVE}},
    ),
)
