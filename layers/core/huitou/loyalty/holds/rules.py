"""Whether a hold is the one its caller means, and what its use says in the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

from huitou.loyalty.holds.errors import HoldErrors
from huitou.loyalty.holds.models import Hold, Purpose
from huitou.loyalty.points.rules import EntryOrigin
from huitou.runtime.errors import Code, Refusal

HELD_FOR = timedelta(minutes=15)  # As long as an order waits to be paid.


def check_id(hold_id: str, purpose: Purpose) -> None:
    """Let each purpose name holds of its own only."""
    if not hold_id.startswith(f"{purpose}:"):
        raise Refusal(Code.INVALID_REQUEST, field="hold_id", detail=f"{purpose}:…")


def check_same(hold: Hold, member_id: str, points: int, purpose: Purpose) -> None:
    """Tell a call that is repeated from another one under its id; Refusal HOLD_ID_REUSED."""
    if (hold.member_id, hold.points, hold.purpose) != (member_id, points, purpose):
        raise Refusal(HoldErrors.HOLD_ID_REUSED, field="hold_id")


def use_of(hold: Hold, at: datetime, day: str, rules_revision: int) -> EntryOrigin:
    """Describe the use of held points: its entry is `use:<hold>`."""
    return EntryOrigin(
        cause=hold.id, at=at, business_day=day, rules_revision=rules_revision, actor=hold.purpose
    )
