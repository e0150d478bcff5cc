"""The examples of the pricing page, read for a test."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from huitou.promotions.offers.models import COUPON, MEMBER, Group, Terms, default_stacking
from price_by_force import least
from price_states import Offered, Row

PAGE = Path(__file__).resolve().parents[2] / "functions" / "pay" / "PRICING.md"
KEYS = {"cart", "offers", "coupons", "tier_off_bp", "stacking", "delivery_fen", "pays_fen"}


class Example(NamedTuple):
    """One example: a cart, what is on offer, and what it comes to."""

    name: str
    rows: list[Row]
    offered: list[Offered]
    groups: list[Group]
    delivery_fen: int
    pays_fen: int


def examples(page: Path = PAGE) -> list[Example]:
    """Return all examples of the page, in their order, each named by its section and line."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in re.finditer(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        before = text[: block.start()]
        section = re.findall(r"^## (\d+)", before, re.MULTILINE)[-1]
        name = f"section {section}, line {before.count(chr(10)) + 1}"
        found.append(_example(name, json.loads(block[1])))
    return found


def _example(name: str, raw: dict[str, Any]) -> Example:
    if unknown := raw.keys() - KEYS:
        raise ValueError(f"{name}: unknown keys {sorted(unknown)}")
    rows = [
        Row(dish, "", "", pieces, fen, bare[0] if bare else fen)
        for dish, pieces, fen, *bare in raw["cart"]
    ]
    offered = [_offered("offer", "activity", offer) for offer in raw.get("offers", [])]
    offered += [_offered("coupon", COUPON, coupon) for coupon in raw.get("coupons", [])]
    if off_bp := raw.get("tier_off_bp"):
        terms = Terms(kind="percent_off", off_bp=off_bp, base="running")
        offered.append(Offered("tier", "tier", 1, terms, MEMBER))
    groups = [Group(**group) for group in raw.get("stacking", [])] or default_stacking().groups
    return Example(name, rows, offered, groups, raw.get("delivery_fen", 0), raw["pays_fen"])


def _offered(source: Any, group: str, raw: dict[str, Any]) -> Offered:
    return Offered(
        source,
        raw["id"],
        raw.get("revision", 1),
        Terms.model_validate(raw["terms"]),
        raw.get("group", group),
        raw.get("priority", 0),
        source == "coupon" or raw.get("optional", True),
        raw.get("named", False),
    )


if __name__ == "__main__":
    for example in examples(Path(sys.argv[1]) if sys.argv[1:] else PAGE):
        best = least(example.rows, example.offered, example.groups, example.delivery_fen)
        right = best is not None and best.payable_fen == example.pays_fen
        print("ok   " if right else "WRONG", example.name, example.pays_fen, best)
