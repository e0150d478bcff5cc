"""The part of an order that the ledgers follow from."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from huitou.loyalty.earning.models import EarningTerms
from huitou.loyalty.points.models import LotMove
from huitou.ordering.orders.models import GivenBack, Order, Origin, Status, used_coupons
from huitou.runtime.documents import Record


class LedgerOrder(Record):
    """The fields of an order from which its ledger entries follow."""

    id: str = Field(alias="_id")
    member_id: str
    placed_by: str | None = None
    status: Status
    business_day: str
    payable_fen: int
    points_used: int
    points_drawn: list[LotMove] = Field(default=[])
    coupon_id: str | None = None
    coupon_ids: list[str] = Field(default=[])
    origin: Origin = "live"
    paid_at: datetime | None = None
    refund_id: str | None = None  # Only on orders refunded before `refunds` existed.
    refunds: list[GivenBack] = Field(default=[])
    terms: EarningTerms | None = None
    settlement: Literal["due", "done"] | None = None
    settlement_since: float = 0.0
    rollup: Literal["due", "done"] | None = None
    is_test: bool = False

    @property
    def used_coupons(self) -> list[str]:
        """The coupons that the order has locked or used."""
        return used_coupons(self.coupon_ids, self.coupon_id)

    @classmethod
    def of(cls, order: Order) -> "LedgerOrder":
        """Return these fields of an order that was read as a whole."""
        fields = {name: getattr(order, name, None) for name in cls.model_fields}
        return cls.model_construct(**{k: v for k, v in fields.items() if v is not None})

    @classmethod
    def projection(cls) -> dict[str, int]:
        """Return the projection with which MongoDB reads these fields only."""
        return {field.alias or name: 1 for name, field in cls.model_fields.items()}
