"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("staff_searches", "an hour", [index("expires_at", expireAfterSeconds=0)]),
)
