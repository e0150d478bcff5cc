"""What refunds leave of an order's points: properties, and a comparison with exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.earning.rules import (
    awarded,
    kept,
    points_back,
)
from huitou.ordering.orders.models import LineBack, PendingRefund


def money(fen: int) -> PendingRefund:
    return PendingRefund(refund_id="r", amount_fen=fen)


def piece(number: int, fen: int) -> PendingRefund:
    back = LineBack(line=number, quantity=1, amount_fen=fen)
    return PendingRefund(refund_id="r", amount_fen=fen, lines=[back])


@st.composite
def histories(draw: st.DrawFn) -> tuple[EarningTerms, list[int], list[PendingRefund], int]:
    """Draw an order with weights, and refunds that give back at most what was paid."""
    paid = draw(st.lists(st.integers(0, 3_000), min_size=1, max_size=4))
    by = st.sampled_from([0, 10_000, 15_000, 20_000, 30_000, 12_345])
    cap = draw(st.none() | st.integers(0, 60))
    found = EarningTerms(
        tier="basic",
        tier_rules_revision=1,
        points_rules_revision=1,
        fen_per_point=draw(st.sampled_from([1, 7, 50, 100])),
        weights=[(fen + draw(st.integers(0, 200))) * draw(by) for fen in paid],
        order_points=cap,
    )
    left, left_fen, refunds = list(paid), sum(paid), []
    for _ in range(draw(st.integers(0, 6))):
        number = draw(st.integers(-1, len(paid) - 1))
        most = left_fen if number < 0 else min(left_fen, left[number])
        fen = draw(st.integers(0, most))
        left_fen -= fen
        if number < 0:
            refunds.append(money(fen))
        else:
            left[number] -= fen
            refunds.append(piece(number, fen))
    whole = awarded(found, sum(paid))
    given_points = draw(st.integers(0, whole)) if draw(st.booleans()) else whole
    return found, paid, refunds, given_points


def by_definition(
    found: EarningTerms, paid: list[int], refunds: list[PendingRefund], given_points: int
) -> int:
    """Return what `kept` must return: by its definition, in fractions, line by line."""
    worth = Fraction(sum(found.weights), found.fen_per_point * 10_000)
    if found.order_points is not None:
        worth = min(worth, Fraction(found.order_points))
    base = worth if floor(worth) == given_points else Fraction(given_points)
    if sum(paid) == 0 or sum(found.weights) == 0:
        return floor(base)
    by_line = [
        sum(b.amount_fen for r in refunds for b in r.lines if b.line == n) for n in range(len(paid))
    ]
    loose = sum(r.amount_fen for r in refunds if not r.lines)
    in_lines = sum(paid) - sum(by_line)
    if in_lines - loose == 0:
        return 0
    rest = Fraction(0)
    for weight, fen, back in zip(found.weights, paid, by_line, strict=True):
        rest += (
            weight * (1 - Fraction(back, fen)) if fen else weight * Fraction(in_lines, sum(paid))
        )
    return floor(base * rest / sum(found.weights) * Fraction(in_lines - loose, in_lines))


@given(histories())
def test_kept_points_agree_with_the_definition(
    history: tuple[EarningTerms, list[int], list[PendingRefund], int],
) -> None:
    found, paid, refunds, given_points = history
    if sum(found.weights):
        expected = by_definition(found, paid, refunds, given_points)
        assert kept(found, paid, sum(paid), given_points, refunds) == expected


@given(histories(), st.randoms(use_true_random=False))
def test_a_refund_never_adds_points_and_the_order_of_refunds_does_not_matter(
    history: tuple[EarningTerms, list[int], list[PendingRefund], int], random: Any
) -> None:
    found, paid, refunds, given_points = history
    steps = [
        kept(found, paid, sum(paid), given_points, refunds[:n]) for n in range(len(refunds) + 1)
    ]
    assert steps[0] == given_points
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] >= 0
    shuffled = random.sample(refunds, len(refunds))
    assert kept(found, paid, sum(paid), given_points, shuffled) == steps[-1]


@given(histories())
def test_claw_backs_add_up_to_the_award_if_all_is_refunded(
    history: tuple[EarningTerms, list[int], list[PendingRefund], int],
) -> None:
    found, paid, refunds, given_points = history
    refunds = [*refunds, money(sum(paid) - sum(back.amount_fen for back in refunds))]
    taken, before = 0, given_points
    for number in range(1, len(refunds) + 1):
        wholly = number == len(refunds)
        after = kept(found, paid, sum(paid), given_points, refunds[:number], wholly=wholly)
        taken, before = taken + before - after, after
    assert taken == given_points
    if sum(paid):  # Without `wholly`, the money alone gives the same.
        assert kept(found, paid, sum(paid), given_points, refunds) == 0


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=4),
    st.sampled_from([10_000, 15_000, 20_000, 33_333]),
    st.integers(1, 300),
    st.data(),
)
def test_with_one_multiplier_an_order_keeps_what_its_rest_would_earn(
    paid: list[int], by: int, rate_fen: int, data: st.DataObject
) -> None:
    found = EarningTerms(
        tier="basic",
        tier_rules_revision=1,
        points_rules_revision=1,
        fen_per_point=rate_fen,
        weights=[fen * by for fen in paid],
    )
    without_lines = found.model_copy(update={"weights": []})
    first = data.draw(st.integers(0, sum(paid)))
    line_back = data.draw(st.integers(0, min(paid[0], sum(paid) - first)))
    refunds = [money(first), piece(0, line_back)]
    rest_fen, whole = sum(paid) - first - line_back, sum(paid)
    given_points = awarded(found, whole)
    assert given_points == whole * by // (rate_fen * 10_000)
    left = kept(found, paid, whole, given_points, refunds)
    assert left == rest_fen * by // (rate_fen * 10_000)
    plain = kept(without_lines, paid, whole, whole // rate_fen, refunds)
    assert plain == rest_fen // rate_fen


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.lists(st.integers(0, 10_000)))
def test_used_points_come_back_in_proportion_and_completely_at_the_end(
    used: int, paid_fen: int, amounts: list[int]
) -> None:
    refunded_fen, before = 0, 0
    for fen in amounts:
        refunded_fen = min(paid_fen, refunded_fen + fen)
        back = points_back(used, paid_fen, refunded_fen, wholly=False)
        assert before <= back <= used
        assert abs(back * paid_fen - used * refunded_fen) < max(1, paid_fen)
        before = back
    assert points_back(used, paid_fen, paid_fen, wholly=True) == used
