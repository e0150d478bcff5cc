"""The collections of this area: their indexes, their validators, and how long documents stay."""

from __future__ import annotations

from huitou.operations.erasures.upgrade_service import erase_again
from huitou.runtime.declarations import Declaration
from huitou.runtime.migrations import Migration

DECLARATIONS = (Declaration("erasures", "for ever (proof of erasure)"),)


MIGRATIONS = (Migration(9, "erased members are forgotten under all their ids", erase_again),)
