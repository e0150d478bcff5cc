"""A member's coupons: the wallet, ways to get one, ways to hand one on, and the till."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import ProfileCall

with late_imports():
    from huitou.coupons.codes.models import RedeemCodeRequest
    from huitou.coupons.issuing.models import (
        ClaimCouponRequest,
        ClaimLinkAnswer,
        ShownCoupon,
        TemplateRequest,
        WalletAnswer,
    )
    from huitou.coupons.transfers.models import GiveAnswer, GiveRequest, TakeGiftRequest
    from huitou.marketing.group_offers.models import GroupOfferAnswer, TakeGroupOfferRequest
    from huitou.members.profiles.models import WelcomeRequest
    from huitou.ordering.till.models import CouponTokenAnswer, CouponTokenRequest
    from huitou.runtime.paging import PageRequest


CLAIM_PAGE = "pages/coupons/index"  # A mini-program page; it calls `claim`.
LINK_DAYS = 30


def coupons(call: ProfileCall, request: PageRequest) -> object:
    return call.coupons.show_wallet(call.member_id, request)


def welcome(call: ProfileCall, request: WelcomeRequest) -> object:
    return call.members.issue_welcome_coupon(call.member_id, request.scene)


def claim(call: ProfileCall, request: ClaimCouponRequest) -> object:
    return call.coupons.claim_coupon(request.template_id, call.member_id, request.claim_id)


def redeem_code(call: ProfileCall, request: RedeemCodeRequest) -> object:
    return call.codes.redeem_code(call.member_id, request.code)


def group_offer(call: ProfileCall, request: TakeGroupOfferRequest) -> object:
    return call.group_offers.take_offer(call.member_id, call.member, request)


def give(call: ProfileCall, request: GiveRequest) -> object:
    return call.gifts.give_coupon(call.member_id, request.coupon_id)


def take_gift(call: ProfileCall, request: TakeGiftRequest) -> object:
    return call.gifts.take_gift(call.member_id, request.gift)


def coupon_token(call: ProfileCall, request: CouponTokenRequest) -> object:
    return call.till.make_coupon_token(call.member_id, request.coupon_id)


def claim_link(call: ProfileCall, request: TemplateRequest) -> ClaimLinkAnswer:
    template = call.coupons.find_claimable_template(request.template_id)
    query = f"template_id={template.id}"
    link = call.wechat.url_link(CLAIM_PAGE, query, LINK_DAYS)
    return ClaimLinkAnswer(path=f"{CLAIM_PAGE}?{query}", link=link, days=LINK_DAYS)


MEMBER = {
    "coupons": Action(PageRequest, coupons, WalletAnswer),
    "welcome": Action(WelcomeRequest, welcome, ShownCoupon, most_a_minute=30),
    "claim": Action(ClaimCouponRequest, claim, ShownCoupon, most_a_minute=30),
    "redeem_code": Action(RedeemCodeRequest, redeem_code, ShownCoupon, most_a_minute=30),
    "group_offer": Action(TakeGroupOfferRequest, group_offer, GroupOfferAnswer, most_a_minute=30),
    "give": Action(GiveRequest, give, GiveAnswer, most_a_minute=30),
    "take_gift": Action(TakeGiftRequest, take_gift, ShownCoupon, most_a_minute=30),
    "coupon_token": Action(CouponTokenRequest, coupon_token, CouponTokenAnswer),
}
INTERNAL = {"claim_link": Action(TemplateRequest, claim_link, ClaimLinkAnswer)}
