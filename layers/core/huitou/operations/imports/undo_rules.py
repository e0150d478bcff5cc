"""What is left of an order whose import is taken back."""

from __future__ import annotations

from huitou.ordering.orders.ledger_models import LedgerOrder
from huitou.ordering.orders.models import GivenBack


def undo_refund_id(import_id: str, order_id: str) -> str:
    """Name the refund by which an order goes back with its import: one for each order."""
    return f"undo:{import_id}:{order_id}"


def without_order(order: LedgerOrder, import_id: str) -> LedgerOrder:
    """Return the order with all that is left of it given back.

    The refund is dated by the order's own moment: as if the order had never been.
    """
    left_fen = order.payable_fen - sum(part.amount_fen for part in order.refunds)
    assert order.paid_at is not None  # noqa: S101  # An imported order always has been paid.
    back = GivenBack(
        refund_id=undo_refund_id(import_id, order.id), amount_fen=left_fen, at=order.paid_at
    )
    return order.model_copy(update={"refunds": [*order.refunds, back], "status": "refunded"})
