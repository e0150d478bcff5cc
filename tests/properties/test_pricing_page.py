"""Engine and brute force both reach the prices of the examples in functions/pay/PRICING.md."""

from __future__ import annotations

import pytest

from price_by_force import least
from price_engine import engine
from pricing_page import Example, examples

EXAMPLES = examples()


def test_each_section_of_the_page_about_prices_has_examples() -> None:
    assert {one.name.split(",")[0] for one in EXAMPLES} >= {
        "section 2",
        "section 3",
        "section 4",
        "section 5",
        "section 6",
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_an_example_of_the_page_has_the_price_it_says(example: Example) -> None:
    arguments = example.rows, example.offered, example.groups, example.delivery_fen
    forced, found = least(*arguments), engine(*arguments)
    assert forced
    assert forced.payable_fen == example.pays_fen
    assert found.outcome.proved
    assert found.key == forced
