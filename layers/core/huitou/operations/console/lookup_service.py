"""Looking up members, orders and refunds for staff."""

from __future__ import annotations

from collections.abc import Callable

from huitou.members.profiles.errors import MEMBER
from huitou.members.profiles.models import Member
from huitou.operations.console.lookup_models import (
    FindMembersRequest,
    FindOrdersRequest,
    FoundMember,
    FoundMembers,
    FoundOrder,
    FoundOrders,
    WaitingRefund,
    WaitingRefunds,
    WholeOrder,
)
from huitou.operations.console.lookup_repository import LookupRepository
from huitou.ordering.orders.errors import ORDER
from huitou.ordering.orders.models import Order
from huitou.payments.refunds.errors import REFUND
from huitou.payments.refunds.models import Refund, RefundsRequest
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

MaySeeStore = Callable[[str | None], bool]


class Lookups:
    """What a person of the staff may see; `may_see_store` tells which stores' data."""

    def __init__(self, database: Database, may_see_store: MaySeeStore) -> None:
        self._repository = LookupRepository(database)
        self._may_see_store = may_see_store

    def find_members(self, request: FindMembersRequest) -> FoundMembers:
        if request.member_id is not None:
            one = self._repository.member(request.member_id)
            return FoundMembers(members=[_member(one)] if one else [], next=None)
        if request.tag is not None:
            return self._tagged(request)
        members, after = self._repository.members(request)
        return FoundMembers(members=[_member(member) for member in members], next=after)

    def _tagged(self, request: FindMembersRequest) -> FoundMembers:
        ids = self._repository.tagged(str(request.tag), request.after or "", request.limit)
        members = self._repository.several(ids)
        return FoundMembers(
            members=[_member(members[name]) for name in ids if name in members],
            next=ids[-1] if len(ids) == request.limit else None,
        )

    def get_member(self, member_id: str) -> Member:
        """Return a member; raises Refusal NOT_FOUND naming `member_id`."""
        member = self._repository.member(member_id)
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


def _member(member: Member) -> FoundMember:
    return FoundMember(
        member_id=member.id,
        nickname=member.nickname,
        phone_last4=member.phone_last4,
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
