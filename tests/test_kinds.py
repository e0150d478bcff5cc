"""The table of kinds describes each offer and trigger; no other code compares kinds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from bootstrap import ROOT
from huitou.marketing.campaigns import triggers
from huitou.marketing.campaigns.triggers import TRIGGERS, Kind
from huitou.marketing.runs.day_service import DayMembers
from huitou.marketing.runs.events import EVENTS
from huitou.promotions.offers import kinds
from huitou.promotions.offers.kinds import KINDS

LAYER = ROOT / "layers" / "core" / "huitou"


class Table(NamedTuple):
    """The names of the kinds, the table's file, and the files that may map kinds to queries."""

    names: frozenset[str]
    home: Path
    queries: frozenset[Path] = frozenset()


RUNS = LAYER / "marketing" / "runs"
TABLES = {
    "offers": Table(frozenset(KINDS), Path(kinds.__file__)),
    "triggers": Table(
        frozenset(TRIGGERS), Path(triggers.__file__),
        frozenset({RUNS / "day_service.py", RUNS / "events.py", RUNS / "lasting_service.py"}),
    ),
}  # fmt: skip


def words(node: ast.AST) -> set[str]:
    """Return every string in an expression."""
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def says_kind(node: ast.AST) -> bool:
    """Tell whether an expression is a kind, by its name, attribute or key."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith(("kind", "kinds"))
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name.endswith("kind")
    return False


def dispatches(tree: ast.AST, names: frozenset[str], *, tables: bool) -> Iterator[int]:
    """Yield the lines that compare a kind with a name of the table.

    With `tables`, also the lines that list such names.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                if any(map(says_kind, sides)) and any(words(side) & names for side in sides):
                    yield node.lineno
            case ast.Match(subject=subject, cases=cases) if says_kind(subject):
                if any(words(case.pattern) & names for case in cases):
                    yield node.lineno
            case ast.Dict(keys=keys) if tables:
                if sum(bool(key and words(key) & names) for key in keys) > 1:
                    yield node.lineno


@pytest.mark.parametrize("table", TABLES)
def test_only_the_table_distinguishes_kinds(table: str) -> None:
    names, home, queries = TABLES[table]
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted([*LAYER.rglob("*.py"), *ROOT.glob("functions/*/*.py")])
        if path != home
        for line in dispatches(
            ast.parse(path.read_text(encoding="utf-8")), names, tables=path not in queries
        )
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'if terms.kind == "delivery": pass',
        'x = terms.kind not in ("exchange", "delivery")',
        'x = "bundle" in kinds',
        'if document["kind"] != "bundle": pass',
        'match terms.kind:\n    case "amount_off" | "percent_off": pass',
        'x = {"amount_off": 1, "percent_off": 2}[terms.kind]',
    ],
)
def test_code_that_compares_kinds_is_found(text: str) -> None:
    assert list(dispatches(ast.parse(text), frozenset(KINDS), tables=True)) == [1]


def test_code_that_only_makes_an_offer_is_not_reported() -> None:
    text = 'terms = Terms(kind="delivery")\nif order.mode == "delivery": pass'
    assert not list(dispatches(ast.parse(text), frozenset(KINDS), tables=True))


def test_each_trigger_has_an_entry_and_a_query_that_finds_its_members() -> None:
    assert set(TRIGGERS) == set(get_args(Kind))
    assert set(DayMembers.PAGES) == {name for name, kind in TRIGGERS.items() if kind.met == "day"}
    assert set(EVENTS) == {name for name, kind in TRIGGERS.items() if kind.met == "event"}
