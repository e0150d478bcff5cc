"""Every query on `positions` and `arrivals`, and on the arrival rules in `rules`."""

from __future__ import annotations

from huitou.growth.geofence.models import Arrival, ArrivalRules, Position
from huitou.runtime.database import Database, insert_new


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

    def move(self, position: Position, before: Position | None) -> bool:
        """Store a member's position in place of the one that was read (`before`).

        Returns False if another call has stored one meanwhile.
        """
        document = position.document()
        if before is not None:
            was = {"_id": position.id, "at": before.at, "cell": before.cell}
            return self._positions.replace_one(was, document).matched_count == 1
        return insert_new(self._positions, document)

    def forget(self, member_id: str) -> None:
        """Delete a member's last position."""
        self._positions.delete_one({"_id": member_id})

    def arrived(self, member_id: str, day: str) -> list[str]:
        """Return the ids of the stores at which a member arrived on a business day."""
        found = self._arrivals.find({"member_id": member_id, "day": day}, {"store_id": 1})
        return [row["store_id"] for row in found]

    def arrive(self, arrival: Arrival) -> bool:
        """Store an arrival; False if it is stored already, or another one has its number."""
        return insert_new(self._arrivals, arrival.document())
