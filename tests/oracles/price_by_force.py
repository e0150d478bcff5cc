"""A second, independent implementation of the pricing page, by brute force: slow and simple.

It was written from `functions/pay/PRICING.md` alone. After each offer it keeps every state that
the cart can be in, each state once. It cuts nothing off by bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from huitou.promotions.offers.models import Group, Scope, Terms
from price_states import (
    Best,
    Now,
    Nows,
    Offered,
    Outcome,
    Row,
    State,
    covers,
    merged,
    paths,
    shared,
)

KINDS = (
    "fixed_price", "free_item", "exchange", "nth_item", "bundle", "percent_off", "amount_off",
    "delivery",
)  # fmt: skip
SOURCES = ("tier", "offer", "coupon")
WHOLE = ("percent_off", "amount_off")  # The kinds that are about whole lines.
NOBODY = -1


def least(
    rows: Sequence[Row],
    offered: Sequence[Offered],
    groups: Sequence[Group],
    delivery_fen: int = 0,
    never_together: Sequence[Sequence[str]] = (),
) -> Best | None:
    """Return the key of the best combination, None if no legal one uses all named coupons."""
    return _Force(rows, offered, groups, never_together).least(delivery_fen)


class _Force:
    """One cart with all offers for it."""

    def __init__(
        self,
        rows: Sequence[Row],
        offered: Sequence[Offered],
        groups: Sequence[Group],
        never_together: Sequence[Sequence[str]],
    ) -> None:
        self.rows = merged(rows)
        self.fee_at = len(self.rows)
        by_group = {path[-1].group: path for path in paths(groups)}
        order = {name: at for at, name in enumerate(by_group)}
        self.lost = any(o.named and o.group not in order for o in offered)
        self.offers = sorted(
            (o for o in offered if o.group in order),
            key=lambda o: (
                order[o.group],
                -o.priority,
                KINDS.index(o.terms.kind),
                SOURCES.index(o.source),
                o.id,
                o.revision,
                o.ends,
            ),
        )
        self.path = [by_group[o.group] for o in self.offers]
        self.never, every = never_together, range(len(self.offers))
        self.about = [frozenset(self._about(o.terms)) for o in self.offers]
        self.clash = [[i != j and self._clash(i, j) for j in every] for i in every]
        self.all_optional = all(o.optional for o in self.offers)
        self.tried: dict[tuple[int, Nows, int, frozenset[int]], list[Outcome]] = {}

    def _about(self, terms: Terms) -> list[int]:
        slots = [slot.scope for slot in terms.slots] or [Scope()]
        fits = [covers(terms.scope, r) and any(covers(s, r) for s in slots) for r in self.rows]
        return [at for at, fit in enumerate(fits) if fit]

    def _clash(self, i: int, j: int) -> bool:
        """Tell whether two offers can never be in the same combination."""
        if "order" in (self.offers[i].terms.exclusive, self.offers[j].terms.exclusive):
            return True
        both = [a for a, b in zip(self.path[i], self.path[j], strict=False) if a.group == b.group]
        if both and both[-1].mode == "best" and both[-1].per == "cart":
            return True
        for names in self.never:
            homes = [[g.group for g in self.path[at] if g.group in names] for at in (i, j)]
            if all(homes) and homes[0][-1] != homes[1][-1]:
                return True
        return False

    def _kept_out(self, i: int, state: State) -> bool:
        """Tell whether the taken offers exclude this one, by `most` or because of one of them."""
        inside = [group.group for j, _ in state.taken for group in self.path[j]]
        full = any(g.most is not None and inside.count(g.group) >= g.most for g in self.path[i])
        return full or any(self.clash[i][j] for j, _ in state.taken)

    def _excused(self, i: int, state: State) -> bool:
        """Tell whether the combination has an offer for which this one may be left out."""
        if self._kept_out(i, state):
            return True
        top, mine = self.path[i][0], self.about[i]
        fee = {self.fee_at} if self.offers[i].terms.kind == "delivery" else set[int]()
        for j, touched in state.taken:
            exclusive = [self.offers[at].terms.exclusive for at in (i, j)]
            if "item" in exclusive and touched & mine:
                return True
            if top.per == "item" and top.group == self.path[j][0].group and touched & (mine | fee):
                return True
        return False

    def _part(self, i: int, at: int, value: int) -> int:
        """Return the part of a line's value that counts for the offer: with or without extras."""
        terms, row = self.offers[i].terms, self.rows[at]
        if terms.with_addons and terms.kind != "exchange":
            return value
        return value * row.bare_fen // row.unit_fen if row.unit_fen else 0

    def _value(self, i: int, at: int, now: Now, base: str) -> int:
        as_listed = now.open * self.rows[at].unit_fen
        return self._part(i, at, as_listed if base == "list" else now.running)

    def _worth(self, i: int, at: int, now: Now) -> int:
        """Return the price of one piece of a line that counts for the offer."""
        if self.offers[i].terms.base == "list":
            return self._part(i, at, self.rows[at].unit_fen)
        return self._part(i, at, (now.running + now.piecewise) // now.open if now.open else 0)

    def _works_on(self, i: int, at: int, now: Now) -> bool:
        """Tell whether an offer can work on a line that it covers."""
        terms = self.offers[i].terms
        if terms.exclusive != "item":
            return (now.open if terms.kind in WHOLE else now.free) > 0
        if terms.kind in WHOLE:
            return 0 < now.free == self.rows[at].quantity and not now.whole
        return now.free > 0 and not now.whole

    def _times(self, i: int, nows: Nows) -> int:
        """Return how often the threshold is reached; 1 without a threshold."""
        terms = self.offers[i].terms
        if not terms.threshold_fen:
            return 1
        lines = self.about[i] if terms.threshold_of == "scope" else range(self.fee_at)
        reached = sum(self._value(i, at, nows[at], terms.threshold_base) for at in lines)
        return reached // terms.threshold_fen

    def _outcomes(self, i: int, state: State, lines: frozenset[int]) -> list[Outcome]:
        """Return every way in which an offer takes at least 1 fen off these lines or the fee."""
        key = (i, state.nows, state.fee, lines)
        if key not in self.tried:
            self.tried[key] = list(dict.fromkeys(self._ways(i, state.nows, state.fee, lines)))
        return self.tried[key]

    def _ways(self, i: int, nows: Nows, fee: int, lines: frozenset[int]) -> Iterator[Outcome]:
        terms = self.offers[i].terms
        at = sorted(k for k in lines & self.about[i] if self._works_on(i, k, nows[k]))
        if not (times := self._times(i, nows)):
            return
        if terms.kind == "delivery":
            off = min(fee, fee if terms.off_fen is None else terms.off_fen)
            if self.fee_at in lines and self.about[i] and off:
                yield Outcome(nows, fee - off, frozenset([self.fee_at]))
        elif terms.kind in WHOLE:
            offs = self._off_lines(i, nows, at, times)
            if any(offs.values()):
                touched = frozenset(k for k, off in offs.items() if off)
                yield Outcome(self._after_lines(i, nows, offs), fee, touched)
        else:
            for used, offs in self._uses(i, nows, at):
                offs = {k: min(off, self._part(i, k, nows[k].running)) for k, off in offs.items()}
                if any(offs.values()):
                    yield Outcome(self._after_pieces(i, nows, used, offs), fee, frozenset(used))

    def _off_lines(self, i: int, nows: Nows, lines: list[int], times: int) -> dict[int, int]:
        """Return what an offer about whole lines takes off each of them."""
        terms = self.offers[i].terms
        values = [self._value(i, at, nows[at], terms.base) for at in lines]
        bears = [self._part(i, at, nows[at].running) for at in lines]
        if terms.kind == "percent_off":
            amount = sum(values) * (terms.off_bp or 0) // 10_000
            amount = amount if terms.cap_fen is None else min(amount, terms.cap_fen)
        else:
            amount = (terms.off_fen or 0) * min(times, terms.most_times)
        amount = min(amount, sum(bears))
        offs = [min(pair) for pair in zip(shared(amount, values), bears, strict=True)]
        spare = [bear - off for bear, off in zip(bears, offs, strict=True)]
        more = shared(amount - sum(offs), spare)
        return {at: off + m for at, off, m in zip(lines, offs, more, strict=True)}

    def _after_lines(self, i: int, nows: Nows, offs: dict[int, int]) -> Nows:
        after = list(nows)
        for at, off in offs.items():
            now, left = nows[at], nows[at].running - off
            after[at] = now._replace(running=left, whole=now.whole or off > 0)
            if self.offers[i].terms.exclusive == "item":
                after[at] = Now(open=0, free=0, running=0, closed=now.closed + left)
        return tuple(after)

    def _after_pieces(self, i: int, nows: Nows, used: dict[int, int], offs: dict[int, int]) -> Nows:
        after = list(nows)
        for at, count in used.items():
            now, free, price = nows[at], nows[at].free - count, count * self.rows[at].unit_fen
            left, piecewise = now.running - offs[at], now.piecewise + offs[at]
            after[at] = now._replace(free=free, running=left, piecewise=piecewise)
            if self.offers[i].terms.exclusive == "item":  # No other offer touched these pieces.
                left, closed = now.running - price, now.closed + price - offs[at]
                after[at] = now._replace(
                    open=now.open - count, free=free, running=left, closed=closed
                )
        return tuple(after)

    def _uses(
        self, i: int, nows: Nows, lines: list[int]
    ) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
        """Yield every choice of pieces of these lines, with what it takes off each line."""
        terms = self.offers[i].terms
        worth = {at: self._worth(i, at, nows[at]) for at in lines}
        price, most = terms.price_fen or 0, terms.most_times
        if terms.kind == "bundle":
            for used, times in self._filled(i, nows, lines):
                values = [worth[at] * count for at, count in used.items()]
                shares = shared(max(0, sum(values) - price * times), values)
                yield used, dict(zip(used, shares, strict=True))
            return
        if terms.kind != "nth_item":
            lines = [at for at in lines if worth[at] > price]
        for counts in product(*(range(nows[at].free + 1) for at in lines)):
            used = {at: count for at, count in zip(lines, counts, strict=True) if count}
            times, over = divmod(sum(counts), terms.nth or 1)
            if over or not 1 <= times <= most:
                continue
            if terms.kind != "nth_item":
                yield used, {at: n * (worth[at] - price) for at, n in used.items()}
                continue
            off = {at: worth[at] * (terms.off_bp or 0) // 10_000 for at in used}
            for cheaper in self._cheaper(used, worth, terms.nth or 1):
                yield used, {at: cheaper[at] * off[at] for at in used}

    def _cheaper(
        self, used: dict[int, int], worth: dict[int, int], nth: int
    ) -> Iterator[dict[int, int]]:
        """Yield every choice of how many pieces of each line are an `nth` piece by price."""
        before, choices = 0, []
        for value in sorted({worth[at] for at in used}, reverse=True):
            alike = [at for at in used if worth[at] == value]
            upto = before + sum(used[at] for at in alike)
            due, before = upto // nth - before // nth, upto
            ways = product(*(range(used[at] + 1) for at in alike))
            choices.append([dict(zip(alike, way, strict=True)) for way in ways if sum(way) == due])
        for chosen in product(*choices):
            yield {at: count for part in chosen for at, count in part.items()}

    def _filled(self, i: int, nows: Nows, lines: list[int]) -> Iterator[tuple[dict[int, int], int]]:
        """Yield all sets of pieces that fill all slots of a bundle, and how many times they do."""
        terms = self.offers[i].terms
        sets = {tuple(0 for _ in lines)}
        for times in range(1, terms.most_times + 1):
            for slot in terms.slots:
                fits = [n for n, at in enumerate(lines) if covers(slot.scope, self.rows[at])]
                for _ in range(slot.quantity):
                    sets = {
                        (*counts[:n], counts[n] + 1, *counts[n + 1 :])
                        for counts in sets
                        for n in fits
                        if counts[n] < nows[lines[n]].free
                    }
            if not sets:
                return
            for counts in sorted(sets):
                yield {at: n for at, n in zip(lines, counts, strict=True) if n}, times

    def least(self, delivery_fen: int) -> Best | None:
        """Go through the offers in their order, keep every possible state, return the best key."""
        nobody = (NOBODY,) * (self.fee_at + 1)
        nows = tuple(Now(r.quantity, r.quantity, r.quantity * r.unit_fen) for r in self.rows)
        states = {State(nows, delivery_fen, (), (), (), nobody)}
        for name in dict.fromkeys(o.group for o in self.offers):
            members = [i for i, o in enumerate(self.offers) if o.group == name]
            top = self.path[members[0]][-1]
            if top.per == "item" and top.mode == "best":
                states = {s._replace(given=g) for s in states for g in self._gifts(s, members)}
            for i in members:
                states = {after for state in states for after in self._step(i, state)}
            states = {state._replace(given=nobody) for state in states}
        legal = (s for s in states if all(self._excused(i, s) for i in s.left))
        return None if self.lost else min(map(self._key, legal), default=None)

    def _key(self, state: State) -> Best:
        used = [self.offers[i] for i, _ in state.taken]
        ends = sorted(offer.ends for offer in used if offer.source == "coupon")
        payable = sum(now.running + now.closed for now in state.nows) + state.fee
        return Best(payable, len(ends), tuple(ends))

    def _gifts(self, state: State, members: list[int]) -> Iterator[tuple[int, ...]]:
        """Yield every way to give the lines and the fee to offers of a group `best` per item.

        The combination has exactly the offers that get something. If such an offer is about whole
        lines, a line that it could work on may not go to nobody.
        """
        takers = [
            [i for i in members if at in self.about[i] and self._works_on(i, at, now)]
            for at, now in enumerate(state.nows)
        ]
        riders = [i for i in members if self.offers[i].terms.kind == "delivery"]
        takers = [[i for i in those if i not in riders] for those in takers]
        for given in product(*([NOBODY, *those] for those in [*takers, riders])):
            whole = {i for i in given if i != NOBODY and self.offers[i].terms.kind in WHOLE}
            over = (those for at, those in enumerate(takers) if given[at] == NOBODY)
            if not any(whole.intersection(those) for those in over):
                yield given

    def _step(self, i: int, state: State) -> Iterator[State]:
        """Yield the states that can follow a state at the turn of an offer."""
        group, mine, settled = self.path[i][-1], self._children(i), dict(state.firsts)
        gift = frozenset(at for at, whom in enumerate(state.given) if whom == i)
        lines = gift or frozenset(at for at, by in enumerate(state.given) if not 0 <= by < i)
        ahead = all(settled.get(name, child) == child for name, child in mine.items())
        ways = self._outcomes(i, state, lines) if ahead and not self._kept_out(i, state) else []
        # An offer about single pieces must use a piece of each line that it was given.
        if gift and self.offers[i].terms.kind not in WHOLE:
            ways = [way for way in ways if way.touched == gift]
        if ways and group.per == "item" and group.mode == "first":
            gets = self._gets(i, state) & lines
            given = [i if at in gets else by for at, by in enumerate(state.given)]
            state = state._replace(given=tuple(given))
        elif ways:
            state = state._replace(firsts=tuple(sorted({**settled, **mine}.items())))
        best_by_item = group.per == "item" and group.mode == "best"
        for way in ways if gift or not best_by_item else []:
            touched = frozenset[int]() if self.all_optional else way.touched
            taken = (*state.taken, (i, touched))
            yield state._replace(nows=way.nows, fee=way.fee, taken=taken)
        if not gift and not self.offers[i].named:
            must = ways and not self.offers[i].optional
            yield state._replace(left=(*state.left, i)) if must else state

    def _children(self, i: int) -> dict[str, str]:
        """Return, for each group `first` around an offer, the child to which the offer belongs."""
        below = [*(group.group for group in self.path[i][1:]), f"#{i}"]
        pairs = zip(self.path[i], below, strict=True)
        return {g.group: child for g, child in pairs if g.mode == "first" and g.per == "cart"}

    def _gets(self, i: int, state: State) -> frozenset[int]:
        """Return all lines that an offer covers and can work on; for a delivery offer, the fee."""
        if self.offers[i].terms.kind == "delivery":
            return frozenset([self.fee_at])
        return frozenset(k for k in self.about[i] if self._works_on(i, k, state.nows[k]))
