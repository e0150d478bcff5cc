"""member-profile: log in, profile, phone, consents, inbox, my orders, points, mall, coupons.

Callable by members, who they are comes from the platform's context; the console asks for links.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from huitou.coupons.codes.models import RedeemCodeRequest
from huitou.coupons.issuing.models import (
    ClaimCouponRequest,
    ClaimLinkAnswer,
    ShownCoupon,
    TemplateRequest,
    WalletAnswer,
)
from huitou.coupons.issuing.service import Coupons
from huitou.coupons.transfers.models import GiveAnswer, GiveRequest, TakeGiftRequest
from huitou.growth.referrals.binding_service import Binding
from huitou.integrations.mini_program import MiniProgram
from huitou.loyalty.earning.models import BonusAnswer, CheckInRequest
from huitou.loyalty.notices.models import NoticesAnswer
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.rewards.models import ExchangeAnswer, ExchangeRequest, MallAnswer, MallRequest
from huitou.loyalty.statements.models import StatementAnswer
from huitou.loyalty.statements.service import Statements
from huitou.marketing.deliveries.models import InboxAnswer, OpenedAnswer, OpenMessageRequest
from huitou.marketing.group_offers.models import GroupOfferAnswer, TakeGroupOfferRequest
from huitou.members.consents.models import ConsentRequest, ConsentsAnswer
from huitou.members.consents.service import Consents
from huitou.members.messaging.models import SubscribedAnswer, SubscribedRequest
from huitou.members.profiles.models import (
    BindPhoneRequest,
    LoginAnswer,
    LoginRequest,
    PhoneAnswer,
    ProfileAnswer,
    ProfileRequest,
    UpdateProfileRequest,
    WelcomeRequest,
)
from huitou.members.profiles.service import Members
from huitou.ordering.till.models import CouponTokenAnswer, CouponTokenRequest
from huitou.runtime.errors import Unavailable
from huitou.runtime.handler import Action, Call, serve
from huitou.runtime.paging import PageRequest

CLAIM_PAGE = "pages/coupons/index"  # Of the mini-program: it calls `claim` with the template.
LINK_DAYS = 30


def main_handler(event: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    return serve("member-profile", event, context, member=MEMBER, internal=INTERNAL)


def _members(call: Call) -> Members:
    return Members(call.database, call.clock, call.settings.brand_id)


def _member(call: Call) -> str:
    return _members(call).id_of(call.member)


def _login(call: Call, request: LoginRequest) -> object:
    key = call.settings.phone_key
    binding = Binding(call.database, call.clock)
    answer = _members(call).login(call.member, request.scene, key, binding.bind)
    if answer.get("invited") and call.member.address:
        # Of a service that doesn't answer nobody has to wait for their registration.
        with suppress(Unavailable):
            wechat = MiniProgram(call.database, call.settings)
            rank = wechat.risk_rank(call.member.openid, call.member.address)
            binding.note_risk(str(answer["member_id"]), rank)
    return answer


def _bind_phone(call: Call, request: BindPhoneRequest) -> object:
    numbers = MiniProgram(call.database, call.settings)
    return _members(call).bind_phone(_member(call), request.code, numbers, call.settings.phone_key)


def _orders(call: Call, request: PageRequest) -> object:
    from huitou.ordering.orders.service import (
        Orders,  # Late: it brings pricing and menu to a cold start.
    )

    orders = Orders(call.database, call.clock, call.settings.brand_id)
    return orders.listing(_member(call), request)


def _mall(call: Call) -> Any:
    from huitou.loyalty.rewards.service import Mall  # Late: few calls are about it.

    return Mall(call.database, call.clock)


def _check_in(call: Call, _: CheckInRequest) -> object:
    from huitou.loyalty.earning.service import Bonuses  # Late, as orders are.

    return Bonuses(call.database, call.clock).check_in(_member(call), call.lang)


def _redeem_code(call: Call, request: RedeemCodeRequest) -> object:
    from huitou.coupons.codes.service import Codes  # Late: few calls are about it.

    return Codes(call.database, call.clock, call.settings.codes_key).redeem(
        _member(call), request.code
    )


def _gifts(call: Call) -> Any:
    from huitou.coupons.transfers.service import Gifts  # Late, too.

    return Gifts(call.database, call.clock, call.settings.token_key)


def _coupon_token(call: Call, request: CouponTokenRequest) -> object:
    from huitou.ordering.till.service import Till  # Late, too.

    return Till(call.database, call.clock, call.settings.token_key).token(
        _member(call), request.coupon_id
    )


def _consent(call: Call, request: ConsentRequest) -> object:
    member_id = _member(call)
    held = Consents(call.database, call.clock).record(member_id, request)
    if not held.precise_location:
        from huitou.growth.geofence.service import Geofence  # Late, as most.

        Geofence(call.database, call.clock, call.settings.brand_id).forget(member_id)
    return held


def _group_offer(call: Call, request: TakeGroupOfferRequest) -> object:
    from huitou.marketing.group_offers.service import GroupOffers  # Late, too.

    wechat = MiniProgram(call.database, call.settings)
    offers = GroupOffers(call.database, call.clock, wechat)
    return offers.take(_member(call), call.member, request)


def _messages(call: Call) -> Any:
    from huitou.members.messaging.service import Messages  # Late, too.

    return Messages(call.database)


def _inbox(call: Call) -> Any:
    from huitou.marketing.deliveries.inbox_service import Inbox  # Late, too.

    return Inbox(call.database, call.clock)


def _claim_link(call: Call, request: TemplateRequest) -> ClaimLinkAnswer:
    template = Coupons(call.database, call.clock).claimable(request.template_id)
    query = f"template_id={template.id}"
    link = MiniProgram(call.database, call.settings).url_link(CLAIM_PAGE, query, LINK_DAYS)
    return ClaimLinkAnswer(path=f"{CLAIM_PAGE}?{query}", link=link, days=LINK_DAYS)


INTERNAL = {"claim_link": Action(TemplateRequest, _claim_link, ClaimLinkAnswer)}
MEMBER = {
    "consent": Action(ConsentRequest, _consent, ConsentsAnswer),
    "group_offer": Action(TakeGroupOfferRequest, _group_offer, GroupOfferAnswer),
    "subscribed": Action(
        SubscribedRequest,
        lambda call, r: _messages(call).subscribed(_member(call), r),
        SubscribedAnswer,
    ),
    "inbox": Action(
        PageRequest, lambda call, r: _inbox(call).listing(_member(call), r), InboxAnswer
    ),
    "open_message": Action(
        OpenMessageRequest, lambda call, r: _inbox(call).open(_member(call), r), OpenedAnswer
    ),
    "login": Action(LoginRequest, _login, LoginAnswer),
    "profile": Action(
        ProfileRequest,
        lambda call, _: _members(call).profile(_member(call), call.lang),
        ProfileAnswer,
    ),
    "update": Action(
        UpdateProfileRequest,
        lambda call, r: _members(call).update(_member(call), r, call.lang),
        ProfileAnswer,
    ),
    "bind_phone": Action(BindPhoneRequest, _bind_phone, PhoneAnswer),
    "welcome": Action(
        WelcomeRequest, lambda call, r: _members(call).welcome(_member(call), r.scene), ShownCoupon
    ),
    "orders": Action(PageRequest, _orders, "huitou.ordering.orders.models:OrdersAnswer"),
    "points": Action(
        PageRequest,
        lambda call, r: Statements(call.database, call.clock).page(_member(call), r, call.lang),
        StatementAnswer,
    ),
    "check_in": Action(CheckInRequest, _check_in, BonusAnswer),
    "mall": Action(
        MallRequest, lambda call, _: _mall(call).listing(_member(call), call.lang), MallAnswer
    ),
    "exchange": Action(
        ExchangeRequest, lambda call, r: _mall(call).exchange(_member(call), r), ExchangeAnswer
    ),
    "notices": Action(
        PageRequest,
        lambda call, r: Notices(call.database, call.clock).listing(_member(call), r, call.lang),
        NoticesAnswer,
    ),
    "give": Action(
        GiveRequest, lambda call, r: _gifts(call).give(_member(call), r.coupon_id), GiveAnswer
    ),
    "take_gift": Action(
        TakeGiftRequest, lambda call, r: _gifts(call).take(_member(call), r.gift), ShownCoupon
    ),
    "coupon_token": Action(CouponTokenRequest, _coupon_token, CouponTokenAnswer),
    "claim": Action(
        ClaimCouponRequest,
        lambda call, r: Coupons(call.database, call.clock).claim(
            r.template_id, _member(call), r.claim_id
        ),
        ShownCoupon,
    ),
    "redeem_code": Action(RedeemCodeRequest, _redeem_code, ShownCoupon),
    "coupons": Action(
        PageRequest,
        lambda call, r: Coupons(call.database, call.clock).wallet(_member(call), r),
        WalletAnswer,
    ),
}
