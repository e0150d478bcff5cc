"""A test's own dishes, offers and coupons, and the price of carts with them."""

from __future__ import annotations

from typing import Any

from chain_data import Shop
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.quote_models import QuoteRequest
from huitou.ordering.quotes.models import Price
from huitou.promotions.offers.models import Offer, StackingRules
from huitou.promotions.offers.service import Offers

HOME = {"name": "小李", "phone": "13800000000", "address": "南京西路 1 号"}


def dishes(shop: Shop, category: str = "奶茶", **prices: int) -> None:
    """Give 静安店 dishes with these prices, each with one 规格."""
    Maintenance(shop.database, shop.clock).load_chain(
        LoadRequest.model_validate(
            {
                "dishes": [
                    {
                        "_id": name,
                        "brand_id": "huitou",
                        "name": name,
                        "category": category,
                        "skus": [{"sku_id": "m", "name": "", "price_fen": fen}],
                    }
                    for name, fen in prices.items()
                ],
                "store_dishes": [
                    {"_id": f"jingan:{name}", "store_id": "jingan", "dish_id": name}
                    for name in prices
                ],
            }
        )
    )
    shop.database.cache.clear()


def offers(
    shop: Shop, *wanted: dict[str, Any], stacking: list[dict[str, Any]] | None = None
) -> None:
    tree = StackingRules.model_validate({"revision": 2, "groups": stacking}) if stacking else None
    made = [
        Offer.model_validate(
            {
                "name": one["_id"],
                "group": "activity",
                **one,
                "terms": {"base": "list", **one["terms"]},
            }
        )
        for one in wanted
    ]
    Offers(shop.database, shop.clock).put_offers(made, tree)
    shop.database.cache.clear()


def coupon(shop: Shop, member_id: str, template: str, **terms: Any) -> str:
    made = CouponTemplate.model_validate(
        {"_id": template, "name": template, "valid_days": 7, "terms": terms}
    )
    coupons = Coupons(shop.database, shop.clock)
    coupons.put_templates([made], [])
    issued = coupons.issue_coupon(made, member_id=member_id, cause=f"{template}:{member_id}")
    assert issued
    return issued.id


def silver(shop: Shop, name: str) -> str:
    member_id = shop.register(name)
    shop.database.collection("accounts").update_one(
        {"_id": member_id}, {"$set": {"tier.level": "silver", "tier.rules_revision": 1}}
    )
    return member_id


def price(shop: Shop, member_id: str, *rows: tuple[str, int], **cart: Any) -> Price:
    items = [{"dish_id": dish, "sku_id": "m", "quantity": pieces} for dish, pieces in rows]
    asked = QuoteRequest.model_validate({"store_id": "jingan", "items": items, **cart})
    found = shop.orders.quote_cart(member_id, asked).price
    assert found.exact
    return found
