"""Every example of functions/pay/PRICING.md, by the engine and by the brute force."""

from __future__ import annotations

import pytest

from price_by_force import least
from price_engine import engine
from pricing_page import Example, examples

EXAMPLES = examples()


def test_the_page_has_examples_in_each_section_that_decides_a_price() -> None:
    assert {one.name.split(",")[0] for one in EXAMPLES} >= {
        "section 2", "section 3", "section 4", "section 5", "section 6",
    }  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_an_example_of_the_page_comes_to_what_it_says(example: Example) -> None:
    arguments = example.rows, example.offered, example.groups, example.delivery_fen
    forced, found = least(*arguments), engine(*arguments)
    assert forced
    assert forced.payable_fen == example.pays_fen
    assert found.outcome.proved
    assert found.key == forced
