"""The price of a cart is exact and explained, and never negative."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_data import NOON
from huitou.catalog.menu.models import Addon, OfferedDish, Sku
from huitou.catalog.stores.models import Store
from huitou.coupons.issuing.models import Coupon
from huitou.coupons.issuing.rules import rule_for
from huitou.loyalty.tiers.models import Level
from huitou.ordering.quotes.models import CartItem, MemberOffer, Price, PriceInputs
from huitou.ordering.quotes.rules import cart_lines, price, priced_lines
from huitou.ordering.quotes.service import weigh
from huitou.promotions.discounts.models import Line
from huitou.promotions.discounts.shares import allocate
from huitou.promotions.offers.models import Terms, default_stacking
from huitou.promotions.offers.rules import Compiled
from huitou.runtime.errors import Refusal

TEA = OfferedDish(
    dish_id="tea",
    name="奶茶",
    category="milk_tea",
    skus=[Sku(sku_id="m", name="中杯", price_fen=1_500)],
    methods=["少冰"],
    addons=[Addon(addon_id="boba", name="珍珠", price_fen=200, max_quantity=2)],
    sold_out=False,
)
BASIC = Level(level="basic", name="普通", spend_fen=0)
SILVER = Level(level="silver", name="白银", spend_fen=50_000, discount_bp=9_000)


def line(list_fen: int) -> Line:
    return Line(
        dish_id="d",
        sku_id="s",
        name="",
        sku_name="",
        category="",
        methods=[],
        addons=[],
        quantity=1,
        unit_fen=list_fen,
        list_fen=list_fen,
    )


def coupon(threshold_fen: int, off_fen: int) -> Coupon:
    return Coupon(
        id="c",
        member_id="m",
        template_id="t",
        template_revision=3,
        name="券",
        cause="x",
        terms=Terms(threshold_fen=threshold_fen, off_fen=off_fen),
        issued_at=NOON,
        valid_until=NOON + timedelta(days=1),
    )


def test_a_line_costs_its_sku_and_addons_times_the_quantity() -> None:
    cart = [
        CartItem.model_validate(
            {
                "dish_id": "tea",
                "sku_id": "m",
                "quantity": 3,
                "methods": ["少冰"],
                "addons": [{"addon_id": "boba", "quantity": 2}],
            }
        )
    ]
    assert [row.list_fen for row in priced_lines(cart, {"tea": TEA})] == [3 * (1_500 + 2 * 200)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dish_id": "soup"}, "items.0.dish_id"),
        ({"sku_id": "xl"}, "items.0.sku_id"),
        ({"methods": ["去冰"]}, "items.0.methods"),
        ({"addons": [{"addon_id": "gold"}]}, "items.0.addons.0.addon_id"),
        ({"addons": [{"addon_id": "boba", "quantity": 3}]}, "items.0.addons.0.quantity"),
        ({"addons": [{"addon_id": "boba"}, {"addon_id": "boba"}]}, "items.0.addons.1.addon_id"),
    ],
)
def test_a_cart_field_that_is_not_on_the_menu_is_refused_by_name(
    change: dict[str, object], field: str
) -> None:
    cart = [CartItem.model_validate({"dish_id": "tea", "sku_id": "m", "quantity": 1} | change)]
    with pytest.raises(Refusal) as refused:
        priced_lines(cart, {"tea": TEA})
    assert refused.value.field == field


def priced(lines: list[Line], level: Level = BASIC, *held: Coupon, points: int = 0) -> Price:
    """Price lines as for a chain without any offers."""
    inputs = PriceInputs(
        day=date(2026, 3, 2),
        clock="12:00",
        store_id="s",
        mode="dine_in",
        channel="mini_program",
        level=level,
        tier_rules_revision=1,
        first_order=False,
        stacking_revision=1,
    )
    store = Store(id="s", brand_id="b", name="s", hours=[])
    rules = [rule_for(one, NOON, store) for one in held]
    outcome = weigh(cart_lines(lines), inputs, Compiled([], default_stacking()), rules)
    return price(lines, outcome, MemberOffer(level=level, tier_rules_revision=1, points=points))


def test_tier_coupon_and_points_are_each_taken_off_what_is_left() -> None:
    found = priced([line(3_333), line(1_001)], SILVER, coupon(3_000, 800), points=100)
    amounts = {discount.kind: discount.amount_fen for discount in found.discounts}
    assert amounts == {"tier": 433, "coupon": 800, "points": 100}  # 4,334 × 10 % rounds down
    assert found.payable_fen == 4_334 - 433 - 800 - 100


def test_a_coupon_worth_more_than_the_order_makes_the_order_free() -> None:
    assert priced([line(1_200)], BASIC, coupon(0, 5_000)).payable_fen == 0


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=12).filter(sum),
    st.floats(0, 1),
)
def test_allocation_is_exact_and_never_takes_more_than_a_line_costs(
    weights: list[int], share: float
) -> None:
    total = int(sum(weights) * share)
    shares = allocate(total, weights)
    assert sum(shares) == total
    assert all(0 <= part <= weight for part, weight in zip(shares, weights, strict=True))


@given(
    st.lists(st.integers(0, 50_000), min_size=1, max_size=8),
    st.integers(1, 10_000),
    st.integers(1, 30_000),
)
def test_lines_and_discounts_always_add_up_to_the_payable(
    fens: list[int], discount_bp: int, off_fen: int
) -> None:
    level = Level(level="x", name="", spend_fen=0, discount_bp=discount_bp)
    found = priced([line(fen) for fen in fens], level, coupon(0, off_fen))
    assert found.payable_fen == sum(fens) - sum(d.amount_fen for d in found.discounts) >= 0
    for number, fen in enumerate(fens):
        assert fen >= sum(discount.by_line_fen[number] for discount in found.discounts)
    assert all(sum(d.by_line_fen) == d.amount_fen for d in found.discounts)


def test_a_tier_of_90_percent_takes_a_tenth_rounded_down() -> None:
    off = [
        sum(d.amount_fen for d in priced([line(fen)], SILVER).discounts)
        for fen in (0, 9, 10, 1_999)
    ]
    assert off == [0, 0, 1, 199]
