"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration(
        "consents",
        "for ever (proof of consent)",
        [index("member_id", "purpose", "n")],
        shard_key=ShardKey("member_id", "nothing: each query names the member"),
    ),
)
