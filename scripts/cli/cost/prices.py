"""The dated price table `prices.json`, and money out of it: a price times an amount, in fen."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PATH = Path(__file__).with_name("prices.json")


class Price(BaseModel):
    """One researched price or allowance: `value` in `unit`, and where and when it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Decimal = Field(ge=0)
    unit: str = Field(min_length=3)
    source: str = Field(min_length=3)
    source_date: str = Field(min_length=4)
    confidence: Literal["high", "medium", "low"]
    note: str

    def fen(self, amount: float | Decimal) -> int:
        """What `amount` of the unit costs, in fen, rounded half up; for units of CNY only."""
        if not self.unit.startswith("CNY/"):
            raise ValueError(f"{self.unit} is not a price")
        exact = self.value * Decimal(str(amount)) * 100
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


class Prices(BaseModel):
    """All prices; `as_of` is when they were gathered, each may be older by its own date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: str
    currency: Literal["CNY"]
    items: Mapping[str, Price]

    def fen(self, name: str, amount: float | Decimal) -> int:
        """What `amount` of a price's unit costs, in fen."""
        return self.items[name].fen(amount)

    def allowance(self, name: str) -> Decimal:
        """A number of the table that is no price: points or calls included."""
        return self.items[name].value


@cache
def load_prices() -> Prices:
    """Read the table; numbers keep their decimal digits."""
    return Prices.model_validate_json(PATH.read_text(encoding="utf-8"))
