"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (
    Declaration("staff", "until removed", [index("role", "status")]),
    Declaration(
        "staff_sessions",
        "half a day",
        [index("expires_at", expireAfterSeconds=0), index("staff_id")],
    ),
    Declaration("sign_in_tries", "an hour", [index("expires_at", expireAfterSeconds=0)]),
)
