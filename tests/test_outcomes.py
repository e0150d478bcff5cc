"""What a step comes to is a type that mypy checks, not just a string."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from bootstrap import ROOT

LAYER = ROOT / "layers" / "core" / "huitou"


def results(function: ast.FunctionDef) -> Iterator[ast.expr | None]:
    """What a function returns, but not the functions within it."""
    inside: list[ast.AST] = list(function.body)
    while inside:
        node = inside.pop()
        if isinstance(node, ast.Return):
            yield node.value
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            inside += ast.iter_child_nodes(node)


def is_word(value: ast.expr | None) -> bool:
    """Tell whether an expression can only be one of some words written here, or nothing."""
    match value:
        case None | ast.Constant(value=str() | None):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_word(body) and is_word(orelse)
        case ast.BoolOp(values=values):
            return all(map(is_word, values))
    return False


def untyped(tree: ast.AST) -> Iterator[str]:
    """Functions that say `str` and return one of their own words."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.returns is None:
            continue
        if ast.unparse(node.returns) in ("str", "str | None"):
            words = list(results(node))
            if len(words) > 1 and all(map(is_word, words)):
                yield node.name


def test_a_function_that_answers_with_a_word_says_which_words() -> None:
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
def test_such_a_function_is_found(text: str, is_found: bool) -> None:
    assert list(untyped(ast.parse(text))) == ["f"] * is_found
