"""What happened to members, and where it stands: for kinds of triggers that are met by an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from huitou.marketing.campaigns.triggers import Kind

_ALL: Mapping[str, Any] = MappingProxyType({})


class Event(NamedTuple):
    """Something that happened to a member; one with `occasion` "" is no reason for a message.

    `move` are the levels before and after, where it is a move between tiers.
    """

    at: datetime
    id: str
    member_id: str
    occasion: str
    move: tuple[str, str] | None = None


class EventSource(NamedTuple):
    """Documents that say when it happened and to whom; `where` narrows them.

    `occasion` names it, once for each time that a member may be told. An index on `moment` and
    `_id` is needed.
    """

    collection: str
    moment: str
    occasion: Callable[[Mapping[str, Any]], str]
    member: str = "member_id"
    where: Mapping[str, Any] = _ALL
    moves: bool = False

    def event(self, row: Mapping[str, Any]) -> Event:
        """Return what a document says."""
        move = (row["before"], row["after"]) if self.moves else None
        return Event(row[self.moment], row["_id"], row[self.member], self.occasion(row), move)


EVENTS: dict[Kind, EventSource] = {
    "registered": EventSource(  # By themselves, not at a till.
        "members", "registered_at", lambda _: "registered", member="_id",
        where={"registered_channel": "mini_program"},
    ),
    "first_order": EventSource(
        "features", "first_order_at", lambda _: "first-order", member="_id"
    ),
    "order_completed": EventSource(
        "orders", "completed_at", lambda row: "" if row.get("is_test") else str(row["_id"])
    ),
    "tier_change": EventSource(
        "tier_changes", "at", lambda row: str(row["_id"]).rpartition(":")[2], moves=True
    ),
    "points_expiring": EventSource(
        "notices", "at", lambda row: str(row["for_day"]), where={"kind": "points-expiring"}
    ),
    "near_store": EventSource(
        "arrivals", "at", lambda row: f"{row['store_id']}@{row['day']}"
    ),
}  # fmt: skip
