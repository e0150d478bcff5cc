"""What registering and ordering write down of referrals, in transactions of their own.

Apart from the rest, since it is on the way of every first log-in and every settled order.
"""

from __future__ import annotations

from pymongo.client_session import ClientSession

from huitou.growth.referrals.models import Referral
from huitou.growth.referrals.repository import ReferralRepository
from huitou.growth.referrals.rules import terms_on
from huitou.members.profiles.rules import friend_code
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database


class Binding:
    """What registering with a friend's code writes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ReferralRepository(database)
        self._clock = clock

    def bind(self, member_id: str, scene: str, network: str | None, session: ClientSession) -> bool:
        """Bind a member who is just being registered; False for a code that is nobody's.

        In the registration's own transaction: who is a member already has had their one chance.
        """
        code = friend_code(scene)
        inviter_id = self._repository.owner_of(code, session) if code else None
        if code is None or inviter_id is None:
            return False
        now = self._clock.now()
        self._repository.insert(Referral(
            id=member_id, inviter_id=inviter_id, code=code, bound_at=now, network=network,
            terms=terms_on(self._repository.rules(), now),
        ), session)  # fmt: skip
        return True

    def note_risk(self, member_id: str, rank: int | None) -> None:
        """Keep WeChat's risk rank of a new member, if it has one."""
        if rank is not None:
            self._repository.rank(member_id, rank)


class FirstOrders:
    """What settling an order tells referrals, in the settlement's own transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._repository = ReferralRepository(database)
        self._clock = clock

    def ordered(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """A member's first order was paid: who brought them may be rewarded."""
        self._repository.ordered(member_id, order_id, self._clock.now(), session)

    def went_back(self, member_id: str, order_id: str, session: ClientSession) -> None:
        """Something of an order went back: a reward that hangs on it may be taken back."""
        self._repository.went_back(member_id, order_id, self._clock.now(), session)
