"""What registrations and orders write about referrals, within their own transactions.

It is in a module of its own, because every first log-in and every settled order imports it.
"""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.growth.referrals.repository import ReferralRepository
from huitou.members.profiles.rules import friend_code
from huitou.persons.ids.service import Persons
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.growth.referrals.models import Referral
    from huitou.growth.referrals.rules import terms_on


class Binding:
    """Write who invited a new member, while they register with a friend's code."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ReferralRepository(database)
        self._persons = Persons(database)
        self._clock = clock

    def bind_inviter(
        self, member_id: str, scene: str, network: str | None, session: ClientSession
    ) -> bool:
        """Bind a new member to their inviter; False if the code belongs to nobody.

        It runs in the registration's own transaction, so a person can be bound only when they
        register, and never later.
        """
        code = friend_code(scene)
        owner_id = self._repository.owner_of(code, session) if code else None
        # The code of a member who was merged goes on working, for the person.
        inviter_id = self._persons.current_id(owner_id, session) if owner_id else None
        if code is None or inviter_id is None:
            return False
        now = self._clock.now()
        self._repository.insert(
            Referral(
                id=member_id,
                inviter_id=inviter_id,
                code=code,
                bound_at=now,
                network=network,
                terms=terms_on(self._repository.rules(), now),
            ),
            session,
        )
        return True

    def note_risk_rank(self, member_id: str, rank: int | None) -> None:
        """Store WeChat's risk rank of a new member, if it has one."""
        if rank is not None:
            self._repository.rank(member_id, rank)


class FirstOrders:
    """What the settlement of an order writes about referrals, within its own transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ReferralRepository(database)
        self._persons = Persons(database)
        self._clock = clock

    def ordered(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """Note that a member's first order was paid; both members may be rewarded later."""
        ids = self._persons.ids_of(member_id, session)
        self._repository.ordered(ids, order_id, self._clock.now(), session)

    def went_back(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """Note that an order was refunded, in part or fully; its reward may be taken back."""
        ids = self._persons.ids_of(member_id, session)
        self._repository.went_back(ids, order_id, self._clock.now(), session)
