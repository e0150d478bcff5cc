"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.runtime.declarations import Declaration

DECLARATIONS = (Declaration("erasures", "for ever (proof of erasure)"),)
