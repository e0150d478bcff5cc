"""Which pieces an offer uses that is about single pieces: the second cup, a bundle, a flash price.

A piece is used by one such offer at most. Pieces of a line are alike, so a choice is a number of
pieces per line; of equally dear ones `nth_item` may also choose which becomes cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from huitou.promotions.discounts.shares import allocate
from huitou.promotions.offers.models import Terms

MOST_CHOICES = 2_000  # Of one offer at one point of the search.
_ENOUGH = 100  # Where there are more than that; the best one is among them.


class Choice(NamedTuple):
    """So many pieces of each line (by its place among the offer's lines), and what they bring."""

    amount_fen: int
    pieces: tuple[int, ...]
    off_fen: tuple[int, ...]


class Choices(NamedTuple):
    """The choices that take something off, those that take most first; `complete` if they are all.

    Whoever searches among them must say so when they aren't. `tried` is how many were looked at.
    """

    found: list[Choice]
    complete: bool
    tried: int


def best_choice(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Choice:
    """Return the choice that takes most off, among equal ones that of the earliest lines.

    `worth` is a piece's price per line, `free` how many there are, `slots` which lines each slot
    of a bundle may take. The dearest pieces bring most; for a bundle as far as they fill its slots.
    """
    if terms.kind == "bundle":
        return _best_bundles(terms, worth, free, slots)
    each = terms.nth or 1
    free = _useful(terms, worth, free)
    wanted = min(terms.most_times, sum(free) // each) * each
    if len(free) == 1:
        return _choice(terms, worth, (wanted,), (wanted // each,))
    pieces = [0] * len(free)
    for place in sorted(range(len(free)), key=lambda n: -worth[n]):
        pieces[place] = min(free[place], wanted)
        wanted -= pieces[place]
    return _choice(terms, worth, tuple(pieces))


def choices(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Choices:
    """Return every choice that takes something off, as far as they can be counted."""
    free = _useful(terms, worth, free)
    sets = _bundles(terms, free, slots) if terms.kind == "bundle" else _vectors(terms, free)
    every = (choice for pieces in sets for choice in _choices_of(terms, worth, pieces))
    tried = list(islice(every, MOST_CHOICES + 1))
    complete = len(tried) <= MOST_CHOICES
    if not complete:
        tried.append(best_choice(terms, worth, free, slots))
    ordered = sorted(
        {choice for choice in tried if choice.amount_fen > 0},
        key=lambda one: (-one.amount_fen, tuple(-n for n in one.pieces), one.off_fen),
    )
    return Choices(ordered if complete else ordered[:_ENOUGH], complete, len(tried))


def missing_pieces(terms: Terms, free: Sequence[int], slots: Sequence[Sequence[bool]]) -> list[int]:
    """Return how many more pieces it takes to use the offer once, per slot (else one figure)."""
    if terms.kind != "bundle":
        return [max(0, (terms.nth or 1) - sum(free))]
    fits = _Fits(terms, slots, 1)
    for place, have in enumerate(free):
        fits.take(place, min(have, fits.room(place)))
    lacks = []
    for number, slot in enumerate(terms.slots):  # A piece that only this slot takes.
        more = min(slot.quantity, fits.room_of(1 << number))
        fits.use(1 << number, more)
        lacks.append(more)
    return lacks


def _useful(terms: Terms, worth: Sequence[int], free: Sequence[int]) -> tuple[int, ...]:
    """Leave pieces alone that cost no more than the offer's price."""
    if terms.kind in ("nth_item", "bundle"):
        return tuple(free)
    price = terms.price_fen or 0
    return tuple(n if value > price else 0 for n, value in zip(free, worth, strict=True))


class _Fits:
    """Which pieces together fill a bundle's slots so many times (Hall's condition).

    Of any set of slots, the pieces that fit into these alone are no more than their places.
    """

    def __init__(self, terms: Terms, slots: Sequence[Sequence[bool]], times: int) -> None:
        of = [slot.quantity * times for slot in terms.slots]
        lines = len(slots[0]) if slots else 0
        self.masks = [
            sum(1 << number for number, open_to in enumerate(slots) if open_to[place])
            for place in range(lines)
        ]
        self.rooms = [
            sum(places for number, places in enumerate(of) if subset >> number & 1)
            for subset in range(1 << len(of))
        ]

    def room_of(self, mask: int) -> int:
        return min(
            (room for subset, room in enumerate(self.rooms) if subset & mask == mask), default=0
        ) if mask else 0  # fmt: skip

    def room(self, place: int) -> int:
        """How many more pieces of a line fit in."""
        return self.room_of(self.masks[place])

    def use(self, mask: int, pieces: int) -> None:
        for subset in range(len(self.rooms)):
            if subset & mask == mask:
                self.rooms[subset] -= pieces

    def take(self, place: int, pieces: int) -> None:
        """Put pieces of a line in; a negative number takes them out again."""
        if pieces:
            self.use(self.masks[place], pieces)


def _best_bundles(
    terms: Terms, worth: Sequence[int], free: Sequence[int], slots: Sequence[Sequence[bool]]
) -> Choice:
    """Each further bundle brings no more than the one before: look for the last that brings any.

    Of a number of bundles the dearest pieces that fit are best: sets of pieces that fit together
    are the independent sets of a matroid.
    """
    each = sum(slot.quantity for slot in terms.slots)
    dearest = sorted(range(len(free)), key=lambda n: -worth[n])

    def bundles(times: int) -> Choice | None:
        fits, pieces = _Fits(terms, slots, times), [0] * len(free)
        for place in dearest:
            pieces[place] = min(free[place], fits.room(place))
            fits.take(place, pieces[place])
        if sum(pieces) < each * times:
            return None
        return _choice(terms, worth, tuple(pieces))

    best = Choice(0, (0,) * len(free), (0,) * len(free))
    low, high = 0, min(terms.most_times, sum(free) // each)
    while low < high:
        times = (low + high + 1) // 2
        choice, before = bundles(times), bundles(times - 1) if times > 1 else None
        if choice is not None and choice.amount_fen > (before.amount_fen if before else 0):
            best, low = choice, times
        else:
            high = times - 1
    return best


def _choice(
    terms: Terms, worth: Sequence[int], pieces: tuple[int, ...],
    cheaper: Sequence[int] | None = None,
) -> Choice:  # fmt: skip
    """Return what a set of pieces brings; `cheaper` are those of an n-th item that get cheaper."""
    if terms.kind == "nth_item":
        rate = terms.off_bp or 0
        counts = _cheaper(terms, worth, pieces) if cheaper is None else cheaper
        off = [n * (value * rate // 10_000) for n, value in zip(counts, worth, strict=True)]
    elif terms.kind == "bundle":
        each = sum(slot.quantity for slot in terms.slots)
        values = [n * value for n, value in zip(pieces, worth, strict=True)]
        off_fen = max(0, sum(values) - sum(pieces) // each * (terms.price_fen or 0))
        off = allocate(off_fen, values)
    else:
        price = terms.price_fen or 0
        off = [n * max(0, value - price) for n, value in zip(pieces, worth, strict=True)]
    return Choice(sum(off), pieces, tuple(off))


def _cheaper(terms: Terms, worth: Sequence[int], pieces: Sequence[int]) -> list[int]:
    """Count how many pieces of each line get cheaper: dearest first, every n-th one."""
    cheaper, seen, nth = [0] * len(pieces), 0, terms.nth or 1
    for place in sorted(range(len(pieces)), key=lambda n: -worth[n]):
        before, seen = seen // nth, seen + pieces[place]
        cheaper[place] = seen // nth - before
    return cheaper


def _choices_of(terms: Terms, worth: Sequence[int], pieces: tuple[int, ...]) -> Iterator[Choice]:
    """Yield what a set of pieces brings, in each way in which equally dear ones get cheaper."""
    if terms.kind != "nth_item":
        yield _choice(terms, worth, pieces)
        return
    cheaper = _cheaper(terms, worth, pieces)
    used = [n for n, count in enumerate(pieces) if count]
    alike = [[n for n in used if worth[n] == value] for value in sorted({worth[n] for n in used})]

    def fill(number: int) -> Iterator[Choice]:
        if number == len(alike):
            yield _choice(terms, worth, pieces, cheaper)
            return
        places = alike[number]
        total = sum(cheaper[n] for n in places)
        for part in _parts(total, [pieces[n] for n in places]):
            for place, count in zip(places, part, strict=True):
                cheaper[place] = count
            yield from fill(number + 1)

    yield from fill(0)


def _parts(total: int, most: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way to share a number out, the first as much as it may."""
    if len(most) == 1:
        if total <= most[0]:
            yield (total,)
        return
    rest = sum(most[1:])
    for count in range(min(total, most[0]), max(0, total - rest) - 1, -1):
        for others in _parts(total - count, most[1:]):
            yield (count, *others)


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
    """Every set of pieces that fills all slots so many times, for each number of times."""
    each = sum(slot.quantity for slot in terms.slots)

    def fill(place: int, wanted: int, fits: _Fits) -> Iterator[tuple[int, ...]]:
        if place == len(free):
            if not wanted:
                yield ()
            return
        if sum(free[place:]) < wanted:
            return
        for pieces in range(min(free[place], wanted, fits.room(place)), -1, -1):
            fits.take(place, pieces)
            for rest in fill(place + 1, wanted - pieces, fits):
                yield (pieces, *rest)
            fits.take(place, -pieces)

    for times in range(1, min(terms.most_times, sum(free) // each) + 1):
        yield from fill(0, each * times, _Fits(terms, slots, times))
