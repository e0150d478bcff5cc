"""The arithmetic of offers about single pieces: the second cup, a bundle, a flash price.

At most one such offer uses a piece. Pieces of a line are equal, so a choice is a number of pieces
for each line. If pieces of several lines cost the same, `EveryNth` also chooses which of them
become cheaper.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from huitou.promotions.discounts.shares import allocate

if TYPE_CHECKING:  # `Terms` import their kind, and the kinds import this module.
    from huitou.promotions.offers.models import Terms

MOST_CHOICES = 2_000  # So many choices of one offer are tried at one point of the search.
_ENOUGH = 100  # If there are more, only so many are kept; the best one is among them.


class OpenPieces(NamedTuple):
    """The pieces that an offer may choose from.

    For each line, `worth` is the price of a piece in fen and `free` how many pieces are free.
    `slots` says for each slot of a bundle which of these lines it may take.
    """

    worth: Sequence[int]
    free: Sequence[int]
    slots: Sequence[Sequence[bool]]


class Choice(NamedTuple):
    """A number of pieces of each of the offer's lines, and what the offer takes off each line.

    `amount_fen` is the sum of `off_fen`.
    """

    amount_fen: int
    pieces: tuple[int, ...]
    off_fen: tuple[int, ...]


class Choices(NamedTuple):
    """The choices that take something off; those that take most come first.

    `complete` says that these are all choices; if they aren't, the caller's search isn't exact.
    `tried` is how many were looked at.
    """

    found: list[Choice]
    complete: bool
    tried: int


class PiecesOff(ABC):
    """Arithmetic that changes the price of single pieces.

    With `compares_lines`, the discount of one line depends on the prices of the others. `effort`
    says how many times as long as a plain one a choice takes to find.
    """

    of: Literal["pieces"] = "pieces"
    compares_lines = False
    effort = 1

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @abstractmethod
    def brought(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Choice:
        """Return the choice of these pieces, with what the offer takes off them."""

    def best(self, open_to: OpenPieces) -> Choice:
        """Return the choice that takes most off; among equal ones, that of the earliest lines.

        These are the most expensive pieces.
        """
        worth, each, free = open_to.worth, self.each(), self.useful(open_to)
        wanted = min(self.terms.most_times, sum(free) // each) * each
        if len(free) == 1:
            return self.brought(worth, (wanted,))
        pieces = [0] * len(free)
        for place in sorted(range(len(free)), key=lambda n: -worth[n]):
            pieces[place] = min(free[place], wanted)
            wanted -= pieces[place]
        return self.brought(worth, tuple(pieces))

    def choices(self, open_to: OpenPieces, most: int = MOST_CHOICES) -> Choices:
        """Return every choice that takes something off, or the best of the first `most`."""
        sets = self.sets(open_to._replace(free=self.useful(open_to)))
        every = (choice for pieces in sets for choice in self.ways(open_to.worth, pieces))
        tried = list(islice(every, most + 1))
        complete = len(tried) <= most
        if not complete:
            tried.append(self.best(open_to))
        ordered = sorted(
            {choice for choice in tried if choice.amount_fen > 0},
            key=lambda one: (-one.amount_fen, tuple(-n for n in one.pieces), one.off_fen),
        )
        return Choices(ordered if complete else ordered[:_ENOUGH], complete, len(tried))

    def missing(self, open_to: OpenPieces) -> list[int]:
        """Return how many pieces are missing to apply once: a figure per slot, or one figure."""
        return [max(0, self.each() - sum(open_to.free))]

    def most_of_line_fen(self, line_fen: int, _share_fen: int | None) -> int:
        """Return the most that the offer can take off a line: the whole line."""
        return line_fen

    def each(self) -> int:
        """Return how many pieces the offer needs to apply once."""
        return 1

    def useful(self, open_to: OpenPieces) -> Sequence[int]:
        """Return how many pieces of each line the offer may use."""
        return open_to.free

    def sets(self, open_to: OpenPieces) -> Iterator[tuple[int, ...]]:
        """Yield every set of pieces with which the offer applies 1 to `most_times` times.

        A set is a number of pieces for each line.
        """
        each, free = self.each(), open_to.free
        most = min(self.terms.most_times * each, sum(free) // each * each)

        def fill(place: int, left: int) -> Iterator[tuple[int, ...]]:
            if not left or place == len(free):
                yield (0,) * (len(free) - place)
                return
            for pieces in range(min(free[place], left), -1, -1):
                for rest in fill(place + 1, left - pieces):
                    yield (pieces, *rest)

        return (pieces for pieces in fill(0, most) if sum(pieces) and sum(pieces) % each == 0)

    def ways(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Iterator[Choice]:
        """Yield each choice of these pieces; they differ in the lines that get the discount."""
        yield self.brought(worth, pieces)


class AtPrice(PiecesOff):
    """Each piece costs `price_fen`; without a `price_fen` it costs nothing."""

    def brought(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Choice:
        """Return how much more than the offer's price the pieces cost."""
        price = self.terms.price_fen or 0
        off = [n * max(0, value - price) for n, value in zip(pieces, worth, strict=True)]
        return Choice(sum(off), pieces, tuple(off))

    def useful(self, open_to: OpenPieces) -> Sequence[int]:
        """Return how many pieces of each line cost more than the offer's price."""
        price, both = self.terms.price_fen or 0, zip(open_to.free, open_to.worth, strict=True)
        return [n if value > price else 0 for n, value in both]


