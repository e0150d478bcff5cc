"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration, index

DECLARATIONS = (Declaration("tier_runs", "for ever", [index("status", "_id"), index("-revision")]),)
