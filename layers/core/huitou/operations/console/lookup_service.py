"""Looking up members, orders and refunds for staff."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from huitou.members.profiles.errors import MEMBER
from huitou.members.profiles.models import Member
from huitou.members.profiles.rules import phone_hash, phone_identity, till_identity
from huitou.operations.console.lookup_models import (
    FindMembersRequest,
    FindOrdersRequest,
    FoundByPhone,
    FoundMember,
    FoundMembers,
    FoundOrder,
    FoundOrders,
    WaitingRefund,
    WaitingRefunds,
    WholeOrder,
)
from huitou.operations.console.lookup_repository import LookupRepository
from huitou.operations.console.lookup_rules import (
    international,
    masked_digits,
    masked_name,
    till_numbers,
)
from huitou.ordering.orders.errors import ORDER
from huitou.ordering.orders.models import Order, OrdersAnswer
from huitou.payments.refunds.errors import REFUND
from huitou.payments.refunds.models import Refund, RefundsRequest
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest

MaySeeStore = Callable[[str | None], bool]
SEARCHES_AN_HOUR = 60  # Searches for members by one person; a busy counter needs fewer.


class PhoneBook:
    """Who has a phone number. Only the function with the chain's key for phones can tell."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._repository = LookupRepository(database)
        self._key = key

    def find_by_phone(self, phone: str) -> FoundByPhone:
        identity = phone_identity(phone_hash(international(phone), self._key))
        return FoundByPhone(member_id=self._repository.known_as(identity))


