"""A kind of offer or trigger is what its table says: no other place asks which it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bootstrap import ROOT
from huitou.promotions.offers import kinds
from huitou.promotions.offers.kinds import KINDS

LAYER = ROOT / "layers" / "core" / "huitou"


class Table(NamedTuple):
    """Names of kinds, and the file that may ask for one of them."""

    names: frozenset[str]
    home: Path


TABLES = {
    "offers": Table(frozenset(KINDS), Path(kinds.__file__)),
}  # fmt: skip


def words(node: ast.AST) -> set[str]:
    """Every string in an expression."""
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def says_kind(node: ast.AST) -> bool:
    """Tell whether an expression is a kind: a name, an attribute or a key that says so."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.endswith(("kind", "kinds"))
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name.endswith("kind")
    return False


def dispatches(tree: ast.AST, names: frozenset[str]) -> Iterator[int]:
    """The lines that compare a kind with a name of the table, or list such names by themselves."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                if any(map(says_kind, sides)) and any(words(side) & names for side in sides):
                    yield node.lineno
            case ast.Match(subject=subject, cases=cases) if says_kind(subject):
                if any(words(case.pattern) & names for case in cases):
                    yield node.lineno
            case ast.Dict(keys=keys):
                if sum(bool(key and words(key) & names) for key in keys) > 1:
                    yield node.lineno


@pytest.mark.parametrize("table", TABLES)
def test_nobody_asks_for_a_kind_but_its_table(table: str) -> None:
    names, home = TABLES[table]
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted([*LAYER.rglob("*.py"), *ROOT.glob("functions/*/*.py")])
        if path != home
        for line in dispatches(ast.parse(path.read_text(encoding="utf-8")), names)
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
def test_such_a_place_is_found(text: str) -> None:
    assert list(dispatches(ast.parse(text), frozenset(KINDS))) == [1]


def test_what_only_makes_an_offer_is_no_such_place() -> None:
    text = 'terms = Terms(kind="delivery")\nif order.mode == "delivery": pass'
    assert not list(dispatches(ast.parse(text), frozenset(KINDS)))
