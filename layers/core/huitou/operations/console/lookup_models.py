"""How staff look up members and orders: by number, by a whole phone number, by day."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from huitou.catalog.stores.models import Day
from huitou.loyalty.points.models import ShownPoints
from huitou.loyalty.tiers.shown_models import ShownTier
from huitou.marketing.features.models import Tag
from huitou.members.consents.models import ConsentsAnswer
from huitou.members.profiles.models import ShownPhoneMove
from huitou.ordering.orders.models import Moment, OrderAnswer, RefundStatus, Status
from huitou.payments.refunds.models import Role
from huitou.promotions.offers.models import Mode
from huitou.runtime.documents import Answer, Request, Unfit
from huitou.runtime.paging import PageRequest
from huitou.runtime.typed import Phone, Word


class FindMembersRequest(PageRequest):
    """Find members by their number, by their whole phone number, or by a tag.

    Some digits of a phone number find nobody: whoever tried all of them would list all members.
    """

    member_id: str | None = Field(default=None, min_length=1, max_length=64)
    phone: Phone | None = Field(
        default=None, max_length=19, pattern=r"^(1[3-9][0-9]{9}|\+[0-9]{5,18})$"
    )
    tag: Tag | None = None

    @model_validator(mode="after")
    def _by_one(self) -> Self:
        if [self.member_id, self.phone, self.tag].count(None) != 2:
            raise Unfit(
                "member_id",
                "会员号、手机号、标签三者填且只填一项",
                "one of member_id, phone and tag",
            )
        return self


class FindByPhoneRequest(Request):
    """Ask who has this phone number; only internal callers may."""

    phone: Phone = Field(pattern=r"^(1[3-9][0-9]{9}|\+[0-9]{5,18})$")


class FoundByPhone(Answer):
    """The id of the member with this phone number; null if nobody has it."""

    member_id: str | None


class FoundMember(Answer):
    """A member in a list.

    Name and phone are masked (`王**`, `**01`) for staff who may not see the member's orders: they
    have no permission for orders, or the member never ordered in one of their stores.
    """

    member_id: str
    nickname: str | None
    phone_last4: str | None
    registered_day: str
    merged_into: str | None


class FoundMembers(Answer):
    """A page of members; `next` is null at the end.

    The newest member comes first; a search by tag sorts by id.
    """

    members: list[FoundMember]
    next: str | None


class MemberProfile(Answer):
    """A member's name, phone digits (masked as in a list), tier and points."""

    member_id: str
    nickname: str | None
    phone_last4: str | None
    registered_day: str
    tier: ShownTier
    points: ShownPoints


class FindOrdersRequest(PageRequest):
    """Find a store's orders of a business day, or one order by its id.

    `pickup_number` and `status` filter the orders of a day.
    """

    order_id: Word | None = Field(default=None, min_length=1, max_length=64)
    store_id: str | None = Field(default=None, min_length=1, max_length=64)
    day: Day | None = None
    pickup_number: int | None = Field(default=None, ge=1, le=99_999)
    status: Status | None = None

    @model_validator(mode="after")
    def _by_one(self) -> Self:
        if (self.order_id is None) == (self.store_id is None):
            raise Unfit(
                "order_id",
                "订单号、门店加日期两者选一",
                "either order_id or store_id with a day",
            )
        if self.store_id is not None and self.day is None:
            raise Unfit("day", "按门店查询须填日期", "which one, with a store_id")
        return self


class FoundOrder(Answer):
    """An order in a list."""

    order_id: str
    store_id: str | None
    member_id: str
    mode: Mode | None
    status: Status
    refund_status: RefundStatus | None
    created_at: datetime
    pickup_number: int | None
    dishes: str
    payable_fen: int
    refunded_fen: int


class FoundOrders(Answer):
    """A page of orders, newest first; `next` is null at the end."""

    orders: list[FoundOrder]
    next: str | None


class OneOrderRequest(Request):
    """Name one order."""

    order_id: str = Field(min_length=1, max_length=64)


class OneStoreRequest(Request):
    """Name one store."""

    store_id: str = Field(min_length=1, max_length=64)


class TodayAnswer(Answer):
    """A store's business day at this moment."""

    today: str


class OneMemberRequest(Request):
    """Name one member."""

    member_id: str = Field(min_length=1, max_length=64)


class OneMemberPageRequest(PageRequest):
    """Ask for a page of something that belongs to one member."""

    member_id: str = Field(min_length=1, max_length=64)


class WholeOrder(Answer):
    """An order as its guest sees it, with its member, and who of the staff took each step."""

    member_id: str
    store_id: str | None
    order: OrderAnswer
    steps: list[Moment]


class WholeMember(Answer):
    """One member as staff see them; without the birthday, which staff don't need.

    `orders` and `spend_fen` count what was paid and not refunded, in all stores. `usual_store_id`
    is null if it is a store that the person may not see. `erased` means that the member was
    forgotten.
    """

    profile: MemberProfile
    erased: bool
    consents: ConsentsAnswer
    orders: int
    spend_fen: int
    last_order_day: str | None
    usual_store_id: str | None
    usual_interval_days: int | None
    tags: list[str]
    phone_moves: list[ShownPhoneMove]


class WaitingRefund(Answer):
    """A refund that waits for a decision: its store, who asked for it, and why."""

    refund_id: str
    order_id: str
    store_id: str | None
    amount_fen: int
    reason: str
    actor: str
    role: Role
    created_at: datetime


class WaitingRefunds(Answer):
    """A page of waiting refunds; `next` is the cursor of the next page."""

    refunds: list[WaitingRefund]
    next: str | None
