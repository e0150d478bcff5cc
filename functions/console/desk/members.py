"""members: find them, see all about one, and give points and coupons by hand, with a reason."""

from __future__ import annotations

from typing import Any

from desk.route import Desk, Route
from huitou.coupons.issuing.models import IssueCouponRequest, ShownCoupon, WalletAnswer
from huitou.loyalty.adjustments.models import AdjustmentAnswer, AdjustPointsRequest
from huitou.loyalty.statements.models import ShownEntry, StatementAnswer
from huitou.marketing.features.models import TagAnswer, TagRequest
from huitou.members.profiles.models import CorrectBirthdayRequest, CorrectedBirthday
from huitou.members.profiles.rules import is_member_id
from huitou.operations.console.lookup_models import (
    FindByPhoneRequest,
    FindMembersRequest,
    FoundMembers,
    OneMemberPageRequest,
    OneMemberRequest,
    WholeMember,
)
from huitou.operations.console.lookup_rules import masked_digits, masked_name
from huitou.operations.erasures.models import EraseAnswer, EraseMemberRequest
from huitou.operations.merges.models import MergeAnswer, MergeMembersRequest
from huitou.ordering.orders.models import OrdersAnswer
from huitou.runtime.loading import late_imports
from huitou.runtime.paging import PageRequest

with late_imports():
    from huitou.marketing.deliveries.models import InboxAnswer


def _search(desk: Desk, request: FindMembersRequest) -> object:
    desk.lookups.count_search(desk.staff.id)

    def find_by_phone(phone: str) -> str | None:
        # Only `member-profile` has the key to phones, because the console is open to the internet.
        found = desk.ask("member-profile", "find_by_phone", FindByPhoneRequest(phone=phone))
        return str(found["member_id"]) if found["member_id"] else None

    return desk.lookups.find_members(request, find_by_phone)


def _get(desk: Desk, request: OneMemberRequest) -> object:
    from huitou.marketing.features.service import FeatureBook
    from huitou.members.consents.service import Consents
    from huitou.members.profiles.service import Members

    member = desk.lookups.get_member(request.member_id, desk.staff.id)
    member_id = member.id
    members = Members(desk.database, desk.clock, desk.brand_id)
    profile = members.show_profile(member_id, desk.lang)
    features = FeatureBook(desk.database, desk.clock).read_features([member_id]).get(member_id)
    hidden = {}
    if not desk.lookups.sees_name(member_id):
        hidden = {
            "nickname": masked_name(profile["nickname"]),
            "phone_last4": masked_digits(profile["phone_last4"]),
        }
    usual = features.usual_store_id if features else None
    held = Consents(desk.database, desk.clock).consents_of([member_id])[member_id]
    return {
        "profile": {name: value for name, value in profile.items() if name != "birthday"} | hidden,
        "erased": member.erased_at is not None,
        "consents": held,
        "orders": features.orders if features else 0,
        "spend_fen": features.spend_fen if features else 0,
        "last_order_day": features.last_order_day if features else None,
        "usual_store_id": usual if usual and desk.may_see_store(usual) else None,
        "usual_interval_days": features.usual_interval_days if features else None,
        "tags": features.tags if features else [],
        "phone_moves": members.list_phone_moves(member_id),
    }


def _person(desk: Desk, typed: str) -> str:
    """Return the id of the member whom the person of the staff means, also after a merge."""
    return desk.lookups.get_member(typed, desk.staff.id).id


def _member(request: Any) -> str:
    """Name the member for the record of changes; a phone that was typed instead isn't kept."""
    return f"member {request.member_id if is_member_id(request.member_id) else '?'}"


def _page(request: OneMemberPageRequest) -> PageRequest:
    return PageRequest(limit=request.limit, after=request.after)


def _statement(desk: Desk, request: OneMemberPageRequest) -> object:
    from huitou.loyalty.statements.service import Statements

    statements, member_id = Statements(desk.database, desk.clock), _person(desk, request.member_id)
    page = statements.list_movements(member_id, _page(request), desk.lang)
    own = desk.lookups.own_orders([entry.order_id for entry in page.entries])
    return page.model_copy(update={"entries": [_entry(one, own) for one in page.entries]})


def _entry(entry: ShownEntry, own: set[str]) -> ShownEntry:
    """Hide which order of another store an entry is about; its id names the order too."""
    if entry.order_id is None or entry.order_id in own:
        return entry
    return entry.model_copy(update={"order_id": None, "entry_id": f"{entry.kind}:{entry.number}"})


