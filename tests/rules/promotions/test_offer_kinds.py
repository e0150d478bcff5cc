"""Each kind of offer has one entry, and the entry says everything about the kind."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from bootstrap import ROOT
from huitou.promotions.offers.kinds import KINDS, Kind
from huitou.promotions.offers.models import Terms, default_stacking
from price_by_force import Offered, Row, least
from price_engine import engine

FIELDS: dict[str, Any] = {
    "off_fen": 300, "off_bp": 5_000, "cap_fen": 400, "price_fen": 200, "nth": 2, "slots": [{}],
}  # fmt: skip
ROWS = [Row("tea", "", "drinks", 2, 1_500, 1_500), Row("cake", "", "food", 1, 2_000, 1_800)]


def terms_of(kind: Kind, *, all_fields: bool) -> Terms:
    """Return terms with the fields that the kind needs, or with all that it may have."""
    names = KINDS[kind].needs + (KINDS[kind].may_have if all_fields else ())
    return Terms.model_validate({"kind": kind, **{name: FIELDS[name] for name in names}})


def test_each_kind_has_an_entry() -> None:
    assert set(KINDS) == set(get_args(Kind))


@pytest.mark.parametrize("all_fields", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_takes_off_what_the_brute_force_says(kind: Kind, all_fields: bool) -> None:
    terms = terms_of(kind, all_fields=all_fields)
    offered = [Offered("offer", "one", 1, terms, "activity")]
    found = engine(ROWS, offered, default_stacking().groups, 600)
    assert found.key == least(ROWS, offered, default_stacking().groups, 600)
    assert [one.rule.source_id for one in found.outcome.taken] == ["one"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_loses_more_than_the_bound_of_its_kind(kind: Kind) -> None:
    offered = [Offered("offer", "one", 1, terms_of(kind, all_fields=False), "activity")]
    (taken,) = engine(ROWS, offered, default_stacking().groups, 600).outcome.taken
    for row, share in zip(ROWS, taken.shares, strict=True):
        line_fen = row.quantity * row.unit_fen
        assert share <= taken.rule.arithmetic.most_of_line_fen(line_fen, None)
        assert share <= taken.rule.arithmetic.most_of_line_fen(line_fen, share)


def test_the_pricing_page_explains_each_kind_and_says_in_which_order_they_apply() -> None:
    page = (ROOT / "functions" / "pay" / "PRICING.md").read_text(encoding="utf-8")
    _, order = page.split("Of equal priority:")
    order, after = order.split("in this order", 1)
    assert re.findall(r"`(\w+)`", order) == list(KINDS)
    assert [kind for kind in KINDS if f"`{kind}`" not in after] == []
