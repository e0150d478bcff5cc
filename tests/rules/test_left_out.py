"""What a stored document leaves out means for ever what it meant when it was written."""

from __future__ import annotations

from typing import Any

import pytest

from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.points.models import LedgerEntry
from huitou.ordering.orders.models import Order
from huitou.ordering.quotes.models import OwnInputs
from huitou.payments.profit_sharing.models import Share
from huitou.runtime.documents import Record, Stored

# Never change a value here: millions of documents without the field say it. A new field may join.
MEANINGS: dict[type[Record], dict[str, Any]] = {
    Order: {
        "origin": "live", "discounts": [], "delivery_fen": 0, "coupon_ids": [], "uses": [],
        "points_drawn": [], "tenders": [], "refunding": [], "refunds": [], "counted_fen": 0,
        "featured_fen": 0, "is_test": False,
    },
    LedgerEntry: {
        "lots": [], "debt": 0, "waived": 0, "orders": 0, "figures": {}, "rules": [],
    },
    Share: {
        "refunds": [], "held": [], "parts": [], "accepted": False, "refusals": 0, "returns": [],
    },
    # Parts of an order; each field that has its default is left out.
    EarningTerms: {
        "weights": [], "paid_by_line": [], "rules": [], "order_points": None, "day_points": None,
        "month_points": None, "expires_on": "9999-12-31", "usable": None,
        "claw_back": "unlimited", "return_expired_days": 0, "first_order": [],
    },
    OwnInputs: {"first_order": False, "coupon_ids": [], "named": True, "blocked": {}},
}  # fmt: skip


@pytest.mark.parametrize("model", MEANINGS)
def test_a_missing_field_means_what_it_meant_when_it_was_left_out(model: type[Record]) -> None:
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
        if not field.is_required()
    }
    assert {name: defaults[name] for name in MEANINGS[model]} == MEANINGS[model]
    if issubclass(model, Stored):
        assert MEANINGS[model] == model.LEFT_OUT
    else:
        assert defaults == MEANINGS[model]


def test_every_stored_model_that_leaves_fields_out_is_held_here() -> None:
    def all_of(model: type[Stored]) -> set[type[Stored]]:
        return {model}.union(*(all_of(one) for one in model.__subclasses__()))

    leaving = {model for model in all_of(Stored) if model.LEFT_OUT}
    assert leaving == {model for model in MEANINGS if issubclass(model, Stored)}
