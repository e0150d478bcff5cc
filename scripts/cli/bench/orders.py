"""Paid orders in bulk for benchmarks: copies of one order with different ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cli.bench import insert_quickly
from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.points.models import Account
from huitou.members.profiles.models import Member
from huitou.ordering.orders.models import Order, Tender
from huitou.promotions.discounts.models import Line
from huitou.runtime.database import Database

DAY = "2026-05-20"
AT = datetime(2026, 5, 20, 4, 0, tzinfo=UTC)


def paid_order(order_id: str, member_id: str) -> dict[str, Any]:
    """Return a stored order of two lines, paid and due for settlement."""
    line = Line(
        dish_id="milk-tea",
        sku_id="l",
        name="招牌奶茶",
        sku_name="大杯",
        category="milk_tea",
        methods=["少冰"],
        addons=[],
        quantity=2,
        unit_fen=1_800,
        list_fen=3_600,
    )
    return Order(
        id=order_id,
        brand_id="huitou",
        store_id="jingan",
        member_id=member_id,
        request_digest="",
        mode="dine_in",
        status="paid",
        business_day=DAY,
        created_at=AT,
        expires_at=AT + timedelta(minutes=15),
        lines=[line, line],
        list_fen=7_200,
        discounts=[],
        payable_fen=7_200,
        tenders=[Tender(kind="wechat_pay", amount_fen=7_200, transaction_id=order_id)],
        terms=EarningTerms(
            tier="basic", tier_rules_revision=1, points_rules_revision=1, fen_per_point=100
        ),
        paid_at=AT,
        settlement="due",
    ).document()


def register_members(database: Database, member_ids: list[str]) -> None:
    """Insert members as they are after their first log-in."""
    first = Member(id="m", brand_id="huitou", registered_at=AT, registered_day=DAY).document()
    documents = [first | {"_id": member_id} for member_id in member_ids]
    insert_quickly(database, "members", documents)


def open_accounts(database: Database, member_ids: list[str]) -> None:
    """Register members, and insert an empty account for each."""
    register_members(database, member_ids)
    accounts = [Account(id=member_id).document() for member_id in member_ids]
    insert_quickly(database, "accounts", accounts)
