"""The outcome of a step has a type that mypy checks; it isn't a plain string."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from bootstrap import ROOT

LAYER = ROOT / "layers" / "core" / "huitou"


def results(function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """Yield the values that a function returns, without those of functions inside it."""
    inside: list[ast.AST] = list(function.body)
    while inside:
        node = inside.pop()
        if isinstance(node, ast.Return):
            yield node.value
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            inside += ast.iter_child_nodes(node)


def is_word(value: ast.expr | None) -> bool:
    """Tell whether an expression is always a literal string or None."""
    match value:
        case None | ast.Constant(value=str() | None):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_word(body) and is_word(orelse)
        case ast.BoolOp(values=values):
            return all(map(is_word, values))
    return False


def untyped(tree: ast.AST) -> Iterator[str]:
    """Yield the functions that declare `str` but return only literal strings."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.returns is None:
            continue
        if ast.unparse(node.returns) in ("str", "str | None"):
            words = list(results(node))
            if len(words) > 1 and all(map(is_word, words)):
                yield node.name


def test_a_function_that_returns_words_declares_which_words() -> None:
    found = [
        f"{path.relative_to(LAYER)}: {name}"
        for path in sorted(LAYER.rglob("*.py"))
        for name in untyped(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('def f() -> str:\n  if x: return "a"\n  return "b"', True),
        ('def f() -> str | None:\n  if x: return None\n  return "b" if y else "c"', True),
        ('def f() -> Outcome:\n  if x: return "a"\n  return "b"', False),
        ('def f() -> str:\n  if x: return name\n  return "b"', False),
    ],
)
def test_a_function_that_declares_no_words_is_found(text: str, is_found: bool) -> None:
    assert list(untyped(ast.parse(text))) == ["f"] * is_found
