"""Keeps the inputs of orders' prices, so that each price can be calculated again."""

from __future__ import annotations

from huitou.ordering.quotes.inputs import divide_inputs, join_inputs
from huitou.ordering.quotes.inputs_repository import InputsRepository
from huitou.ordering.quotes.models import OwnInputs, PriceInputs
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, HuitouError
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.ordering.orders.models import Order


class KeptInputs:
    def __init__(self, database: Database) -> None:
        self._repository = InputsRepository(database)

    def keep_inputs(self, inputs: PriceInputs) -> OwnInputs:
        """Store the part that other orders share, and return what the order must keep itself.

        To be called before the order is written: an order never names inputs that don't exist.
        Inputs without an order do no harm.
        """
        shared, own = divide_inputs(inputs)
        self._repository.keep(shared)
        return own

    def inputs_of(self, order: Order) -> PriceInputs | None:
        """Return the inputs of an order's price; None for an order that was made without them."""
        own = order.priced_with
        if own is None:
            return order.price_inputs
        shared = self._repository.find(own.shared)
        if shared is None:  # They are kept for ever: somebody has removed them by hand.
            raise HuitouError(Code.INTERNAL, field="priced_with")
        return join_inputs(order, own, shared)