class Lookups:
    """What a person of the staff may see; `may_see_store` tells which stores' data.

    `store_ids` are the stores of somebody who works for some stores only, None for the whole chain.
    `sees_orders` says whether they have the permission for orders: only then they see names and
    phones, and those only of members who have ordered in their stores.
    """

    def __init__(
        self,
        database: Database,
        may_see_store: MaySeeStore,
        *,
        store_ids: Sequence[str] | None = (),
        sees_orders: bool = False,
    ) -> None:
        self._repository = LookupRepository(database)
        self._persons = Persons(database)
        self._may_see_store = may_see_store
        self._store_ids = store_ids
        self._sees_orders = sees_orders

    def count_search(self, staff_id: str) -> None:
        """Count a search before it is made; raises Refusal TOO_MANY_TRIES above the hour's limit.

        The count is in the database, so many calls at once count like many calls in a row.
        """
        hour = int(time.time() // 3600)
        if self._repository.count_search(staff_id, hour) > SEARCHES_AN_HOUR:
            raise Refusal(Code.TOO_MANY_TRIES, field="member_id")

    def find_members(
        self, request: FindMembersRequest, find_by_phone: Callable[[str], str | None]
    ) -> FoundMembers:
        """Find members. Raises Refusal FORBIDDEN naming `tag` for people of some stores only.

        `find_by_phone` asks the function that has the key for phones.
        """
        if request.tag is not None:
            return self._tagged(request)
        if request.phone is not None:
            member_id = find_by_phone(request.phone)
            bound = self._repository.member(member_id) if member_id else None
            # The same number may be known from the till, of a guest who isn't merged yet.
            named = [bound, self._known_as(request.phone)]
        else:
            named = [self._known_as(request.member_id) if request.member_id else None]
        found = {one.id: _member(one, whole=self.sees_name(one.id)) for one in named if one}
        return FoundMembers(members=list(found.values()), next=None)

    def sees_name(self, member_id: str) -> bool:
        """Tell whether the person may see this member's name and phone unmasked."""
        if not self._sees_orders or self._store_ids is None:
            return self._sees_orders
        return self._repository.ordered_in(member_id, self._store_ids)

    def list_orders_of_member(self, member_id: str, page: PageRequest) -> OrdersAnswer:
        """Return a page of a member's orders in the person's stores, newest first."""
        orders, after = self._repository.orders_of_member(member_id, self._store_ids, page)
        return OrdersAnswer(orders=[order.shown() for order in orders], next=after)

    def own_orders(self, order_ids: Sequence[str | None]) -> set[str]:
        """Return those of these orders that the person may see."""
        named = [order_id for order_id in order_ids if order_id]
        if self._store_ids is None:
            return set(named)
        return self._repository.orders_among(named, self._store_ids) if named else set()

    def _tagged(self, request: FindMembersRequest) -> FoundMembers:
        if self._store_ids is not None:  # A tag may be on members of every store.
            raise Refusal(Code.FORBIDDEN, field="tag")
        ids = self._repository.tagged(str(request.tag), request.after or "", request.limit)
        members = self._repository.several(ids)
        return FoundMembers(
            members=[
                _member(members[name], whole=self._sees_orders) for name in ids if name in members
            ],
            next=ids[-1] if len(ids) == request.limit else None,
        )

    def _known_as(self, typed: str) -> Member | None:
        """Return the member whom staff mean: by id, or by number at the till (K001, till:K001)."""
        numbers = till_numbers(typed)
        known = self._repository.known_among([till_identity(number) for number in numbers])
        for number in numbers:
            if member_id := known.get(till_identity(number)):
                return self._repository.member(member_id)
        current = self._persons.current_id(numbers[0]) if numbers else None
        return self._repository.member(current) if current else None

    def get_member(self, member_id: str, staff_id: str) -> Member:
        """Return a member, or the one they were merged into.

        `member_id` may also be a number at the till. Such numbers follow each other, so whoever
        names one searches, and it counts like a search. Raises Refusal NOT_FOUND or TOO_MANY_TRIES
        naming `member_id`.
        """
        current = self._persons.current_id(member_id)
        if current is None:
            self.count_search(staff_id)
        member = self._repository.member(current) if current else self._known_as(member_id)
        if member is None:
            raise Refusal(Code.NOT_FOUND, field="member_id", detail=MEMBER)
        return member

    def find_orders(self, request: FindOrdersRequest) -> FoundOrders:
        """List orders; raises Refusal FORBIDDEN naming `store_id` if the person may not see it."""
        if request.order_id is not None:
            one = self._repository.order(request.order_id)
            seen = [one] if one is not None and self._may_see_store(one.store_id) else []
            return FoundOrders(orders=[_order(order) for order in seen], next=None)
        if not self._may_see_store(request.store_id):
            raise Refusal(Code.FORBIDDEN, field="store_id")
        orders, after = self._repository.orders(request)
        return FoundOrders(orders=[_order(order) for order in orders], next=after)

    def get_order(self, order_id: str) -> Order:
        """Return an order; raises Refusal NOT_FOUND, also if the person may not see its store."""
        order = self._repository.order(order_id)
        if order is None or not self._may_see_store(order.store_id):
            raise Refusal(Code.NOT_FOUND, field="order_id", detail=ORDER)
        return order

    def show_order(self, order_id: str) -> WholeOrder:
        order = self.get_order(order_id)
        return WholeOrder(
            member_id=order.member_id,
            store_id=order.store_id,
            order=order.shown(),
            steps=order.timeline,
        )

    def list_waiting_refunds(self, request: RefundsRequest) -> WaitingRefunds:
        """List waiting refunds of stores that the person may see, so pages may be shorter."""
        found = self._repository.refunds(request)
        return WaitingRefunds(
            refunds=[_refund(refund) for refund in found if self._may_see_store(refund.store_id)],
            next=found[-1].id if len(found) == request.limit else None,
        )

    def get_refund(self, refund_id: str) -> Refund:
        """Return a refund; raises Refusal NOT_FOUND, also if the person may not see its store."""
        refund = self._repository.refund(refund_id)
        if refund is None or not self._may_see_store(refund.store_id):
            raise Refusal(Code.NOT_FOUND, field="refund_id", detail=REFUND)
        return refund


def _refund(refund: Refund) -> WaitingRefund:
    return WaitingRefund(
        refund_id=refund.id,
        order_id=refund.order_id,
        store_id=refund.store_id,
        amount_fen=refund.amount_fen,
        reason=refund.reason,
        actor=refund.actor,
        role=refund.role,
        created_at=refund.created_at,
    )


def _member(member: Member, *, whole: bool) -> FoundMember:
    last4 = member.phone_last4
    return FoundMember(
        member_id=member.id,
        nickname=member.nickname if whole else masked_name(member.nickname),
        phone_last4=last4 if whole else masked_digits(last4),
        registered_day=member.registered_day,
        merged_into=member.merged_into,
    )


def _order(order: Order) -> FoundOrder:
    return FoundOrder(
        order_id=order.id,
        store_id=order.store_id,
        member_id=order.member_id,
        mode=order.mode,
        status=order.status,
        refund_status=order.refund_status,
        created_at=order.created_at,
        pickup_number=order.pickup_number,
        dishes="、".join(f"{line.name}×{line.quantity}" for line in order.lines),
        payable_fen=order.payable_fen,
        refunded_fen=sum(back.amount_fen for back in order.refunds),
    )
