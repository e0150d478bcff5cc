"""The arithmetic of a payment: its fee, and what is left of it to refund or to share."""

from __future__ import annotations

from dataclasses import dataclass


def fee_fen(amount_fen: int, fee_bp: int) -> int:
    """Return the fee of an amount, rounded half up to the fen."""
    return (amount_fen * fee_bp + 5_000) // 10_000


def fee_back_fen(kept_fen: int, refund_fen: int, fee_bp: int) -> int:
    """Return what a refund gives back of the fee.

    The fee is of what is kept, so the last refund of a payment gives back all that is left of it.
    """
    return fee_fen(kept_fen, fee_bp) - fee_fen(kept_fen - refund_fen, fee_bp)


@dataclass(frozen=True)
class Position:
    """One payment's money, in fen; what is under way counts as done, what failed doesn't."""

    taken_fen: int
    fee_fen: int  # Of the whole payment.
    refunded_fen: int
    fee_back_fen: int
    shared_fen: int  # Gross: what came back of it is `returned_fen`.
    returned_fen: int

    @property
    def kept_fen(self) -> int:
        return self.taken_fen - self.refunded_fen

    @property
    def refundable_fen(self) -> int:
        """What the merchant still has of this payment to refund from.

        The real one draws on the merchant's whole balance, so there a refund beside a share
        goes through as long as other money is there; here a caller who doesn't have the shares
        returned first is caught by the first such refund.
        """
        return self.kept_fen - self.shared_fen + self.returned_fen

    @property
    def unsplit_fen(self) -> int:
        """What can still be shared while the payment is frozen: net of the fee.

        Returned shares go to the merchant's balance, not back among what is frozen.
        """
        fee_left_fen = self.fee_fen - self.fee_back_fen
        return max(0, self.kept_fen - fee_left_fen - self.shared_fen)
