"""The shape of the house: its domains, their areas, and which module imports which.

`tests/test_architecture.py` holds the layer to it, `scripts/huitou house` prints it, and
`scripts/huitou new function` puts new areas where they belong. Nothing of the layer is imported
here: its files are only read.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bootstrap import ROOT

LAYER = ROOT / "layers" / "core" / "huitou"
# Lowest first: a domain imports from itself and from those before it, also inside functions.
FOUNDATIONS = ("runtime", "integrations")  # What is no business, and the outside world.
DOMAINS = (
    *FOUNDATIONS,
    "catalog", "promotions", "coupons", "loyalty", "members", "ordering", "payments",
    "marketing", "growth", "insight", "operations",
)  # fmt: skip


def areas(domain: str) -> list[str]:
    """Return the names of a domain's areas, sorted; the foundations have files instead."""
    return sorted(
        folder.name
        for folder in (LAYER / domain).iterdir()
        if folder.is_dir() and folder.name != "__pycache__"
    )


def about(domain: str) -> str:
    """Return the sentence by which a domain says what it is about."""
    text = (LAYER / domain / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module a file imports, wherever in the file."""
    yield from imports_within(ast.parse(path.read_text(encoding="utf-8")), path)


def imports_within(tree: ast.AST, path: Path) -> Iterator[str]:
    """Yield the full name of every module that a part of a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join([*_package_above(path, node.level), *filter(None, [node.module])])
            if package == "huitou":  # `from huitou import catalog` imports a domain.
                yield from (f"{package}.{alias.name}" for alias in node.names)
            else:
                yield package


def _package_above(path: Path, level: int) -> list[str]:
    """Return the package that the `level` dots of a relative import stand for."""
    if not level:
        return []
    inside = path.relative_to(LAYER.parent).parts
    return list(inside[: len(inside) - level])


def domain_of(module: str) -> str | None:
    """Return the domain a module's full name lies in; None for a module of somebody else."""
    parts = module.split(".")
    return parts[1] if parts[0] == "huitou" and len(parts) > 1 else None


def imports_between_domains() -> dict[str, Counter[str]]:
    """Count, for each domain, how many imports go to each other domain."""
    found: dict[str, Counter[str]] = {domain: Counter() for domain in DOMAINS}
    for domain, counted in found.items():
        for path in (LAYER / domain).rglob("*.py"):
            named = (domain_of(module) for module in imports(path))
            counted.update(other for other in named if other not in (None, domain))
    return found


def runs_up(domain: str, other: str) -> bool:
    """Tell whether an import from a domain to another one goes against the order."""
    return DOMAINS.index(other) > DOMAINS.index(domain)
