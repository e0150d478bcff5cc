"""The dated price table `prices.json`, which turns an amount into money in fen."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PATH = Path(__file__).with_name("prices.json")


class Price(BaseModel):
    """One price or allowance: `value` in `unit`, with its source and date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Decimal = Field(ge=0)
    unit: str = Field(min_length=3)
    source: str = Field(min_length=3)
    source_date: str = Field(min_length=4)
    confidence: Literal["high", "medium", "low"]
    note: str

    def fen(self, amount: float | Decimal) -> int:
        """Return the price of `amount` units in fen, rounded half up; only for units of CNY."""
        if not self.unit.startswith("CNY/"):
            raise ValueError(f"{self.unit} is not a price")
        exact = self.value * Decimal(str(amount)) * 100
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


class Prices(BaseModel):
    """All prices; `as_of` is the day of the table, a price's own date may be earlier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: str
    currency: Literal["CNY"]
    items: Mapping[str, Price]

    def fen(self, name: str, amount: float | Decimal) -> int:
        """Return the cost of `amount` units of the named price, in fen."""
        return self.items[name].fen(amount)

    def allowance(self, name: str) -> Decimal:
        """Return a number of the table that is not a price: points or calls that are included."""
        return self.items[name].value


@cache
def load_prices() -> Prices:
    """Read the table; numbers stay exact decimals."""
    return Prices.model_validate_json(PATH.read_text(encoding="utf-8"))