def _orders(desk: Desk, request: OneMemberPageRequest) -> object:
    return desk.lookups.list_orders_of_member(_person(desk, request.member_id), _page(request))


def _coupons(desk: Desk, request: OneMemberPageRequest) -> object:
    from huitou.coupons.issuing.service import Coupons

    coupons, member_id = Coupons(desk.database, desk.clock), _person(desk, request.member_id)
    page = coupons.show_wallet(member_id, _page(request))
    own = desk.lookups.own_orders([coupon.order_id for coupon in page["coupons"]])
    shown = [
        one
        if one.order_id is None or one.order_id in own
        else one.model_copy(update={"order_id": None})
        for one in page["coupons"]
    ]
    return page | {"coupons": shown}


def _messages(desk: Desk, request: OneMemberPageRequest) -> object:
    from huitou.marketing.deliveries.inbox_service import Inbox

    inbox, member_id = Inbox(desk.database, desk.clock), _person(desk, request.member_id)
    return inbox.list_messages(member_id, _page(request))


def _adjust(desk: Desk, request: AdjustPointsRequest) -> object:
    from huitou.loyalty.adjustments.service import Adjustments

    return Adjustments(desk.database, desk.clock).ask_for_adjustment(request)


def _issue(desk: Desk, request: IssueCouponRequest) -> object:
    from huitou.loyalty.adjustments.service import Adjustments

    return Adjustments(desk.database, desk.clock).give_coupon(request)


def _birthday(desk: Desk, request: CorrectBirthdayRequest) -> object:
    from huitou.members.profiles.service import Members

    named = {"member_id": _person(desk, request.member_id)}
    members = Members(desk.database, desk.clock, desk.brand_id)
    return members.correct_birthday(request.model_copy(update=named))


def _merge(desk: Desk, request: MergeMembersRequest) -> object:
    from huitou.operations.merges.service import Merges

    found = {name: _person(desk, getattr(request, name)) for name in ("from_member", "into_member")}
    merges = Merges(desk.database, desk.clock, desk.brand_id, desk.call.settings.token_key)
    return merges.merge_members(request.model_copy(update=found))


def _tag(desk: Desk, request: TagRequest) -> object:
    from huitou.marketing.features.service import FeatureBook

    return FeatureBook(desk.database, desk.clock).tag_members(request)


def _erase(desk: Desk, request: EraseMemberRequest) -> object:
    from huitou.operations.erasures.service import Erasures

    return Erasures(desk.database, desk.clock, desk.brand_id).erase_member(request)


ROUTES = {
    "search": Route(FindMembersRequest, _search, FoundMembers),
    "get": Route(OneMemberRequest, _get, WholeMember),
    "statement": Route(OneMemberPageRequest, _statement, StatementAnswer),
    "orders": Route(OneMemberPageRequest, _orders, OrdersAnswer),
    "coupons": Route(OneMemberPageRequest, _coupons, WalletAnswer),
    "messages": Route(OneMemberPageRequest, _messages, InboxAnswer),
    "adjust": Route(
        AdjustPointsRequest,
        _adjust,
        AdjustmentAnswer,
        signed=("actor", "role"),
        target=_member,
        after=lambda made: made.model_dump(mode="json", exclude={"reason", "decided_reason"}),
    ),
    "issue": Route(
        IssueCouponRequest,
        _issue,
        ShownCoupon,
        signed=("actor", "role"),
        target=_member,
        after=lambda made: {"coupon_id": made.coupon_id, "name": made.name},
    ),
    "birthday": Route(
        CorrectBirthdayRequest, _birthday, CorrectedBirthday, signed=("actor",), target=_member
    ),
    "erase": Route(
        EraseMemberRequest,
        _erase,
        EraseAnswer,
        signed=("actor",),
        target=_member,
        after=lambda made: {"points": made.points, "coupons": made.coupons},
    ),
    "tag": Route(
        TagRequest,
        _tag,
        TagAnswer,
        target=lambda r: f"tag {r.tag}",
        after=lambda made: made.model_dump(mode="json"),
    ),
    "merge": Route(
        MergeMembersRequest,
        _merge,
        MergeAnswer,
        signed=("actor",),
        target=lambda r: f"merge {r.merge_id}",
        after=lambda made: made.model_dump(mode="json"),
    ),
}
