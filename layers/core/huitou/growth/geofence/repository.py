"""Every query on `positions` and `arrivals`, and on the arrival rules in `rules`."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.growth.geofence.models import Arrival, ArrivalRules, Position
from huitou.runtime.database import Database


class GeofenceRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._positions = database.collection("positions")
        self._arrivals = database.collection("arrivals")
        self._rules = database.collection("rules")

    def rules(self) -> ArrivalRules:
        """Return the chain's rules; if it has set none, there are no offers."""

        def read() -> ArrivalRules:
            found = self._rules.find_one({"_id": "arrivals"})
            return ArrivalRules.model_validate(found) if found else ArrivalRules()

        return self._cache.get("arrival rules", read)

    def position(self, member_id: str) -> Position | None:
        """Return a member's last position; None if there is none."""
        found = self._positions.find_one({"_id": member_id})
        return Position.model_validate(found) if found else None

    def move(self, position: Position, before: Position | None, session: ClientSession) -> None:
        """Store a member's position in place of the one that was read (`before`).

        Raises DuplicateKeyError if another call has stored one meanwhile.
        """
        if before is not None:
            was = {"_id": position.id, "at": before.at, "cell": before.cell}
            # If the document is another one now, the upsert inserts a second one, and fails.
            self._positions.replace_one(was, position.document(), upsert=True, session=session)
        else:
            self._positions.insert_one(position.document(), session=session)

    def forget(self, member_id: str) -> None:
        """Delete a member's last position."""
        self._positions.delete_one({"_id": member_id})

    def arrived(self, member_id: str, day: str) -> list[str]:
        """Return the ids of the stores at which a member arrived on a business day."""
        found = self._arrivals.find({"member_id": member_id, "day": day}, {"store_id": 1})
        return [row["store_id"] for row in found]

    def arrive(self, arrival: Arrival, session: ClientSession) -> None:
        """Store an arrival; DuplicateKeyError if it is there, or another one has its number."""
        self._arrivals.insert_one(arrival.document(), session=session)
