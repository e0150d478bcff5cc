"""Members as the chain's till knows them, by their numbers there."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.client_session import ClientSession

from huitou.loyalty.points.service import Points
from huitou.members.profiles.models import Member
from huitou.members.profiles.repository import MemberRepository
from huitou.members.profiles.rules import member_id_from, till_identity
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


@dataclass(frozen=True)
class FirstOrder:
    """When and where a member of the till first ordered."""

    business_day: str
    at: datetime
    store_id: str | None


@dataclass(frozen=True)
class FoundMembers:
    """The members of an import: ids by till number, and the ids of those who are new.

    `days` are the business days whose number of new members has changed.
    """

    ids: Mapping[str, str]
    new_ids: list[str]
    days: set[str]


class TillMembers:
    def __init__(self, database: Database, clock: Clock, brand_id: str) -> None:
        self._brand_id = brand_id
        self._members = MemberRepository(database)
        self._persons = Persons(database)
        self._points = Points(database, clock)

    def register_till_members(
        self,
        first_orders: Mapping[str, FirstOrder],
        session: ClientSession,
        import_id: str | None = None,
    ) -> FoundMembers:
        """Find the members with these till numbers, and register those that are new.

        A new member is registered at the moment and store of their first order. If an import has
        registered a member before and this order is earlier, the registration moves back to it.
        `import_id` is kept with those who are new: they go with that import, if it is taken back.
        Who is known is written, as by `Persons.touch`: an import's undo may end them.
        Raises DuplicateKeyError if another import registers one of them at the same time.
        """
        identities = {till_identity(number): number for number in first_orders}
        known = self._members.known_as_many(list(identities), session)
        new = {
            identity: Member(
                id=member_id_from(secrets.token_bytes(15)),
                brand_id=self._brand_id,
                registered_at=first_orders[number].at,
                registered_day=first_orders[number].business_day,
                registered_channel="import",
                registered_import=import_id,
                registered_store_id=first_orders[number].store_id,
            )
            for identity, number in identities.items()
            if identity not in known
        }
        days = {member.registered_day for member in new.values()}
        if known:
            self._persons.touch_all(list(known.values()), session)
        if new:
            self._members.insert_many(new, session)
            self._points.open_accounts([member.id for member in new.values()], session)
        firsts = {known[name]: first_orders[n] for name, n in identities.items() if name in known}
        moved = []
        for member in self._members.imported_among(list(firsts), session):
            first = firsts[member.id]
            if (first.business_day, first.at) < (member.registered_day, member.registered_at):
                days |= {member.registered_day, first.business_day}
                changes = {
                    "registered_at": first.at,
                    "registered_day": first.business_day,
                    "registered_store_id": first.store_id,
                }
                moved.append(member.model_copy(update=changes))
        if moved:
            self._members.move_registrations(moved, session)
        ids = known | {identity: member.id for identity, member in new.items()}
        return FoundMembers(
            {number: ids[name] for name, number in identities.items()},
            [member.id for member in new.values()],
            days,
        )

    def find_till_members(self, numbers: Iterable[str], session: ClientSession) -> dict[str, str]:
        """Return the ids of the members with these till numbers, by number."""
        names = {till_identity(number): number for number in numbers}
        known = self._members.known_as_many(list(names), session)
        return {names[identity]: member_id for identity, member_id in known.items()}

    def imported_members(self, member_ids: Sequence[str], session: ClientSession) -> list[Member]:
        """Return those of these members whom an import registered that is known by its id."""
        found = self._members.imported_among(list(member_ids), session)
        return [one for one in found if one.registered_import and one.is_somebody]

    def those_without_names(self, members: Sequence[Member], session: ClientSession) -> list[str]:
        """Return the ids of those who are known by a till number only, and never were merged."""
        bare = [
            one.id
            for one in members
            if not (one.merges or one.phone_hash or one.nickname or one.birthday)
        ]
        named = self._members.known_elsewhere(bare, session) if bare else set()
        return [one for one in bare if one not in named]
