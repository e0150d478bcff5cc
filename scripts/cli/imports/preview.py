"""What a dry run shows: the first rows as understood, totals, and what looks odd."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table as Picture

from cli.imports.cells import Row

MOST_ROWS = 10
MOST_SHOWN = 5
MANY_A_DAY = 10  # Orders of one member on one day.
MUCH_FEN = 1_000_000  # An order of ¥10,000.
MANY_ORDERS_PART = 0.2  # Of all orders, by one member.
FEW = 20  # Fewer orders than this say nothing about a chain.

_FIELDS = (
    "member",
    "paid_at",
    "paid_on",
    "amount_fen",
    "returned_fen",
    "store",
    "order",
    "refund_of",
)


def net_fen(normal: Mapping[str, Any]) -> int:
    """Return what an order or refund adds to the revenue, what went back taken off."""
    return int(normal["amount_fen"] - (normal.get("returned_fen") or 0))


class Preview:
    """Gathers what went through the reader; it knows nothing of the database."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._first: list[dict[str, Any]] = []
        self._totals: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._members: Counter[str] = Counter()
        self._days: Counter[tuple[str, str]] = Counter()
        self._odd: Counter[str] = Counter()
        self._orders = 0

    def add(self, rows: list[Row], normal: Mapping[str, Any], day: str, *, midnight: bool) -> None:
        """Take one order or refund in; `day` is the day its file writes."""
        if len(self._first) < MOST_ROWS:
            shown: dict[str, Any] = {"line": rows[0].place}
            shown |= {name: normal[name] for name in _FIELDS if name in normal}
            if "paid_at" in normal:
                moment = datetime.fromisoformat(normal["paid_at"]).astimezone(self._zone)
                shown["paid_at"] = moment.isoformat(" ")
            if "lines" in normal:
                shown["lines"] = [f"{one['dish']}×{one['quantity']}" for one in normal["lines"]]
            self._first.append(shown)
        totals = self._totals[day[:7], normal.get("store", "")]
        totals["refunds" if "refund_of" in normal else "orders"] += 1
        totals["amount_fen"] += net_fen(normal)
        if "refund_of" in normal:
            return
        self._orders += 1
        if "member" in normal:
            self._members[normal["member"]] += 1
            self._days[normal["member"], day] += 1
        self._odd["without member"] += "member" not in normal
        self._odd["of ¥0"] += normal["amount_fen"] == 0
        self._odd[f"over ¥{MUCH_FEN // 100:,}"] += normal["amount_fen"] > MUCH_FEN
        self._odd["at 00:00:00"] += midnight

    def result(self) -> dict[str, Any]:
        """Return it as --json prints it."""
        totals = [
            {
                "month": month,
                "store": store or None,
                "orders": counts["orders"],
                "refunds": counts["refunds"],
                "amount_fen": counts["amount_fen"],
            }
            for (month, store), counts in sorted(self._totals.items())
        ]
        return {"first": self._first, "totals": totals, "odd": self._looks_odd()}

    def _looks_odd(self) -> list[str]:
        told = [f"{count} orders {what}" for what, count in self._odd.items() if count]
        for member, count in self._members.most_common(MOST_SHOWN):
            if self._orders >= FEW and count > MANY_ORDERS_PART * self._orders:
                told.append(f"member {member} has {count} of {self._orders} orders: a walk-in?")
        for (member, day), count in self._days.most_common(MOST_SHOWN):
            if count > MANY_A_DAY:
                told.append(f"member {member} has {count} orders on {day}")
        stores = {store for _, store in self._totals}
        if "" in stores and len(stores) > 1:
            told.append("some rows name a store and some name none")
        return told + self._gaps()

    def _gaps(self) -> list[str]:
        months = sorted({month for month, _ in self._totals})
        told = []
        for one, other in pairwise(months):
            first, second = (datetime.strptime(month, "%Y-%m") for month in (one, other))
            if (second.year - first.year) * 12 + second.month - first.month > 1:
                told.append(f"nothing between {one} and {other}")
        return told

    def print(self, console: Console) -> None:
        """Print it for a person."""
        rows = Picture(
            "line",
            "member",
            "when",
            "¥",
            "store",
            "number",
            "refund of",
            "dishes",
            title="the first rows, as understood",
        )
        for one in self._first:
            when = str(one.get("paid_at") or one.get("paid_on"))
            rows.add_row(
                one["line"],
                one.get("member", ""),
                when,
                f"{net_fen(one) / 100:,.2f}",
                one.get("store", ""),
                one.get("order", ""),
                one.get("refund_of", ""),
                "、".join(one.get("lines", [])),
            )
        console.print(rows)
        months = Picture("month", "store", "orders", "refunds", "¥", title="totals")
        result = self.result()
        for row in result["totals"]:
            months.add_row(
                row["month"],
                row["store"] or "",
                f"{row['orders']:,}",
                f"{row['refunds']:,}",
                f"{row['amount_fen'] / 100:,.2f}",
            )
        console.print(months)
        for odd in result["odd"]:
            console.print(f"looks odd: {odd}", style="yellow", markup=False, highlight=False)
