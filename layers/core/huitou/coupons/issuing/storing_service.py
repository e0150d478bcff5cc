"""Store coupons for a person: one for each cause, whichever of their ids the cause names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from huitou.coupons.issuing.repository import CouponRepository
from huitou.coupons.issuing.rules import coupon_id
from huitou.persons.ids.rules import names_of
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database, is_duplicate

if TYPE_CHECKING:
    from huitou.coupons.issuing.models import Coupon


class CouponStore:
    """Writes coupons together with their member, so that none is stored for a member who is gone.

    Each write raises Refusal NOT_FOUND or MERGED_ELSEWHERE for a member who is gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._repository = CouponRepository(database)
        self._persons = Persons(database)

    def cause_before(self, member_id: str, cause: str) -> str | None:
        """Return the cause as it reads with an earlier id of the person, if it has its coupon."""
        if member_id not in cause:
            return None
        names = names_of(cause, member_id, self._persons.ids_of(member_id)[1:])
        known = self._repository.among([coupon_id(name) for name in names]) if names else []
        return known[0].cause if known else None

    def store(self, coupon: Coupon) -> bool:
        """Store a new coupon; False if the cause has its coupon already, or a place is taken."""
        return self._persons.insert_for(
            coupon.member_id, lambda session: self._repository.add(coupon, session)
        )

    def store_within(self, coupon: Coupon, session: ClientSession) -> None:
        """Store a coupon in the caller's transaction; DuplicateKeyError as in `add`."""
        self._persons.touch(coupon.member_id, session)
        self._repository.add(coupon, session)

    def store_many(self, alike: Coupon, owners: Mapping[str, tuple[str, str]]) -> set[str]:
        """Store coupons that differ only in id, cause and member; returns the ids that existed.

        `owners` has (cause, member) by id.
        """
        earlier = self._persons.earlier_ids(member_id for _, member_id in owners.values())
        names = {
            coupon_id(before): name
            for name, (cause, member_id) in owners.items()
            for before in names_of(cause, member_id, earlier.get(member_id, ()))
        }
        before = {names[coupon.id] for coupon in self._repository.among(list(names))}

        def write(session: ClientSession) -> set[str]:
            there = before | self._repository.known(list(owners), session)
            new = {name: owner for name, owner in owners.items() if name not in there}
            self._persons.touch_all([member_id for _, member_id in new.values()], session)
            self._repository.insert_many(alike, new, session)
            return there

        try:
            return self._database.transact(write)
        except BulkWriteError as error:  # Another worker stored some of them a moment ago.
            if not is_duplicate(error):
                raise
            return self._database.transact(write)

    def change_holder(self, coupon_id: str, giver_id: str, taker_id: str, hand: int) -> bool:
        """Give a coupon of this hand to another member; False if it is in use or can't be given.

        A gift from before a merge goes on: the coupon is with the giver's present id.
        """
        holder_id = self._persons.current_id(giver_id)
        if holder_id is None or holder_id == taker_id:
            return False

        def write(session: ClientSession) -> bool:
            self._persons.touch(taker_id, session)
            return self._repository.change_holder(
                coupon_id, holder_id, taker_id, giver_id, hand, session
            )

        return self._database.transact(write)
