"""Erase again whom the version before erased: it left the ids that were merged into them."""

from __future__ import annotations

from contextlib import suppress

from huitou.operations.erasures.models import EraseMemberRequest
from huitou.operations.erasures.service import Erasures
from huitou.runtime.clock import RealClock
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from huitou.runtime.migrations import pages


def erase_again(database: Database) -> None:
    """Take away what is left of erased members; safe to repeat."""
    erasures = Erasures(database, RealClock(), "")
    for page in pages(database, "erasures"):
        for erasure in page:
            request = EraseMemberRequest(member_id=erasure["_id"], actor="upgrade", reason="升级")
            with suppress(Refusal):  # An order is under way: staff erase the member once more.
                erasures.erase_member(request)
