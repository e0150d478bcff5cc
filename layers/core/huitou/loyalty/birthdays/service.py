"""Members' birthdays, for rules and benefits that depend on them."""

from __future__ import annotations

from datetime import date

from huitou.loyalty.birthdays.repository import BirthdayRepository
from huitou.runtime.database import Database


class Birthdays:
    def __init__(self, database: Database) -> None:
        self._repository = BirthdayRepository(database)

    def find_birthday(self, member_id: str) -> date | None:
        """Return the member's birthday, or None if they never said."""
        birthday = self._repository.birthday(member_id)
        return date.fromisoformat(birthday) if birthday else None
