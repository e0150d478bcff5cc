"""A chain with a store for each kind of profit sharing: none, direct, partner and brand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chain_data import item
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from paying import PayingShop

STORES = ("jingan", "xujiahui", "wujiaochang", "partner")  # none, direct, brand, partner
MOVING = (
    "members", "identities", "logins", "accounts", "points_entries", "tier_changes", "coupons",
    "orders", "pickup_numbers", "payments", "refunds", "shares", "share_rules", "share_receivers",
    "discrepancies", "rule_revisions",
)  # fmt: skip
COUPONS_EACH = 4
_FRANCHISEE, _PLATFORM = "1900000109", "1900000110"
_OPEN = {"hours": [{"opens": "00:00", "closes": "00:00"}]}


def clear(shop: PayingShop, moment: datetime) -> None:
    """Delete everything but the stores, the menu and the rules, and set the clock."""
    for name in MOVING:
        shop.database.collection(name).delete_many({})
    shop.wechat.forget_everything()
    shop.wechat.reset()
    shop.vendor_acts().clear()
    shop.clock.moment = moment
    stores, dishes = shop.database.collection("stores"), shop.database.collection("store_dishes")
    if stores.find_one({"_id": "partner"}) is None:
        for found in list(stores.find({"_id": "jingan"})):
            stores.insert_one(found | {"_id": "partner"})
        for found in list(dishes.find({"store_id": "jingan"})):
            dishes.insert_one(found | {"_id": f"partner:{found['dish_id']}", "store_id": "partner"})
        for store_id in STORES:
            stores.update_one({"_id": store_id}, {"$set": _OPEN})
        for store_id in ("partner", "wujiaochang"):
            stores.update_one({"_id": store_id}, {"$set": {"sub_mchid": "1900000999"}})
        # Points may pay for a whole order.
        shop.database.collection("rules").update_one(
            {"_id": "points"}, {"$set": {"max_order_share_bp": 10_000}}
        )
    open_stores(shop, 2_000)


def open_stores(shop: PayingShop, ratio_bp: int) -> None:
    """Set the stores' sharing rules from now on; they replace the earlier ones."""
    rules = shop.database.collection("share_rules")
    terms: list[dict[str, Any]] = [
        {"account": _FRANCHISEE, "role": "franchisee", "ratio_bp": ratio_bp},
        {"account": _PLATFORM, "role": "platform", "ratio_bp": 300},
    ]
    fixed = [terms[0], {"account": _PLATFORM, "role": "platform", "fixed_fen": 100, "cap_fen": 90}]
    for store_id, shared, more in (
        ("xujiahui", terms, {}),
        ("partner", fixed, {}),
        ("wujiaochang", terms, {"brand_mchid": "1900000777"}),
    ):
        revision = (rules.find_one({"_id": store_id}) or {"revision": 0})["revision"] + 1
        relations = ("DISTRIBUTOR", "PLATFORM") if more else ("STORE_OWNER", "HEADQUARTER")
        receivers = [
            {"account": account, "name": f"某某{account}有限公司", "relation_type": relation}
            for account, relation in zip((_FRANCHISEE, _PLATFORM), relations, strict=True)
        ]
        shop.allocate(store_id, revision=revision, terms=shared, receivers=receivers, **more)
    shop.forget()


def welcome(shop: PayingShop, member_id: str, name: str) -> list[str]:
    """Let a guest place a large order, and give them coupons; returns the coupons."""
    assert shop.bought(member_id, name, items=[item(99, "beef-noodles", "l")]).status == "paid"
    for order_id in list(shop.settlement.due_orders()):
        shop.settlement.settle_order(order_id)
    found = shop.database.collection("coupon_templates").find_one({"_id": "silver-30-8"})
    template = CouponTemplate.model_validate(found)
    issued = [
        Coupons(shop.database, shop.clock).issue_coupon(
            template, member_id=member_id, cause=f"{name}{n}"
        )
        for n in range(COUPONS_EACH)
    ]
    return [coupon.id for coupon in issued if coupon]
