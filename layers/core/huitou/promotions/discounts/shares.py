"""Shares an amount out over parts, exact to the fen."""

from __future__ import annotations

from collections.abc import Sequence


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` out in proportion to `weights`, exactly, by the largest-remainder method.

    If remainders are equal, the earlier part gets the fen. No share exceeds its weight if
    `total` ≤ Σ weights.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    if len(weights) == 1:
        return [total]
    shares, remainders, rest = [], [], total
    for weight in weights:
        share, remainder = divmod(total * weight, whole)
        shares.append(share)
        remainders.append(remainder)
        rest -= share
    if rest:  # A stable sort: of equal remainders the earlier one comes first.
        ordered = sorted(range(len(weights)), key=remainders.__getitem__, reverse=True)
        for place in ordered[:rest]:
            shares[place] += 1
    return shares


def spread(total: int, weights: Sequence[int], most: Sequence[int]) -> list[int]:
    """Share `total` out by weight, with at most `most` for each part; needs `total` ≤ Σ most.

    What is too much for a part goes to the others, in proportion to what they can still take.
    """
    shares = [
        min(share, bears) for share, bears in zip(allocate(total, weights), most, strict=True)
    ]
    over = total - sum(shares)
    if not over:
        return shares
    more = allocate(over, [bears - share for share, bears in zip(shares, most, strict=True)])
    return [share + extra for share, extra in zip(shares, more, strict=True)]
