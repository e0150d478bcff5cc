"""The sample chain: three stores in Shanghai, a menu with 规格, 做法 and 加料, coupons, codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# One store is open all day and night, one by day, one for supper: one always takes orders.
STORES = [
    ("jingan", "静安寺店", "上海市静安区南京西路 1601 号", "00:00", "00:00"),
    ("xujiahui", "徐家汇店", "上海市徐汇区虹桥路 1 号", "09:30", "22:30"),
    ("wujiaochang", "五角场店", "上海市杨浦区邯郸路 600 号", "17:00", "02:00"),
]
PLACES = {"jingan": (31.2243, 121.4468), "xujiahui": (31.1957, 121.4376),
          "wujiaochang": (31.2989, 121.5147)}  # fmt: skip
_CUP = [("m", "中杯", 0), ("l", "大杯", 300)]
_BOWL = [("s", "小份", 0), ("l", "大份", 600)]
_TEA_ADDONS = [("boba", "珍珠", 200), ("coconut", "椰果", 200), ("cheese", "奶盖", 400)]
_NOODLE_ADDONS = [("egg", "卤蛋", 300), ("beef", "加牛肉", 1_200)]
_SUGAR = ["少冰", "去冰", "半糖", "无糖"]
_HOT = ["微辣", "中辣", "不要香菜"]

# dish id, name, category, price in fen, sizes, extras, ways of making
DISHES: list[tuple[str, str, str, int, Any, Any, list[str]]] = [
    ("milk-tea", "招牌奶茶", "奶茶", 1_500, _CUP, _TEA_ADDONS, _SUGAR),
    ("oolong", "桂花乌龙奶茶", "奶茶", 1_700, _CUP, _TEA_ADDONS, _SUGAR),
    ("lemon-tea", "手打柠檬茶", "茶饮", 1_600, _CUP, _TEA_ADDONS[:2], _SUGAR),
    ("beef-noodles", "红烧牛肉面", "面", 3_200, _BOWL, _NOODLE_ADDONS, _HOT),
    ("dandan", "担担面", "面", 2_200, _BOWL, _NOODLE_ADDONS[:1], _HOT),
    ("fried-rice", "扬州炒饭", "饭", 2_400, _BOWL, _NOODLE_ADDONS[:1], []),
    ("fried-chicken", "盐酥鸡", "小吃", 1_800, [("one", "一份", 0)], [], ["不加辣", "加辣"]),
    ("spring-rolls", "炸春卷", "小吃", 1_200, [("one", "一份", 0)], [], []),
    ("salad", "鸡胸沙拉", "轻食", 2_800, [("one", "一份", 0)], _NOODLE_ADDONS[:1], []),
    ("double-skin", "双皮奶", "甜品", 1_400, [("one", "一份", 0)], [], []),
]

TEMPLATES: list[dict[str, Any]] = [
    {"_id": "welcome-20-5", "name": "欢迎券 满20减5", "valid_days": 7, "per_member_limit": 1,
     "terms": {"threshold_fen": 2_000, "off_fen": 500}},
    {"_id": "silver-30-8", "name": "白银礼 满30减8", "valid_days": 30,
     "terms": {"threshold_fen": 3_000, "off_fen": 800}},
    {"_id": "gold-50-15", "name": "黄金礼 满50减15", "valid_days": 30,
     "terms": {"threshold_fen": 5_000, "off_fen": 1_500}},
    {"_id": "back-30-8", "name": "想念券 满30减8", "valid_days": 7,
     "terms": {"threshold_fen": 3_000, "off_fen": 800}},
    {"_id": "birthday-tea", "name": "生日奶茶兑换券", "valid_days": 14,
     "terms": {"kind": "exchange", "price_fen": 0, "scope": {"categories": ["奶茶"]}}},
    {"_id": "rain-tea-3", "name": "热饮暖身券 减3元", "valid_days": 2,
     "terms": {"off_fen": 300, "scope": {"categories": ["奶茶", "茶饮"]}}},
    {"_id": "mall-10-3", "name": "积分兑换券 满10减3", "valid_days": 30,
     "terms": {"threshold_fen": 1_000, "off_fen": 300}},
    {"_id": "mall-40-20", "name": "积分兑换券 满40减20", "valid_days": 30,
     "terms": {"threshold_fen": 4_000, "off_fen": 2_000}},
]  # fmt: skip

TIERS: dict[str, Any] = {
    "_id": "tiers",
    "revision": 1,
    "levels": [
        {"level": "basic", "name": "普通", "spend_fen": 0},
        {"level": "silver", "name": "白银", "spend_fen": 50_000, "discount_bp": 9_000,
         "entry_coupons": ["silver-30-8"]},
        {"level": "gold", "name": "黄金", "spend_fen": 200_000, "discount_bp": 8_800,
         "entry_coupons": ["gold-50-15"]},
    ],
}  # fmt: skip
POINTS: dict[str, Any] = {"_id": "points", "revision": 1}
MALL: list[dict[str, Any]] = [
    {"_id": "off-3", "revision": 1, "name": "满10减3 优惠券", "points": 200,
     "template_id": "mall-10-3"},
    {"_id": "off-20", "revision": 1, "name": "满40减20 优惠券", "points": 1_500,
     "template_id": "mall-40-20", "stock": 500, "per_member": 2},
]  # fmt: skip
CHECK_IN: dict[str, Any] = {
    "_id": "check-in", "revision": 1, "name": "每日签到", "kind": "bonus", "event": "check_in",
    "points": 5,
}  # fmt: skip


# 徐家汇店 is a franchise: the owner's share and the brand's fee are paid out automatically.
# 五角场店 pays the brand a fixed fee per order, at most ¥1.
SHARES: list[dict[str, Any]] = [
    {"_id": "xujiahui", "revision": 1,
     "terms": [
         {"account": "1900000109", "role": "franchisee", "ratio_bp": 2_000},
         {"account": "1900000110", "role": "platform", "ratio_bp": 300},
     ],
     "receivers": [
         {"account": "1900000109", "name": "徐家汇餐饮有限公司", "relation_type": "STORE_OWNER"},
         {"account": "1900000110", "name": "品牌管理有限公司", "relation_type": "HEADQUARTER"},
     ]},
    {"_id": "wujiaochang", "revision": 1,
     "terms": [{"account": "1900000110", "role": "platform", "fixed_fen": 100}],
     "receivers": [
         {"account": "1900000110", "name": "品牌管理有限公司", "relation_type": "HEADQUARTER"},
     ]},
]  # fmt: skip
REFUNDS: dict[str, Any] = {"_id": "refunds", "revision": 1, "cashier_limit_fen": 3_000}


# 徐家汇店 is new and advertises itself: offers that a chain runs beside tiers and coupons.
OFFERS: list[dict[str, Any]] = [
    {"_id": "rolls-flash", "name": "炸春卷秒杀价", "group": "activity", "priority": 10,
     "terms": {"kind": "fixed_price", "price_fen": 600, "base": "list", "most_times": 2,
               "scope": {"dish_ids": ["spring-rolls"]}, "store_ids": ["xujiahui"],
               "exclusive": "item"}},
    {"_id": "second-cup", "name": "奶茶第二杯半价", "group": "activity",
     "terms": {"kind": "nth_item", "nth": 2, "off_bp": 5_000, "base": "list",
               "most_times": 9_999, "scope": {"categories": ["奶茶"]},
               "store_ids": ["xujiahui"], "with_addons": False}},
    {"_id": "noodle-set", "name": "牛肉面双皮奶套餐", "group": "activity",
     "terms": {"kind": "bundle", "price_fen": 3_900, "base": "list", "most_times": 9,
               "slots": [{"scope": {"dish_ids": ["beef-noodles"]}},
                         {"scope": {"dish_ids": ["double-skin"]}}],
               "store_ids": ["xujiahui"], "with_addons": False}},
    {"_id": "fried-happy-hour", "name": "炸物下午 8 折", "group": "member",
     "terms": {"kind": "percent_off", "off_bp": 2_000, "base": "running",
               "scope": {"categories": ["小吃"]}, "store_ids": ["xujiahui"],
               "hours": [{"since": "14:00", "until": "17:00"}]}},
    {"_id": "off-60-6", "name": "满60减6", "group": "reduction", "borne_by": "store",
     "terms": {"kind": "amount_off", "off_fen": 600, "base": "running", "threshold_fen": 6_000,
               "threshold_base": "list", "store_ids": ["xujiahui"]}},
    {"_id": "off-100-15", "name": "满100减15", "group": "reduction", "borne_by": "store",
     "terms": {"kind": "amount_off", "off_fen": 1_500, "base": "running",
               "threshold_fen": 10_000, "threshold_base": "list", "store_ids": ["xujiahui"]}},
]  # fmt: skip


PUSH = "huitou-care"  # The subscription message by which care is pushed.
MESSAGES: dict[str, Any] = {
    "_id": "messages", "revision": 1, "brand_name": "回头小馆",
    "templates": [{"template_id": PUSH, "name": "优惠到账提醒", "fields": [
        {"key": "thing1", "source": "title"}, {"key": "thing2", "source": "body"},
    ]}],
    "pickup_card": {
        "page": "pages/order/index?id={order_id}",
        "dish_image": "https://huitou.example.cn/dish.png",
    },
}  # fmt: skip


# The invitation's picture, which the chain's designer has put into object storage.
POSTERS = {"designs/noodles.png": Path(__file__).with_name("poster.png").read_bytes()}
REFERRALS: dict[str, Any] = {
    "_id": "referrals", "revision": 1,
    "poster": {"background": "designs/noodles.png", "left": 195, "top": 680, "size": 360},
}  # fmt: skip


def _care(
    name: str, title: str, body: str, trigger: dict[str, Any], template_id: str, **more: Any
) -> dict[str, Any]:
    """A campaign of the sample chain; every tenth member is left alone."""
    message = {"title": title, "body": body, "push_template_id": PUSH}
    gift = {"kind": "coupon", "template_id": template_id}
    return {
        "_id": name,
        "name": title,
        "trigger": trigger,
        "valid_from": "2026-03-02",
        "valid_until": "2026-12-31",
        "effect_days": 7,
        "holdout_bp": 1_000,
        "variants": [{"gift": gift, "message": message}],
    } | more


def _birthday() -> dict[str, Any]:
    care = _care(
        "birthday",
        "生日快乐",
        "送您{gift}",
        {"kind": "birthday", "days": 0},
        "birthday-tea",
        priority=90,
    )
    late = {"title": "补祝生日快乐", "body": "生日已过，心意还在：送您{gift}"}
    care["variants"][0]["message"]["late"] = late
    return care


CAMPAIGNS: list[dict[str, Any]] = [
    _birthday(),
    _care("day-3", "三天没见啦", "满30减8，{until}前可用", {"kind": "absent", "days": 3},
          "back-30-8", holdout_bp=2_500),
    _care("day-7", "想念您的味道", "满30减8，{until}前可用", {"kind": "absent", "days": 7},
          "back-30-8", holdout_bp=2_500, priority=60),
    _care("rain", "下雨天，喝点热的", "热饮减 3 元，{until}前可用",
          {"kind": "weather", "weather": "rain"}, "rain-tea-3", priority=30,
          limits={"every_days": 3}),
    _care("supper", "夜宵开锅了", "今晚送您{gift}", {"kind": "daily", "weekdays": [4, 5]},
          "mall-10-3", send_at="21:40", window={"since": "21:00", "until": "23:30"},
          audience={"feature": "night_guest", "is_so": True}, priority=20),
]  # fmt: skip


def scene(store_id: str, kind: str) -> str:
    """Name the code of a store's table stickers or its till."""
    return f"{kind}-{store_id}"


