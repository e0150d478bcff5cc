"""The domains of the core layer, their areas, and which module imports which.

`tests/test_architecture.py` checks the layer against it, `scripts/huitou house` prints it, and
`scripts/huitou new function` uses it to place new areas. This module doesn't import the layer;
it only reads its files.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bootstrap import ROOT

LAYER = ROOT / "layers" / "core" / "huitou"
# Lowest first. A domain imports only from itself and from earlier domains, even in functions.
FOUNDATIONS = ("runtime", "integrations")  # Technical base, and adapters to the outside.
DOMAINS = (
    *FOUNDATIONS,
    "catalog", "persons", "promotions", "coupons", "loyalty", "members", "ordering", "payments",
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
    """Return the sentence that describes a domain."""
    text = (LAYER / domain / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, anywhere in the file."""
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
    """Return the domain of a module by its full name; None if the module isn't in the layer."""
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
    """Tell whether an import from `domain` to `other` breaks the order."""
    return DOMAINS.index(other) > DOMAINS.index(domain)
