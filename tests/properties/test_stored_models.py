"""Every stored model is read from the database exactly as it was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_world import campaign
from cli.bench.orders import paid_order
from huitou.catalog.menu.models import Dish, Sku, StoreDish
from huitou.catalog.stores.models import OpeningHours, Store
from huitou.coupons.codes.models import CodeBatch, CodeTries, CodeUse
from huitou.coupons.issuing.models import Coupon, CouponTemplate, Scene
from huitou.growth.geofence.models import Arrival, Position
from huitou.growth.referrals.models import Referral, ReferralCode, ReferralRules, ReferralTerms
from huitou.loyalty.adjustments.models import Adjustment
from huitou.loyalty.earning.models import EarningRule
from huitou.loyalty.holds.models import Hold
from huitou.loyalty.liability.models import PointsMonth, Sums
from huitou.loyalty.notices.models import Notice
from huitou.loyalty.points.models import Account, LedgerEntry, LotMove, PointsRules
from huitou.loyalty.rewards.models import Exchange, MallItem, Stock
from huitou.loyalty.tier_rollouts.models import TierRun
from huitou.loyalty.tiers.models import Goals, Level, TierChange, TierRules, default_rules
from huitou.marketing.campaigns.models import CampaignState
from huitou.marketing.deliveries.models import Delivery, Exposure
from huitou.marketing.features.models import Features, Visit
from huitou.marketing.runs.models import Run, Waiting
from huitou.marketing.weather.models import WeatherDay
from huitou.members.consents.models import Consent
from huitou.members.messaging.models import MessageRules, Subscription
from huitou.members.profiles.models import Identity, Member
from huitou.operations.audit_log.models import Change
from huitou.operations.erasures.models import Erasure
from huitou.operations.merges.models import Merge
from huitou.operations.staff.models import StaffMember, StaffSession
from huitou.ordering.orders.models import Order
from huitou.payments.bill_check.models import BillRun
from huitou.payments.charges.models import Payment
from huitou.payments.discrepancies.models import Discrepancy
from huitou.payments.profit_sharing.models import Receiver, Share, SharePart, ShareRules, ShareTerms
from huitou.payments.refunds.models import Refund, RefundRules
from huitou.payments.wechat_pay.models import PlatformCertificate
from huitou.promotions.offers.models import Limits, Offer, Terms, default_stacking
from huitou.promotions.quotas.models import MemberUses, Pool
from huitou.runtime.database import Database
from huitou.runtime.documents import Stored
from hunting import examples

words = st.text(max_size=20).filter(lambda text: "\x00" not in text)
fen = st.integers(0, 10**8)
moments = st.integers(0, 10**9).map(
    lambda s: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=s)
)
terms = st.builds(
    Terms, threshold_fen=fen, off_fen=st.integers(1, 10**6), store_ids=st.lists(words)
)
YEARLY_RULES = TierRules(window="anchor", anchor="level_start", levels=[
    Level(level="basic", name="普通"),
    Level(level="silver", name="白银", orders=9, keep=Goals(orders=5), monthly_coupons=["x"]),
])  # fmt: skip
MODELS: dict[str, st.SearchStrategy[Stored]] = {
    "members": st.builds(Member, id=words, brand_id=words, registered_at=moments,
                         registered_day=words, nickname=st.none() | words),
    "identities": st.builds(Identity, id=words, member_id=words,
                            before=st.none() | st.lists(words, min_size=1, max_size=3)),
    "stores": st.builds(Store, id=words, brand_id=words, name=words,
                        hours=st.just([OpeningHours(opens="09:00", closes="02:00")])),
    "dishes": st.builds(Dish, id=words, brand_id=words, name=words, category=words,
                        skus=st.just([Sku(sku_id="m", name="", price_fen=1)])),
    "store_dishes": st.builds(StoreDish, id=words, store_id=words, dish_id=words),
    "accounts": st.builds(Account, id=words, available=st.integers(-10**9, 10**9), reserved=fen),
    "points_holds": st.builds(
        Hold, id=words, member_id=words, points=st.integers(1, 10**7), purpose=st.just("mall"),
        drawn=st.lists(st.builds(LotMove, expires_on=words, points=fen), max_size=3),
        status=st.sampled_from(["held", "used", "released"]), created_at=moments,
        expires_at=moments),
    "mall_items": st.builds(
        MallItem, id=words, revision=st.integers(1, 10**6), name=st.just("券"),
        points=st.integers(1, 10**7), template_id=st.just("t"), stock=st.none() | fen,
        per_member=st.none() | st.integers(1, 9), valid_from=st.none() | st.dates()),
    "mall_stock": st.builds(Stock, id=words, taken=fen),
    "mall_exchanges": st.builds(
        Exchange, id=words, member_id=words, item_id=words, item_revision=fen, points=fen,
        seq=st.integers(1, 10**6), coupon_id=words, at=moments),
    "points_entries": st.builds(
        LedgerEntry, id=words, member_id=words, kind=st.sampled_from(["earn", "use"]),
        points=st.integers(-10**9, 10**9), spend_fen=fen, order_id=words, business_day=words,
        at=moments, cause=words, rules_revision=fen,
        figures=st.dictionaries(st.just("spend_by_day"), st.just({"2026-03-02": 1}))),
    "points_adjustments": st.builds(
        Adjustment, id=words, member_id=words, points=st.integers(-10**6, 10**6), reason=words,
        actor=words, role=st.just("manager"), day=words, status=st.just("applied"),
        created_at=moments, decided_by=st.none() | words, decided_at=st.none() | moments),
    "points_months": st.builds(
        PointsMonth, id=words, sums=st.builds(Sums, issued=st.integers(-10**9, 10**9)),
        open=st.dictionaries(st.sampled_from(["2027", "never"]), fen), owed=fen),
    "merges": st.builds(Merge, id=words, from_member=words, into_member=words, actor=words,
                        reason=words, points=fen, coupons=fen, identities=fen, at=moments),
    "erasures": st.builds(Erasure, id=words, actor=words, reason=words, points=fen, coupons=fen,
                          at=moments),
    "coupons": st.builds(
        Coupon, id=words, member_id=words, template_id=words, template_revision=fen, name=words,
        terms=terms, cause=words, issued_at=moments, valid_until=moments),
    "offers": st.builds(
        Offer, id=words, name=st.just("activity"), group=st.just("reduction"),
        valid_until=st.none() | st.dates(), terms=st.builds(
            Terms, kind=st.just("percent_off"), off_bp=st.integers(1, 10_000),
            base=st.sampled_from(["list", "running"])),
        limits=st.builds(Limits, quota=st.none() | st.integers(1, 10**6))),
    "code_batches": st.builds(
        CodeBatch, id=words, number=fen, template_id=words, count=fen, salt=st.binary(max_size=16),
        actor=words, created_at=moments, revoked_at=st.none() | moments),
    "code_uses": st.builds(CodeUse, id=words, batch=words, member_id=words, at=moments),
    "code_tries": st.builds(CodeTries, id=words, tries=fen, since=st.floats(0, 10**9)),
    "limit_pools": st.builds(
        Pool, id=words, left=fen, left_fen=fen, quota=fen, budget_fen=fen, revision=fen,
        due_at=st.none() | st.floats(0, 10**9)),
    "limit_uses": st.builds(MemberUses, id=words, member_id=words, total=fen,
                            days=st.dictionaries(st.just("2026-03-02"), fen)),
    "coupon_templates": st.builds(CouponTemplate, id=words, name=words, terms=terms,
                                  valid_days=st.integers(1, 400)),
    "scenes": st.builds(Scene, id=words, store_id=words, kind=st.just("table"), template_id=words),
    "payments": st.builds(Payment, id=words, order_id=words, member_id=words, attempt=fen,
                          amount_fen=st.integers(1, 10**8), expires_at=moments, created_at=moments),
    "refunds": st.builds(Refund, id=words, kind=st.just("order"), order_id=words, member_id=words,
                         amount_fen=fen, reason=words, actor=words, created_at=moments),
    "discrepancies": st.builds(
        Discrepancy, id=words, source=st.just("bill"), kind=words, reference=words,
        first_at=moments, last_at=moments,
        expected=st.none() | words | fen | st.booleans(), found=st.none() | words | fen),
    "bill_runs": st.builds(BillRun, id=words, mchid=words, day=words, tried_at=moments),
    "shares": st.builds(
        Share, status=st.just("finished"), id=words, member_id=words,
        out_trade_no=words, transaction_id=words, mchid=words,
        paid_fen=st.integers(1, 10**8), fee_fen=fen, kept_fen=st.integers(-10**8, 10**8),
        parts=st.lists(max_size=2, elements=st.builds(
            SharePart, account=words, type=st.just("MERCHANT_ID"), role=st.just("store"),
            planned_fen=fen, amount_fen=fen)),
        terms=st.just(ShareTerms()), out_order_no=words, not_before=moments,
        look_at=st.none() | moments),
    "share_rules": st.builds(
        ShareRules, id=words, revision=st.integers(1, 10**6),
        receivers=st.just([Receiver(account="a", name="某", relation_type="STORE")])),
    "earning_rules": st.builds(
        EarningRule, id=words, revision=st.integers(1, 10**6), name=st.just("双倍"),
        kind=st.just("multiplier"), multiplier_bp=st.integers(10_001, 10**6),
        valid_from=st.none() | st.dates(), birthday=st.sampled_from([None, "day", "month"])),
    "platform_certificates": st.builds(
        PlatformCertificate, id=words, pem=words, expires_at=moments),
    "tier_changes": st.builds(TierChange, id=words, member_id=words, before=words, after=words,
                              spend_fen=fen, rules_revision=fen, at=moments),
    "notices": st.builds(Notice, id=words, member_id=words, kind=st.just("tier-keep"),
                         for_day=words, data=st.dictionaries(st.just("by"), words | fen),
                         at=moments),
    "tier_runs": st.builds(TierRun, id=words, revision=fen, started_at=moments, members=fen,
                           cursor=words, ended_at=st.none() | moments),
    "rules": st.sampled_from(
        [default_rules(), YEARLY_RULES, PointsRules(), RefundRules(), default_stacking(),
         MessageRules(), ReferralRules()]),
    "features": st.builds(
        Features, id=words, orders=fen, spend_fen=fen, first_order_at=st.none() | moments,
        visits=st.dictionaries(st.just("o1"), st.builds(
            Visit, at=moments, day=words, hour=st.integers(0, 23), fen=fen,
            categories=st.dictionaries(st.just("tea"), fen))), tags=st.lists(words)),
    "consents": st.builds(
        Consent, id=words, member_id=words, n=st.integers(1, 9), given=st.booleans(),
        purpose=st.just("marketing"), text_version=words, at=moments),
    "campaigns": st.integers(1, 10**6).map(lambda n: campaign(revision=n)),
    "campaign_states": st.builds(
        CampaignState, id=words, revision=fen, salt=words, started_at=st.none() | moments,
        planned_to=st.none() | words, checked=st.none() | fen),
    "campaign_runs": st.builds(
        Run, id=words, campaign_id=words, day=words, part=fen, low=words, high=words,
        due_at=moments, counts=st.dictionaries(st.just("a"), fen)),
    "campaign_waiting": st.builds(Waiting, id=words, campaign_id=words, member_id=words,
                                  occasion=words, due_at=moments),
    "exposures": st.builds(
        Exposure, id=words, campaign_id=words, revision=fen, member_id=words, occasion=words,
        at=moments, day=words, group=words, place=st.none() | words, title=st.none() | words,
        push=st.sampled_from([None, "due", "sent"]), opened_at=st.none() | moments),
    "deliveries": st.builds(Delivery, id=words, campaign_id=words, revision=fen, since=moments,
                            exposure_ids=st.lists(words, max_size=3)),
    "subscriptions": st.builds(Subscription, id=words, member_id=words, template_id=words, left=fen,
                               prompts=st.lists(words, max_size=3)),
    "weather_days": st.builds(
        WeatherDay, id=words, store_id=words, day=words, at=moments, rain_mm=st.floats(0, 500),
        high_c=st.floats(-50, 60), low_c=st.floats(-50, 60)),
    "positions": st.builds(Position, id=words, cell=words, at=moments, delete_at=moments),
    "arrivals": st.builds(Arrival, id=words, member_id=words, store_id=words, day=words,
                          place=words, at=moments),
    "referral_codes": st.builds(ReferralCode, id=words, member_id=words),
    "referrals": st.builds(
        Referral, id=words, inviter_id=words, code=words, bound_at=moments, terms=st.builds(
            ReferralTerms, inviter_points=fen, invited_points=fen, rules_revision=fen),
        seq=st.none() | st.integers(1, 10**6), place=st.none() | words,
        look_at=st.none() | moments),
    "staff": st.builds(
        StaffMember, id=words, name=words, role=st.sampled_from(["owner", "cashier"]),
        store_ids=st.lists(words, max_size=3), password_hash=words, totp_secret=words,
        totp_step=fen, created_at=moments, revision=fen),
    "staff_sessions": st.builds(StaffSession, id=words, staff_id=words, began_at=moments,
                                seen_at=moments, expires_at=moments),
    "staff_changes": st.builds(
        Change, id=words, at=moments, staff_id=words, role=st.just("owner"), route=words,
        target=words, before=st.none() | st.dictionaries(st.just("a"), fen),
        outcome=st.none() | words),
    "orders": st.builds(lambda i: Order.model_validate(paid_order(i, "m")), words),
}  # fmt: skip


@pytest.mark.hypothesis
@pytest.mark.parametrize("collection", MODELS)
def test_a_stored_document_is_read_as_it_was_written(database: Database, collection: str) -> None:
    @given(MODELS[collection])
    @settings(max_examples=examples(12), suppress_health_check=[HealthCheck.too_slow])
    def survives(written: Stored) -> None:
        stored = database.collection(collection)
        stored.delete_many({})
        stored.insert_one(written.document())
        read = type(written).model_validate(stored.find_one({}))
        assert read == written

    survives()
