"""Everything that the product may store of one member, with values that can be recognised."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from chain_data import Shop, item
from huitou.coupons.codes.models import CodesRequest, MakeCodesRequest
from huitou.coupons.codes.service import Codes
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.growth.geofence.models import ArrivalRules, PositionRequest
from huitou.growth.geofence.service import Geofence
from huitou.growth.referrals.binding_service import Binding
from huitou.growth.referrals.repository import ReferralRepository
from huitou.growth.referrals.service import Referrals
from huitou.loyalty.adjustments.models import AdjustPointsRequest, DecideAdjustmentRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.loyalty.earning.service import Bonuses
from huitou.loyalty.holds.service import Holds
from huitou.loyalty.notices.service import Notices
from huitou.loyalty.rewards.models import ExchangeRequest
from huitou.loyalty.rewards.service import Mall
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.deliveries.models import Exposure
from huitou.marketing.deliveries.repository import ExposureRepository
from huitou.marketing.features.models import TagRequest
from huitou.marketing.features.service import FeatureBook
from huitou.members.consents.models import ConsentRequest
from huitou.members.consents.service import Consents
from huitou.members.messaging.models import SubscribedRequest
from huitou.members.messaging.service import Messages
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.operations.audit_log.service import Changes
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.merges.models import DecideMergeRequest
from huitou.operations.merges.service import Merges
from huitou.operations.staff.models import StaffMember
from huitou.ordering.orders.models import InvoiceRequest
from huitou.payments.refunds.models import AskRefundRequest, DecideRefundRequest
from huitou.promotions.offers.models import Limits
from huitou.promotions.quotas.models import Use
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.database import Database, Document
from huitou.runtime.identity import Caller
from merging import wish
from paying import PayingShop

KEY = b"k" * 32
PHONE = "13987654321"
ADDRESS = "203.0.113.77"
# What the member or staff typed, by what it is.
VALUES = {
    "nickname": "爱丽丝某某",
    "birthday": "1990-05-17",
    "phone": PHONE,
    "name": "收件人某某",
    "address": "某某路一百零七号",
    "title": "某某个人抬头",
    "tax number": "91310000MA1K35XX7Q",
    "e-mail": "somebody@example.test",
    "tag": "sweet-tooth",
    "reason of a refund": "退款原因某某",
    "reason of an adjustment": "补分原因某某",
    "reason of its decision": "复核原因某某",
    "reason of a coupon": "发券原因某某",
    "reason of taking it back": "收券原因某某",
    "reason of a referral": "邀请原因某某",
    "reason of a merge": "合并原因某某",
}


class Numbers:
    """Knows the phone number behind every code."""

    def phone_number(self, code: str) -> str:
        return f"+86{code}"


def live(shop: PayingShop, name: str, *, phone: str = PHONE) -> str:
    """Register a member and let everything happen to them that leaves a document."""
    database, clock = shop.database, shop.clock
    inviter = shop.register(f"inviter of {name}")
    referrals = Referrals(database, clock, "huitou")
    binding = Binding(database, clock)
    caller = Caller(name, shop.keys.appid, None, ADDRESS)
    scene = f"r-{referrals.personal_code(inviter)}"
    member_id = str(shop.members.login(caller, scene, KEY, binding.bind_inviter)["member_id"])
    binding.note_risk_rank(member_id, 3)
    found = ReferralRepository(database).find(member_id)
    assert found
    decision = {
        "approve": True,
        "actor": "ann",
        "reason": VALUES["reason of a referral"],
        "at": clock.now(),
    }
    ReferralRepository(database).put(found, decision=decision)
    friend = f"r-{referrals.personal_code(member_id)}"
    shop.members.login(
        Caller(f"friend of {name}", shop.keys.appid), friend, KEY, binding.bind_inviter
    )
    _profile(shop, member_id, phone)
    _visit(shop, member_id)
    _order(shop, member_id, name)
    _points(shop, member_id)
    _coupons(shop, member_id, name)
    _marketing(database, shop, member_id)
    _refused_merge(shop, member_id, inviter)
    return member_id


def _refused_merge(shop: Shop, member_id: str, other: str) -> None:
    """Somebody asks to merge the member into another one; nobody is convinced."""
    merges, merge_id = Merges(shop.database, shop.clock, "huitou"), f"refused-{member_id}"
    merges.merge_members(wish(member_id, other, merge_id, reason=VALUES["reason of a merge"]))
    merges.decide_merge(DecideMergeRequest(merge_id=merge_id, approve=False, actor="bob"))


def _profile(shop: PayingShop, member_id: str, phone: str) -> None:
    shop.members.bind_phone(member_id, phone, Numbers(), KEY)  # type: ignore[arg-type]
    update = {"nickname": VALUES["nickname"], "birthday": VALUES["birthday"]}
    request = UpdateProfileRequest.model_validate(update, strict=False)
    shop.members.update_profile(member_id, request)
    shop.members.issue_welcome_coupon(member_id, "table-jingan")
    for purpose in ("marketing", "precise_location"):
        Consents(shop.database, shop.clock).record_consent(
            member_id,
            ConsentRequest.model_validate({"purpose": purpose, "given": True, "text_version": "1"}),
        )
    answers = [{"template_id": "T1", "result": "accept"}]
    Messages(shop.database).record_subscriptions(
        member_id, SubscribedRequest.model_validate({"prompt_id": "p1", "answers": answers})
    )


def _visit(shop: Shop, member_id: str) -> None:
    rules = ArrivalRules.model_validate({"offers": [{"template_id": "mall-10-3"}]})
    Maintenance(shop.database, shop.clock).load_chain(LoadRequest(arrival_rules=rules))
    shop.database.cache.clear()
    jingan = {"lat": 31.2243, "lng": 121.4468, "system": "GCJ-02", "accuracy_m": 10.0}
    here = jingan | {"at": shop.clock.now()}
    Geofence(shop.database, shop.clock, "huitou").check_position(
        member_id, PositionRequest.model_validate(here)
    )


def _order(shop: PayingShop, member_id: str, name: str) -> None:
    delivery = {"name": VALUES["name"], "phone": PHONE, "address": VALUES["address"]}
    order = shop.bought(member_id, name, items=[item(40)], mode="delivery", delivery=delivery)
    shop.settlement.settle_order(order.id)
    invoice = {
        "title": VALUES["title"],
        "tax_number": VALUES["tax number"],
        "email": VALUES["e-mail"],
    }
    shop.fulfilment.ask_invoice(member_id, InvoiceRequest(order_id=order.id, **invoice))
    for step in ("accepted", "preparing", "ready", "delivering", "picked_up", "completed"):
        shop.fulfilment.take_step(order.id, step, "till-1")  # type: ignore[arg-type]
    own = shop.orders.own_order(member_id, order.id)
    asked = AskRefundRequest.model_validate(
        {
            "order_id": order.id,
            "lines": [{"line": 0, "quantity": 1}],
            "reason": VALUES["reason of a refund"],
        }
    )
    refund = shop.refunds.ask_refund(own, asked)
    shop.refunds.decide_refund(
        DecideRefundRequest(refund_id=refund.id, approve=True, actor="ann", role="finance")
    )
    shop.let_happen()
    shop.settlement.settle_order(order.id)
    Tiers(shop.database, shop.clock).evaluate_member(member_id)


def _points(shop: Shop, member_id: str) -> None:
    adjustments = Adjustments(shop.database, shop.clock)
    name = secrets.token_hex(6)
    asked = AdjustPointsRequest.model_validate(
        {
            "adjustment_id": name,
            "member_id": member_id,
            "points": 3_000,
            "actor": "ann",
            "role": "manager",
            "reason": VALUES["reason of an adjustment"],
        }
    )
    adjustments.ask_for_adjustment(asked)
    decided = {
        "adjustment_id": name,
        "approve": True,
        "actor": "bob",
        "role": "finance",
        "reason": VALUES["reason of its decision"],
    }
    adjustments.decide_adjustment(DecideAdjustmentRequest.model_validate(decided))
    ann = StaffMember.model_construct(id="ann", role="owner")
    Changes(shop.database, shop.clock).make_recorded_change(
        ann,
        "members/adjust",
        f"member {member_id}",
        lambda: asked,
        after=lambda made: {"points": made.points, "reason": made.reason},
    )
    Bonuses(shop.database, shop.clock).check_in(member_id)
    holds = Holds(shop.database, shop.clock)
    holds.hold_points(member_id, f"game:{name}", 10, "game")
    holds.commit_points(f"game:{name}")
    holds.hold_points(member_id, f"game:{name}-2", 10, "game")
    items = shop.database.collection("mall_items").find({"listed": True}).sort("points", 1)
    wanted = ExchangeRequest(item_id=items[0]["_id"], exchange_id=f"exchange-{name}")
    Mall(shop.database, shop.clock).exchange_points(member_id, wanted)
    Notices(shop.database, shop.clock).put_notice(
        "points-expiring", member_id, "2027-12-31", {"points": 5}
    )


def _coupons(shop: Shop, member_id: str, name: str) -> None:
    coupons = Coupons(shop.database, shop.clock)
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template = CouponTemplate.model_validate(found)
    issued = [
        coupons.try_issue_coupon(
            template,
            member_id=member_id,
            cause=f"staff:{member_id}:{number}",
            notes={"actor": "ann", "reason": VALUES["reason of a coupon"]},
        )[0]
        for number in range(3)
    ]
    assert issued[0]
    coupons.revoke_coupon(issued[0].id, "ann", VALUES["reason of taking it back"])
    codes = Codes(shop.database, shop.clock, KEY)
    batch = f"batch-{name}"
    codes.make_batch(MakeCodesRequest(batch=batch, template_id="silver-30-8", count=2, actor="ann"))
    code = codes.list_codes(CodesRequest(batch=batch)).codes[0]
    codes.redeem_code(member_id, code)


def _marketing(database: Database, shop: Shop, member_id: str) -> None:
    book = FeatureBook(database, shop.clock)
    book.count_due_orders(5)
    book.tag_members(TagRequest(tag=VALUES["tag"], add=[member_id]))
    now = shop.clock.now()
    ExposureRepository(database).insert(
        [
            Exposure(
                id=f"c1:{member_id}:o1",
                campaign_id="c1",
                revision=1,
                member_id=member_id,
                occasion="o1",
                at=now,
                day="2026-03-02",
                group="a",
                place="2026-03-02#1",
                title="欢迎",
                body="欢迎",
                delivery="done",
            )
        ]
    )
    database.collection("campaign_waiting").insert_one(
        {
            "_id": f"c1:{member_id}:o2",
            "schema": 1,
            "campaign_id": "c1",
            "member_id": member_id,
            "occasion": "o2",
            "due_at": datetime(2026, 4, 1, tzinfo=UTC),
        }
    )
    use = Use(subject="offer:o1", limits=Limits(per_member=3))
    limiter = Limiter(database, shop.clock)
    database.transact(lambda session: limiter.count_uses(member_id, [use], session))


def everything(database: Database) -> Iterator[tuple[str, Document]]:
    """Yield each document of the database with its collection's name."""
    for name in sorted(database.mongo.list_collection_names()):
        for document in database.collection(name).find({"_id": {"$exists": True}}):
            yield name, document


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) of each text in a document; keys of maps are texts, too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield path, str(key)
            yield from strings(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, path)
    elif isinstance(value, str):
        yield path, value
