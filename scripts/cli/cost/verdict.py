"""Compares the estimate with the claim and with servers, and says the result in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from cli.cost.estimate import Bill, Estimate
from cli.cost.prices import Prices

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


def free_tier(estimate: Estimate, prices: Prices) -> str:
    """Say in a sentence whether the functions stay within SCF's free tier, and what it leaves."""
    gbs, calls = sum(f.gbs for f in estimate.functions), sum(f.calls for f in estimate.functions)
    free_gbs = float(prices.allowance("scf_free_gbs"))
    free_calls = float(prices.allowance("scf_free_calls"))
    within = gbs <= free_gbs and calls <= free_calls
    database = next(item for item in estimate.bill.items if item.name == "database")
    return (
        f"The functions {'are' if within else 'are not'} within SCF's free tier: {gbs:,.0f} of"
        f" {free_gbs:,.0f} GB-s and {calls:,.0f} of {free_calls:,.0f} calls a month, in the first"
        " three months only (plain SCF; not confirmed for CloudBase). It saves up to"
        f" {yuan(estimate.free_months_save_fen)} a month and never the database's"
        f" {yuan(database.low_fen)}, so the chain is not free at any size."
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
