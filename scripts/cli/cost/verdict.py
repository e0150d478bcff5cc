"""Compares the estimate with the claim and with servers, and says the result in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from cli.cost.estimate import Bill, Estimate

CLAIMED_FEN = 30_000  # A month, at CLAIMED_ORDERS a day: the founding issue's "about ¥300".
CLAIMED_UNDER = 0.70  # The claimed saving against self-hosting.
CLAIMED_ORDERS = 10_000
DATABASE_ITEMS = frozenset({
    "database", "backups", "arbiter on a third machine", "more disk for the database", "snapshots",
})  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Our bill compared with another; `under` is the share saved, below zero if ours is higher.

    Low is compared with low and high with high, because both bills share uncertain items.
    """

    name: str
    ours: Bill
    theirs: Bill

    @property
    def under_low(self) -> float:
        return 1 - self.ours.low_fen / self.theirs.low_fen

    @property
    def under_high(self) -> float:
        return 1 - self.ours.high_fen / self.theirs.high_fen


def comparisons(estimate: Estimate) -> tuple[Comparison, ...]:
    """Compare with servers only, with servers and the same database, and without databases."""
    return (
        Comparison("all on own servers, MongoDB too", estimate.bill, estimate.servers),
        Comparison(
            "two servers and the same database", estimate.bill, estimate.servers_and_database
        ),
        Comparison(
            "both without any database",
            _without_database(estimate.bill),
            _without_database(estimate.servers_and_database),
        ),
    )


def verdict(estimate: Estimate) -> str:
    """Say in one sentence whether the claim holds at this number of orders, and why."""
    bill = estimate.bill
    alone, same_database, _ = comparisons(estimate)
    database = next(item for item in bill.items if item.name == "database")
    price = _verdict_words(bill.high_fen <= CLAIMED_FEN, bill.low_fen <= CLAIMED_FEN)
    shares = [s for c in (alone, same_database) for s in (c.under_low, c.under_high)]
    share = _verdict_words(min(shares) >= CLAIMED_UNDER, max(shares) >= CLAIMED_UNDER)
    return (
        f"At {estimate.orders_per_day:,} orders a day the bill is {yuan(bill.low_fen)} to"
        f" {yuan(bill.high_fen)} a month, of which the database is {yuan(database.low_fen)} to"
        f" {yuan(database.high_fen)}: “about {yuan(CLAIMED_FEN)}” {price}, and"
        f" “{CLAIMED_UNDER:.0%} under self-hosting” {share} (two servers with the same database:"
        f" {difference(same_database.under_low)} to {difference(same_database.under_high)};"
        f" all on own servers: {difference(alone.under_low)} to {difference(alone.under_high)})."
    )


def _verdict_words(surely: bool, perhaps: bool) -> str:
    return "holds" if surely else "holds at the low end only" if perhaps else "does not hold"


def difference(share: float) -> str:
    """Write a saved share in words."""
    return f"{abs(share):.0%} {'under' if share >= 0 else 'over'}"


def yuan(fen: int) -> str:
    """Write fen as yuan."""
    return f"{'−' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def _without_database(bill: Bill) -> Bill:
    return Bill(tuple(item for item in bill.items if item.name not in DATABASE_ITEMS))
