"""The collections of `runtime` itself: rules and their revisions, leases, dead letters, state."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, ShardKey, index

DECLARATIONS = (
    Declaration("rules", "for ever"),
    Declaration("rule_revisions", "for ever"),
    Declaration("leases", "overwritten"),
    Declaration("relay_state", "overwritten"),
    Declaration("dead_letters", "until replayed"),
    Declaration("meta", "for ever"),
    Declaration(
        "call_counters",
        "two minutes",
        [index("delete_at", expireAfterSeconds=0)],
        shard_key=ShardKey("_id", "nothing"),
    ),
)