def chain() -> dict[str, Any]:
    """Return the sample chain in the form that `maintenance` loads."""
    return {
        "stores": [
            {
                "_id": store_id,
                "brand_id": "huitou",
                "name": name,
                "address": address,
                "place": {"lat": PLACES[store_id][0], "lng": PLACES[store_id][1]},
                "hours": [{"opens": opens, "closes": closes}],
            }
            for store_id, name, address, opens, closes in STORES
        ],
        "dishes": [
            {
                "_id": dish_id,
                "brand_id": "huitou",
                "name": name,
                "category": category,
                "methods": methods,
                "skus": [
                    {"sku_id": sku, "name": size, "price_fen": fen + more}
                    for sku, size, more in sizes
                ],
                "addons": [
                    {"addon_id": addon, "name": extra, "price_fen": price, "max_quantity": 2}
                    for addon, extra, price in extras
                ],
            }
            for dish_id, name, category, fen, sizes, extras, methods in DISHES
        ],
        "store_dishes": [
            {"_id": f"{store[0]}:{dish[0]}", "store_id": store[0], "dish_id": dish[0]}
            for store in STORES
            for dish in DISHES
        ],
        "coupon_templates": TEMPLATES,
        "scenes": [
            {
                "_id": scene(store[0], kind),
                "store_id": store[0],
                "kind": kind,
                "template_id": "welcome-20-5",
            }
            for store in STORES
            for kind in ("table", "till")
        ],
        "tier_rules": TIERS,
        "points_rules": POINTS,
        "share_rules": SHARES,
        "refund_rules": REFUNDS,
        "message_rules": MESSAGES,
        "referral_rules": REFERRALS,
        "earning_rules": [CHECK_IN],
        "mall_items": MALL,
        "offers": OFFERS,
    }
