"""Every query on `price_inputs`."""

from __future__ import annotations

from huitou.ordering.quotes.models import SharedInputs
from huitou.runtime.database import Database, insert_new

# An instance writes equal inputs once in so many seconds. It would be enough to write them once.
_KNOWN_S = 600.0


class InputsRepository:
    def __init__(self, database: Database) -> None:
        self._cache = database.cache
        self._inputs = database.collection("price_inputs")

    def keep(self, shared: SharedInputs) -> None:
        """Store the inputs unless they are stored: documents with one id are always equal."""

        def write() -> bool:
            insert_new(self._inputs, shared.document())
            return True

        self._cache.get(("price_inputs", shared.id), write, _KNOWN_S)

    def find(self, identity: str) -> SharedInputs | None:
        found = self._inputs.find_one({"_id": identity})
        return SharedInputs.model_validate(found) if found else None
