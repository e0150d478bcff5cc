"""The house keeps its shape: who imports whom, where pymongo may be, what rules may touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap import ROOT

LAYER = ROOT / "layers" / "core" / "huitou"
# Those that touch database or network; all other files of an area are models or pure rules.
TECHNICAL = ("service.py", "repository.py", "client.py")
AREAS = sorted(
    folder.name
    for folder in LAYER.iterdir()
    if folder.is_dir() and folder.name not in ("runtime", "integrations", "__pycache__")
)
TOP_LEVEL = {
    "functions", "layers", "scripts", "tests", "cloudbaserc.json", "pyproject.toml", "README.md",
    "README.zh-CN.md",
}  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def area_of(module: str) -> tuple[str, str] | None:
    parts = module.split(".")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[1] in AREAS else None


def test_there_are_areas_to_check() -> None:
    assert {"orders", "points", "tiers", "coupons", "pricing", "settlement"} <= set(AREAS)


def rules_of_areas() -> list[Path]:
    """`rules.py` of each area, and further pure modules where that would hold too much."""
    return sorted(
        path
        for area in AREAS
        for path in (LAYER / area).glob("*.py")
        if not path.name.endswith((*TECHNICAL, "models.py", "__init__.py"))
    )


@pytest.mark.parametrize("path", rules_of_areas(), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_rules_are_pure(path: Path) -> None:
    for module in imports(path):
        assert not module.startswith(("pymongo", "logging", "requests", "random", "secrets", "os"))
        assert not module.startswith(("huitou.runtime.database", "huitou.runtime.clock", "time"))
        assert not module.endswith(("service", "repository", "client"))
    text = path.read_text(encoding="utf-8")
    assert "datetime.now" not in text
    assert "print(" not in text


@pytest.mark.parametrize(
    "path", sorted(LAYER.rglob("*.py")), ids=lambda p: str(p.relative_to(LAYER))
)
def test_imports_go_one_way(path: Path) -> None:
    here = path.relative_to(LAYER)
    for module in imports(path):
        assert not module.startswith(("functions", "localcloud", "cli", "simulation"))
        target = area_of(module)
        if (
            module.startswith("pymongo")
            and here.parts[0] != "runtime"
            and path.name != "repository.py"
        ):
            # Services open transactions, so they name a session and the error of a lost race.
            assert path.name.endswith("service.py")
            assert module in ("pymongo.client_session", "pymongo.errors")
        if here.parts[0] in ("runtime",):
            assert target is None, "runtime knows nothing of the business"
        if path.name == "models.py" and target:
            assert target[1] == "models"
        if not path.name.endswith(("service.py", "client.py")) and target:
            assert not target[1].endswith(("service", "repository", "client"))
        if target and target[1] == "repository" and target[0] != here.parts[0]:
            assert here.parts[0] == "settlement", "an area uses another's repository"


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("functions/*/index.py")), ids=lambda p: p.parent.name
)
def test_a_function_is_a_thin_door(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "says what starts it and who may call it"
    for module in imports(path):
        assert not module.startswith("pymongo")
        assert not module.endswith(".repository")


def test_the_top_level_is_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - {"__pycache__"} == TOP_LEVEL
