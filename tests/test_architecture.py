"""Imports follow the order of the domains, and each kind of file imports only what it may."""

from __future__ import annotations

import ast
import json
import shutil
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

import house
from bootstrap import ROOT
from cli.__main__ import main
from house import DOMAINS, FOUNDATIONS, LAYER, areas, domain_of, imports, imports_within, runs_up

# Files that may use database or network. All other files of an area are models or pure rules.
TECHNICAL = ("service.py", "repository.py", "client.py", "schema.py")
ROOMS = [domain for domain in DOMAINS if domain not in FOUNDATIONS]
AREAS = [(domain, area) for domain in ROOMS for area in areas(domain)]
TOP_LEVEL = {
    "functions", "layers", "scripts", "tests", "cloudbaserc.json", "pyproject.toml", "README.md",
    "README.zh-CN.md",
}  # fmt: skip


@cache  # Several tests ask about each file of the layer.
def imported(path: Path) -> tuple[str, ...]:
    return tuple(imports(path))


def target_of(module: str) -> tuple[str, str, str] | None:
    """Split a module of an area into domain, area and file; None for any other module."""
    parts = module.split(".")
    if parts[0] != "huitou" or len(parts) < 4:
        return None
    return parts[1], parts[2], parts[3]


def test_each_folder_of_the_layer_is_a_domain_in_its_place() -> None:
    found = {path.name for path in LAYER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert found == set(DOMAINS)
    assert {"orders", "points", "tiers", "issuing", "quotes"} <= {area for _, area in AREAS}


@pytest.mark.parametrize("domain", ROOMS)
def test_a_domain_says_what_it_is_about_and_holds_nothing_but_areas(domain: str) -> None:
    assert [path.name for path in (LAYER / domain).glob("*.py")] == ["__init__.py"]
    text = (LAYER / domain / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))


def rules_of_areas() -> list[Path]:
    """Return `rules.py` of each area, and the other pure modules beside it."""
    return sorted(
        path
        for domain, area in AREAS
        for path in (LAYER / domain / area).glob("*.py")
        if not path.name.endswith((*TECHNICAL, "models.py", "__init__.py"))
    )


def named(path: Path) -> str:
    return str(path.relative_to(LAYER))


@pytest.mark.parametrize("path", rules_of_areas(), ids=named)
def test_rules_are_pure(path: Path) -> None:
    for module in imported(path):
        assert not module.startswith(("pymongo", "logging", "requests", "random", "secrets", "os"))
        assert not module.startswith(("huitou.runtime.database", "huitou.runtime.clock", "time"))
        assert not module.endswith(("service", "repository", "client"))
    text = path.read_text(encoding="utf-8")
    assert "datetime.now" not in text
    assert "print(" not in text


@pytest.mark.parametrize("path", sorted(LAYER.rglob("*.py")), ids=named)
def test_a_domain_imports_only_itself_and_lower_domains(path: Path) -> None:
    here = path.relative_to(LAYER).parts[0]
    for module in imported(path):
        assert not module.startswith(("functions", "localcloud", "cli", "simulation"))
        domain = domain_of(module)
        if domain is not None and here in DOMAINS:
            assert not runs_up(here, domain), f"{here} imports {module}"


def test_the_command_house_shows_each_domain_and_each_import_that_runs_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(main, ["house", "--json"])
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["upward"]) == (0, [])
    assert [room["domain"] for room in shown["domains"]] == list(DOMAINS)
    assert all(room["about"] for room in shown["domains"])
    assert [(r["domain"], area) for r in shown["domains"] for area in r["areas"]] == AREAS
    copy = tmp_path / "huitou"
    shutil.copytree(LAYER, copy)
    upward = (
        "import huitou.growth.geofence.rules",
        "from huitou import growth",
        "from ...growth.geofence import rules",
        "def late():\n    from huitou.growth import geofence",
    )
    for number, line in enumerate(upward):
        (copy / "catalog" / "menu" / f"odd_{number}.py").write_text(line, encoding="utf-8")
    monkeypatch.setattr(house, "LAYER", copy)
    result = CliRunner().invoke(main, ["house"])
    assert result.exit_code == 1
    assert "runs up: catalog → growth, 4 imports" in result.stdout


@pytest.mark.parametrize("path", sorted(LAYER.rglob("*.py")), ids=named)
def test_a_file_imports_what_its_kind_may(path: Path) -> None:
    here = path.relative_to(LAYER)
    for module in imported(path):
        target = target_of(module)
        if (
            module.startswith("pymongo")
            and here.parts[0] != "runtime"
            and not path.name.endswith(("repository.py", "schema.py"))
        ):
            # Services open transactions: they need the session type and the error of a lost race.
            assert path.name.endswith("service.py")
            assert module in ("pymongo.client_session", "pymongo.errors")
        if target is None:
            continue
        file = target[2]
        assert file != "schema", "declarations are found by their name, nobody imports them"
        if path.name == "models.py":
            assert not file.endswith(("service", "repository", "client", "rules"))
        # A migration may need the area's use cases; it runs them in a module of its own.
        upgrades = path.name == "schema.py" and target == (*here.parts[:2], "upgrade_service")
        if not path.name.endswith(("service.py", "client.py")) and not upgrades:
            assert not file.endswith(("service", "repository", "client"))


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("functions/*/*.py")), ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_a_function_is_a_thin_door(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "says what starts it and who may call it, or what is in it"
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)], "has no name"
    for module in imported(path):
        assert not module.startswith("pymongo")
        assert not module.endswith(".repository")


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("functions/console/desk/*.py")), ids=lambda p: p.name
)
def test_a_route_of_the_console_runs_a_function_with_a_name(path: Path) -> None:
    routes = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Route"
    ]
    assert routes or "\nROUTES = " not in path.read_text(encoding="utf-8")
    assert not [route for route in routes if isinstance(route.args[1], ast.Lambda)]


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("functions/*/*.py")), ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_a_function_imports_the_modules_beside_it_at_the_top(path: Path) -> None:
    """Several functions have a `member.py`. A process that loads several functions forgets the
    modules of one before it loads the next, so a late import could find another function's.
    """
    beside = {other.stem for other in path.parent.glob("*.py")}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert not beside & set(imports_within(node, path)), node.name


def test_the_top_level_is_fixed() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - {"__pycache__"} == TOP_LEVEL
