"""Amounts of partial refunds: exactly what was paid, never more, in any order and grouping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huitou.ordering.orders.models import GivenBack, LineBack, Order, PendingRefund
from huitou.ordering.orders.rules import with_refunds
from huitou.payments.refunds.errors import RefundErrors
from huitou.payments.refunds.models import RefundLine, RefundRules
from huitou.payments.refunds.rules import (
    amount_back,
    line_paid_fen,
    lines_back,
    may_decide,
    why_not,
    worth_back,
)
from huitou.promotions.discounts.models import Discount, Line
from huitou.promotions.discounts.shares import allocate
from huitou.runtime.errors import Refusal

AT = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def order(lines: list[tuple[int, int]], off_fen: int = 0, **more: object) -> Order:
    """Return an order of (quantity, unit price) lines with one discount spread over them."""
    drawn = [
        Line(
            dish_id=f"d{n}",
            sku_id="m",
            name="x",
            sku_name="m",
            category="tea",
            methods=[],
            addons=[],
            quantity=quantity,
            unit_fen=unit,
            list_fen=quantity * unit,
        )
        for n, (quantity, unit) in enumerate(lines)
    ]
    list_fen = sum(line.list_fen for line in drawn)
    off_fen = min(off_fen, list_fen)
    shares = allocate(off_fen, [line.list_fen for line in drawn])
    discount = Discount(
        kind="coupon", source_id="c", revision=1, amount_fen=off_fen, by_line_fen=shares
    )
    fields = {
        "id": "o1",
        "brand_id": "b",
        "member_id": "m",
        "request_digest": "",
        "status": "paid",
        "business_day": "2026-03-02",
        "created_at": AT,
        "paid_at": AT,
        "lines": drawn,
        "list_fen": list_fen,
        "discounts": [discount],
        "payable_fen": list_fen - off_fen,
    }
    return Order.model_validate(fields | more)


def with_refund(
    before: Order, refund_id: str, lines: list[LineBack], fen: int, *, done: bool
) -> Order:
    pending = PendingRefund(refund_id=refund_id, amount_fen=fen, lines=lines)
    if done:
        back = GivenBack(**pending.model_dump(), at=AT)
        return with_refunds(before, {"refunds": [*before.refunds, back]})[0]
    return with_refunds(before, {"refunding": [*before.refunding, pending]})[0]


carts = st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5_000)), min_size=1, max_size=5)


@given(cart=carts, off=st.integers(0, 20_000), data=st.data())
def test_refunds_of_all_pieces_add_up_to_what_was_paid(
    cart: list[tuple[int, int]], off: int, data: st.DataObject
) -> None:
    now, back_fen, number = order(cart, off), [0] * len(cart), 0
    left = [quantity for quantity, _ in cart]
    while any(left):
        line = data.draw(st.sampled_from([n for n, pieces in enumerate(left) if pieces]))
        pieces = data.draw(st.integers(1, left[line]))
        wanted = lines_back(now, [RefundLine(line=line, quantity=pieces)])
        each = line_paid_fen(now, line) / cart[line][0]
        assert abs(wanted[0].amount_fen - each * pieces) < pieces + 1
        back_fen[line] += wanted[0].amount_fen
        left[line] -= pieces
        number += 1
        fen = wanted[0].amount_fen
        if fen:
            assert amount_back(now, wanted, None) == fen
        now = with_refund(now, f"r{number}", wanted, fen, done=data.draw(st.booleans()))
    assert back_fen == [line_paid_fen(now, n) for n in range(len(cart))]
    assert now.left_fen == 0


@given(
    cart=carts,
    off=st.integers(0, 20_000),
    parts=st.lists(st.tuples(st.integers(1, 4_000), st.booleans()), max_size=6),
)
def test_refunded_amounts_never_exceed_the_order_and_the_rest_can_be_refunded(
    cart: list[tuple[int, int]], off: int, parts: list[tuple[int, bool]]
) -> None:
    now = order(cart, off)
    for number, (fen, done) in enumerate(parts):
        if fen > now.left_fen:
            with pytest.raises(Refusal) as refused:
                amount_back(now, [], fen)
            assert refused.value.code is RefundErrors.REFUND_TOO_MUCH
            continue
        back = amount_back(now, [], fen)
        assert back == fen
        now = with_refund(now, f"r{number}", [], back, done=done)
        assert 0 <= now.left_fen <= now.payable_fen
    if now.left_fen:
        assert amount_back(now, [], None) == now.left_fen


def test_after_a_partial_refund_the_kitchen_goes_on_and_a_full_one_stops_it() -> None:
    cooking = order([(2, 1_000)], status="preparing")
    one = lines_back(cooking, [RefundLine(line=0, quantity=1)])
    partly = with_refund(cooking, "r1", one, 1_000, done=False)
    assert (partly.status, partly.refund_status) == ("preparing", "refunding")
    wholly = with_refund(partly, "r2", one, 1_000, done=False)
    assert (wholly.status, wholly.refund_status) == ("refunding", "refunding")
    # WeChat Pay closes the second one for good: the kitchen goes on.
    back, words = with_refunds(wholly, {"refunding": wholly.refunding[:1]})
    assert (back.status, back.before_refund, words) == ("preparing", None, ["preparing"])
    first = GivenBack(**partly.refunding[0].model_dump(), at=AT)
    done, words = with_refunds(back, {"refunding": [], "refunds": [first]})
    assert (done.status, done.refund_status) == ("preparing", "partially_refunded")
    assert words == ["partially_refunded"]


def test_a_free_order_can_be_refunded_once() -> None:
    free = order([(1, 1_000)], 1_000)
    assert amount_back(free, [], None) == 0
    pending = with_refund(free, "r1", [], 0, done=False)
    assert pending.status == "refunding"
    back = GivenBack(**pending.refunding[0].model_dump(), at=AT)
    done, words = with_refunds(pending, {"refunding": [], "refunds": [back]})
    assert (done.status, done.refund_status, words) == ("refunded", "refunded", ["refunded"])


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([RefundLine(line=1, quantity=1)], "lines.0.line"),
        ([RefundLine(line=0, quantity=3)], "lines.0.quantity"),
        ([RefundLine(line=0, quantity=1), RefundLine(line=0, quantity=1)], "lines.1.line"),
    ],
)
def test_pieces_that_werent_bought_are_refused_with_the_fields_name(
    lines: list[RefundLine], field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        lines_back(order([(2, 1_000)]), lines)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "paid_fen", "parts", "worth"),
    [
        ("coupon", 3_000, [1_000, 2_000], [1_000, 3_000]),  # The coupon comes with the last fen.
        ("points", 3_000, [1_000, 2_000], [1_333, 2_667]),  # Points come in proportion.
        ("coupon", 0, [0], [4_000]),
        ("points", 0, [0], [4_000]),
        ("offer", 3_000, [3_000], [3_000]),  # An activity takes nothing that could come back.
    ],
)
def test_a_refund_counts_with_the_points_and_coupons_that_come_back(
    kind: str, paid_fen: int, parts: list[int], worth: list[int]
) -> None:
    found = order([(4, 1_000)], 4_000 - paid_fen)
    kinds = [one.model_copy(update={"kind": kind}) for one in found.discounts]
    found = found.model_copy(update={"discounts": kinds})
    total = 0
    for number, (fen, expected) in enumerate(zip(parts, worth, strict=True)):
        total += expected
        assert worth_back(found, fen) == (expected, total)
        rules = RefundRules(cashier_limit_fen=total - 1, manager_limit_fen=total)
        assert not may_decide(rules, "cashier", found, fen, AT)
        assert may_decide(rules, "manager", found, fen, AT)
        found = with_refund(found, f"r{number}", [], fen, done=False)


def test_several_small_refunds_count_as_one_large_one() -> None:
    rules = RefundRules(cashier_limit_fen=1_500, manager_limit_fen=3_000)
    fresh = order([(4, 1_000)])
    assert may_decide(rules, "cashier", fresh, 1_500, AT)
    once = with_refund(fresh, "r1", [], 1_000, done=False)
    assert not may_decide(rules, "cashier", once, 600, AT)
    assert may_decide(rules, "manager", once, 2_000, AT)
    assert not may_decide(rules, "manager", once, 2_001, AT)
    assert may_decide(rules, "finance", once, 3_000, AT)
    assert not may_decide(rules, "member", once, 1, AT)


def test_after_the_window_only_finance_decides_and_after_a_year_nobody() -> None:
    done = order([(1, 1_000)], status="completed", completed_at=AT)
    late = AT + timedelta(hours=25)
    assert may_decide(RefundRules(), "manager", done, 1_000, AT + timedelta(hours=24))
    assert not may_decide(RefundRules(), "manager", done, 1_000, late)
    assert may_decide(RefundRules(), "finance", done, 1_000, late)
    assert why_not(done, AT + timedelta(days=365)) is None
    assert why_not(done, AT + timedelta(days=366)) is RefundErrors.REFUND_TOO_LATE


def test_an_order_can_have_fifty_refunds() -> None:
    many = order([(1, 10_000)])
    for number in range(50):
        assert why_not(many, AT) is None
        many = with_refund(many, f"r{number}", [], 10, done=number % 2 == 0)
    assert why_not(many, AT) is RefundErrors.REFUND_ASKED_OFTEN
