"""Know a person by any of their ids, and never store anything for a member who is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from huitou.persons.ids.errors import PERSON, PersonErrors
from huitou.persons.ids.repository import PersonRepository
from huitou.persons.ids.rules import MOST_IDS
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal


class Persons:
    """The ids of a person. A merge keeps the ids of the member it ends, chains included."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._repository = PersonRepository(database)

    def ids_of(self, member_id: str, session: ClientSession | None = None) -> list[str]:
        """Return the member's id, then the ids that were merged into it."""
        found = self._repository.find(member_id, session)
        return [member_id, *(found.merged_ids if found else ())]

    def earlier_ids(
        self, member_ids: Iterable[str], session: ClientSession | None = None
    ) -> dict[str, list[str]]:
        """Return the ids that were merged into each of these members; most members have none."""
        found = self._repository.merged_among(sorted(set(member_ids)), session)
        return {member.id: member.merged_ids for member in found}

    def current_id(self, member_id: str, session: ClientSession | None = None) -> str | None:
        """Return the id under which a person is known now; None if nobody ever had this id."""
        for _ in range(MOST_IDS):
            found = self._repository.find(member_id, session)
            if found is None or found.merged_into is None:
                return found.id if found else None
            member_id = found.merged_into
        return None

    def is_erased(self, member_id: str) -> bool:
        found = self._repository.find(member_id)
        return found is not None and found.erased_at is not None

    def current_ids(
        self, member_ids: Iterable[str], session: ClientSession | None = None
    ) -> dict[str, str]:
        """Return for each of these members the id under which the person is known now."""
        wanted = sorted(set(member_ids))
        merged = self._repository.merged_away(wanted, session)
        return {
            name: self.current_id(name, session) or name if name in merged else name
            for name in wanted
        }

    def touch(
        self, member_id: str, session: ClientSession, *, even_erased: bool = False
    ) -> list[str]:
        """Write the member in the transaction that stores something for them.

        Returns the ids that were merged into this one; most members have none.

        A merge and an erasure write the member, too. So of two that run at once, one conflicts and
        runs again: it either finds what the other one stored, or finds the member gone. Raises
        Refusal NOT_FOUND for a member who was erased or never existed; with `even_erased` an
        erased one may get what the books need, such as a refund. Raises MERGED_ELSEWHERE naming
        `member_id` for a member who was merged: their log-in leads to the new id.
        """
        touched = self._repository.touch(member_id, session, erased=even_erased)
        if touched is None:
            raise self._gone([member_id], session)
        return touched.merged_ids

    def touch_all(self, member_ids: Sequence[str], session: ClientSession) -> None:
        """Write several members, as `touch` does; raises if one of them is gone."""
        wanted = sorted(set(member_ids))
        if self._repository.touch_all(wanted, session) != len(wanted):
            raise self._gone(wanted, session)

    def _gone(self, member_ids: Sequence[str], session: ClientSession) -> Refusal:
        for member_id in member_ids:
            found = self._repository.find(member_id, session)
            if found is not None and found.merged_into is not None:
                return Refusal(PersonErrors.MERGED_ELSEWHERE, field="member_id")
        return Refusal(Code.NOT_FOUND, field="member_id", detail=PERSON)

    def touch_those_left(self, member_ids: Sequence[str], session: ClientSession) -> list[str]:
        """Write those of these members who aren't gone; returns their ids."""
        left = self._repository.alive_among(member_ids, session)
        self.touch_all(left, session)
        return left

    def insert_for(self, member_id: str, insert: Callable[[ClientSession], object]) -> bool:
        """Insert something for a member, and write the member in the same transaction.

        Returns False if `insert` finds a duplicate. Raises as `touch` does.
        """

        def write(session: ClientSession) -> None:
            self.touch(member_id, session)
            insert(session)

        try:
            self._database.transact(write)
        except DuplicateKeyError:
            return False
        return True
