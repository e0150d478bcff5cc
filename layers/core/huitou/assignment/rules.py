"""Which pieces an offer takes that is about single pieces: the second cup, a bundle, a flash price.

A piece is taken by one such offer at most. Pieces of a line are alike, so a choice is a number of
pieces per line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from huitou.offers.models import Terms

MOST_CHOICES = 400  # Of one offer at one point of the search; past it the best ones.
_MOST_TRIED = 4_000


class Choice(NamedTuple):
    """So many pieces of each line (by its place among the offer's lines), and what they bring."""

    amount_fen: int
    pieces: tuple[int, ...]
    off_fen: tuple[int, ...]


def local_best(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Choice:
    """Return the choice that takes most off, among equal ones that of the earliest lines.

    `worth` is a piece's price per line, `free` how many there are, `slots` which lines each slot
    of a bundle may take. Of a flash price or the n-th item, the dearest pieces bring most; so do
    they in a bundle whose slots have no line in common.
    """
    if terms.kind == "bundle":
        if any(sum(slot[line] for slot in slots) > 1 for line in range(len(free))):
            found, _ = choices(terms, worth, free, slots)
            return found[0] if found else _nothing(len(free))
        return _dearest_bundles(terms, worth, free, slots)
    each = terms.nth or 1
    free = _useful(terms, worth, free)
    wanted = min(terms.most_times, sum(free) // each) * each
    pieces = [0] * len(free)
    for place in sorted(range(len(free)), key=lambda n: -worth[n]):
        pieces[place] = min(free[place], wanted)
        wanted -= pieces[place]
    return _choice(terms, worth, tuple(pieces))


def choices(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> tuple[list[Choice], bool]:
    """Return the choices that take something off, the most first, and whether they are all."""
    free = _useful(terms, worth, free)
    found = _bundles(terms, free, slots) if terms.kind == "bundle" else _vectors(terms, free)
    tried = list(islice(found, _MOST_TRIED + 1))
    made = (_choice(terms, worth, pieces) for pieces in set(tried))
    ordered = sorted(
        (choice for choice in made if choice.amount_fen > 0),
        key=lambda choice: (-choice.amount_fen, tuple(-n for n in choice.pieces)),
    )
    complete = len(tried) <= _MOST_TRIED and len(ordered) <= MOST_CHOICES
    return ordered[:MOST_CHOICES], complete


def _useful(terms: Terms, worth: Sequence[int], free: Sequence[int]) -> tuple[int, ...]:
    """Leave pieces alone that cost no more than the offer's price."""
    if terms.kind in ("nth_item", "bundle"):
        return tuple(free)
    price = terms.price_fen or 0
    return tuple(n if value > price else 0 for n, value in zip(free, worth, strict=True))


def _dearest_bundles(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Choice:
    best = _nothing(len(free))
    for times in range(1, terms.most_times + 1):
        pieces = [0] * len(free)
        for slot, open_to in zip(terms.slots, slots, strict=True):
            wanted = slot.quantity * times
            for place in sorted((n for n, is_open in enumerate(open_to) if is_open),
                                key=lambda n: -worth[n]):  # fmt: skip
                pieces[place] = min(free[place], wanted)
                wanted -= pieces[place]
            if wanted:
                return best
        choice = _choice(terms, worth, tuple(pieces))
        if choice.amount_fen <= best.amount_fen:
            return best
        best = choice
    return best


def _nothing(lines: int) -> Choice:
    return Choice(0, (0,) * lines, (0,) * lines)


def _choice(terms: Terms, worth: Sequence[int], pieces: tuple[int, ...]) -> Choice:
    if terms.kind == "nth_item":
        off = _nth_off(terms, worth, pieces)
    elif terms.kind == "bundle":
        off = _bundle_off(terms, worth, pieces)
    else:
        price = terms.price_fen or 0
        off = [n * max(0, value - price) for n, value in zip(pieces, worth, strict=True)]
    return Choice(sum(off), pieces, tuple(off))


def _nth_off(terms: Terms, worth: Sequence[int], pieces: Sequence[int]) -> list[int]:
    """Dearest first, every n-th piece is the cheaper one of its group."""
    off, seen, nth, rate = [0] * len(pieces), 0, terms.nth or 1, terms.off_bp or 0
    for place in sorted(range(len(pieces)), key=lambda n: -worth[n]):
        before, seen = seen // nth, seen + pieces[place]
        off[place] = (seen // nth - before) * (worth[place] * rate // 10_000)
    return off


def _bundle_off(terms: Terms, worth: Sequence[int], pieces: Sequence[int]) -> list[int]:
    each = sum(slot.quantity for slot in terms.slots)
    values = [n * value for n, value in zip(pieces, worth, strict=True)]
    off_fen = max(0, sum(values) - sum(pieces) // each * (terms.price_fen or 0))
    return allocate(off_fen, values)


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` out in proportion to `weights`, exactly, by largest remainder.

    Ties go to the earlier share. No share exceeds its weight when `total` ≤ Σ weights.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
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


def _vectors(terms: Terms, free: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every number of pieces per line whose sum makes whole groups, `most_times` at most."""
    each = terms.nth or 1
    most = min(terms.most_times * each, sum(free) // each * each)

    def fill(place: int, left: int) -> Iterator[tuple[int, ...]]:
        if place == len(free):
            yield ()
            return
        for pieces in range(min(free[place], left), -1, -1):
            for rest in fill(place + 1, left - pieces):
                yield (pieces, *rest)

    return (pieces for pieces in fill(0, most) if sum(pieces) and sum(pieces) % each == 0)


def _bundles(
    terms: Terms, free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Iterator[tuple[int, ...]]:
    """Every set of pieces that fills each slot so many times, for each number of times."""

    def fill(slot: int, times: int, left: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if slot == len(slots):
            yield left
            return
        wanted = terms.slots[slot].quantity * times
        for rest in _taken(left, slots[slot], wanted):
            yield from fill(slot + 1, times, rest)

    each = sum(slot.quantity for slot in terms.slots)
    for times in range(1, min(terms.most_times, sum(free) // each) + 1):
        for rest in fill(0, times, tuple(free)):
            yield tuple(have - left for have, left in zip(free, rest, strict=True))


def _taken(
    left: tuple[int, ...], open_to: Sequence[bool], wanted: int
) -> Iterator[tuple[int, ...]]:
    """Every rest after taking so many pieces from the lines a slot is open to."""

    def fill(place: int, wanted: int) -> Iterator[tuple[int, ...]]:
        have = zip(left[place:], open_to[place:], strict=True)
        if sum(pieces for pieces, is_open in have if is_open) < wanted:
            return
        if place == len(left):
            if wanted == 0:
                yield ()
            return
        most = min(left[place], wanted) if open_to[place] else 0
        for pieces in range(most, -1, -1):
            for rest in fill(place + 1, wanted - pieces):
                yield (left[place] - pieces, *rest)

    return fill(0, wanted)