class EveryNth(PiecesOff):
    """Sorts the pieces by price, the highest first, and takes `off_bp` off every `nth` one."""

    compares_lines = True

    def brought(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Choice:
        """Return the discount of a set of pieces; of equal prices the earlier lines come first."""
        return self._cheaper_by(worth, pieces, self._cheaper(worth, pieces))

    def each(self) -> int:
        """Return `nth`: one of so many pieces becomes cheaper."""
        return self.terms.nth or 1

    def ways(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Iterator[Choice]:
        """Yield each choice of which pieces of the same price become cheaper."""
        cheaper = self._cheaper(worth, pieces)
        used = [n for n, count in enumerate(pieces) if count]
        alike = [
            [n for n in used if worth[n] == value] for value in sorted({worth[n] for n in used})
        ]

        def fill(number: int) -> Iterator[Choice]:
            if number == len(alike):
                yield self._cheaper_by(worth, pieces, cheaper)
                return
            places = alike[number]
            total = sum(cheaper[n] for n in places)
            for part in _parts(total, [pieces[n] for n in places]):
                for place, count in zip(places, part, strict=True):
                    cheaper[place] = count
                yield from fill(number + 1)

        yield from fill(0)

    def _cheaper_by(
        self, worth: Sequence[int], pieces: tuple[int, ...], cheaper: Sequence[int]
    ) -> Choice:
        rate = self.terms.off_bp or 0
        off = [n * (value * rate // 10_000) for n, value in zip(cheaper, worth, strict=True)]
        return Choice(sum(off), pieces, tuple(off))

    def _cheaper(self, worth: Sequence[int], pieces: Sequence[int]) -> list[int]:
        """Return how many pieces of each line become cheaper."""
        nth = self.each()
        if len(pieces) == 1:
            return [pieces[0] // nth]
        cheaper, seen = [0] * len(pieces), 0
        for place in sorted(range(len(pieces)), key=lambda n: -worth[n]):
            before, seen = seen // nth, seen + pieces[place]
            cheaper[place] = seen // nth - before
        return cheaper


class Bundle(PiecesOff):
    """The pieces that fill all `slots` cost `price_fen` together."""

    effort = 3  # Most ways to fill the slots lead nowhere.

    compares_lines = True

    def brought(self, worth: Sequence[int], pieces: tuple[int, ...]) -> Choice:
        """Return how much more than the bundles' price the pieces cost, shared out by price."""
        values = [n * value for n, value in zip(pieces, worth, strict=True)]
        times = sum(pieces) // self.each()
        off_fen = max(0, sum(values) - times * (self.terms.price_fen or 0))
        return Choice(off_fen, pieces, tuple(allocate(off_fen, values)))

    def best(self, open_to: OpenPieces) -> Choice:
        """Return the choice that takes most off; it has no bundle that takes nothing more off.

        Each further bundle takes off no more than the one before, so a binary search finds their
        number. For a given number of bundles, the most expensive pieces that fit are best, because
        the sets of pieces that fit together are the independent sets of a matroid.
        """
        each, (worth, free, slots) = self.each(), open_to
        dearest = sorted(range(len(free)), key=lambda n: -worth[n])

        def bundles(times: int) -> Choice | None:
            fits, pieces = _FreePlaces(self.terms, slots, times), [0] * len(free)
            for place in dearest:
                pieces[place] = min(free[place], fits.room(place))
                fits.take(place, pieces[place])
            if sum(pieces) < each * times:
                return None
            return self.brought(worth, tuple(pieces))

        best = Choice(0, (0,) * len(free), (0,) * len(free))
        low, high = 0, min(self.terms.most_times, sum(free) // each)
        while low < high:
            times = (low + high + 1) // 2
            choice, before = bundles(times), bundles(times - 1) if times > 1 else None
            if choice is not None and choice.amount_fen > (before.amount_fen if before else 0):
                best, low = choice, times
            else:
                high = times - 1
        return best

    def missing(self, open_to: OpenPieces) -> list[int]:
        """Return how many more pieces each slot lacks."""
        fits = _FreePlaces(self.terms, open_to.slots, 1)
        for place, have in enumerate(open_to.free):
            fits.take(place, min(have, fits.room(place)))
        lacks = []
        for number, slot in enumerate(self.terms.slots):  # Add pieces that only this slot takes.
            more = min(slot.quantity, fits.room_of(1 << number))
            fits.use(1 << number, more)
            lacks.append(more)
        return lacks

    def each(self) -> int:
        """Return how many pieces are in one bundle."""
        return sum(slot.quantity for slot in self.terms.slots)

    def sets(self, open_to: OpenPieces) -> Iterator[tuple[int, ...]]:
        """Yield every set of pieces that fills all slots once, twice, up to `most_times` times."""
        each, (_, free, slots) = self.each(), open_to
        still_free = [sum(free[place:]) for place in range(len(free) + 1)]

        def fill(place: int, wanted: int, fits: _FreePlaces) -> Iterator[tuple[int, ...]]:
            if not wanted:
                yield (0,) * (len(free) - place)
                return
            if still_free[place] < wanted:
                return
            for pieces in range(min(free[place], wanted, fits.room(place)), -1, -1):
                fits.take(place, pieces)
                for rest in fill(place + 1, wanted - pieces, fits):
                    yield (pieces, *rest)
                fits.take(place, -pieces)

        for times in range(1, min(self.terms.most_times, sum(free) // each) + 1):
            yield from fill(0, each * times, _FreePlaces(self.terms, slots, times))


class _FreePlaces:
    """Counts the free places in the slots of `times` bundles.

    By Hall's condition, pieces fit together if, for every set of slots, the pieces that fit only
    into these slots are no more than the places there. `rooms` holds the free places of each set of
    slots; sets are bit masks.
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

        self.with_all_of = {
            mask: [subset for subset in range(len(self.rooms)) if subset & mask == mask]
            for mask in {*self.masks, *(1 << number for number in range(len(of)))}
        }

    def room_of(self, mask: int) -> int:
        rooms = self.rooms
        return min([rooms[subset] for subset in self.with_all_of[mask]]) if mask else 0

    def room(self, place: int) -> int:
        """Return how many more pieces of a line fit."""
        return self.room_of(self.masks[place])

    def use(self, mask: int, pieces: int) -> None:
        for subset in self.with_all_of[mask]:
            self.rooms[subset] -= pieces

    def take(self, place: int, pieces: int) -> None:
        """Add pieces of a line; a negative number takes them out again."""
        if pieces:
            self.use(self.masks[place], pieces)


def _parts(total: int, most: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield every way to split a number into parts up to `most`; the largest first part first."""
    if len(most) == 1:
        if total <= most[0]:
            yield (total,)
        return
    rest = sum(most[1:])
    for count in range(min(total, most[0]), max(0, total - rest) - 1, -1):
        for others in _parts(total - count, most[1:]):
            yield (count, *others)
