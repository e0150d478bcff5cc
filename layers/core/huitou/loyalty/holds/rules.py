"""Checks of a hold against a call that names it, and the ledger entry of its use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from huitou.loyalty.holds.errors import HoldErrors
from huitou.loyalty.points.rules import EntryOrigin
from huitou.runtime.errors import Code, Refusal

if TYPE_CHECKING:
    from huitou.loyalty.holds.models import Hold, Purpose

HELD_FOR = timedelta(minutes=15)  # As long as an order waits for payment.


def check_id(hold_id: str, purpose: Purpose) -> None:
    """Check that a hold's id begins with its purpose; Refusal INVALID_REQUEST if not."""
    if not hold_id.startswith(f"{purpose}:"):
        raise Refusal(Code.INVALID_REQUEST, field="hold_id", detail=f"{purpose}:…")


def check_same(hold: Hold, member_id: str, points: int, purpose: Purpose) -> None:
    """Check that a call repeats this hold; Refusal HOLD_ID_REUSED if it asks for other points."""
    if (hold.member_id, hold.points, hold.purpose) != (member_id, points, purpose):
        raise Refusal(HoldErrors.HOLD_ID_REUSED, field="hold_id")


def use_of(hold: Hold, at: datetime, day: str, rules_revision: int) -> EntryOrigin:
    """Return the origin of the entry that uses held points; its id is `use:<hold>`."""
    return EntryOrigin(
        cause=hold.id, at=at, business_day=day, rules_revision=rules_revision, actor=hold.purpose
    )
