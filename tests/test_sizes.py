"""Files and functions are short, in tests and scripts too."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from bootstrap import ROOT

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 70  # Counted from `def`: a table of parameters above it is not code.


def python_files() -> dict[str, str]:
    """Return the text of each of our Python files by its path, without hidden and Node's files."""
    paths = (path.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/*.py"))
    return {
        path.as_posix(): (ROOT / path).read_text(encoding="utf-8")
        for path in paths
        if not any(part.startswith(".") or part == "node_modules" for part in path.parts)
    }


def test_every_folder_is_checked() -> None:
    folders = {Path(name).parts[0] for name in python_files()}
    assert folders == {"functions", "layers", "scripts", "tests"}


def test_no_file_is_too_long() -> None:
    files = python_files().items()
    long = {name for name, text in files if len(text.splitlines()) > MOST_LINES_OF_A_FILE}
    assert long == set()


def test_no_function_is_too_long() -> None:
    long = {
        f"{name}: {node.name}"
        for name, text in python_files().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    }
    assert long == set()


def test_no_two_test_files_have_the_same_name() -> None:
    names = Counter(Path(name).name for name in python_files())
    assert [name for name, count in names.items() if count > 1 and name.startswith("test_")] == []
