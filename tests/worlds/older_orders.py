"""Writes an order as the version before wrote it: with all inputs, empty lists and zeros."""

from __future__ import annotations

from huitou.loyalty.earning.models import EarningTerms
from huitou.ordering.orders.models import Order
from huitou.ordering.quotes.inputs_service import KeptInputs
from huitou.runtime.database import Database


def write_as_before(database: Database, order_id: str) -> None:
    """Replace a stored order by the document that the version before would have stored."""
    orders = database.collection("orders")
    stored = orders.find_one({"_id": order_id})
    assert stored
    inputs = KeptInputs(database).inputs_of(Order.model_validate(stored))
    assert inputs
    stored.pop("priced_with", None)
    older = Order.LEFT_OUT | stored
    older["price_inputs"] = inputs.model_dump(exclude_none=True)
    older["request_digest"] = stored["request_digest"][:32] + "0" * 32
    older["quote_id"] = "q" + "0" * 32
    older.setdefault("expires_at", stored["created_at"])
    older.setdefault("settlement_since", 0.0)
    if "terms" in stored:
        older["terms"] = EarningTerms.model_validate(stored["terms"]).model_dump()
    orders.replace_one({"_id": order_id}, older)
