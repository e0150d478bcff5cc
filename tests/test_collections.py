"""Each collection has one owner: the area whose `schema.py` declares it, and its only writer.

The tables below name the exceptions: other areas that read a collection or write some fields of
its documents. A missing entry fails the tests, and so does an entry that isn't needed any more.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bootstrap import ROOT
from huitou.operations.erasures.keeping import BY_ID, BY_MEMBER
from huitou.runtime.areas import modules_named
from huitou.runtime.declarations import declarations, migrations

LAYER = ROOT / "layers" / "core" / "huitou"
WRITING = {
    "insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one",
    "delete_many", "bulk_write", "find_one_and_update", "find_one_and_replace",
    "find_one_and_delete",
}  # fmt: skip
# Areas that write some fields of another area's documents. Nobody else writes these fields.
PARTS = {
    ("insight/kpis", "orders"): "the marker `rollup`, once the order is counted",
    ("insight/kpis", "logins"): "the marker `rollup`, once the log-in is counted",
    ("marketing/features", "orders"): "the marker `features`, once the member's are up to date",
    ("payments/bill_check", "payments"): "`bill`: which day's bill shows the payment",
    ("payments/bill_check", "refunds"): "`bill`: which day's bill shows the refund",
    ("persons/ids", "members"): "`touched`, so that a merge or an erasure notices other writes",
    ("loyalty/tiers", "accounts"): "the member's tier, on the account that its points move",
    ("catalog/stores", "meta"): "the revision of all stores",
    ("promotions/offers", "meta"): "the revision of all offers",
}
# Areas that read another area's documents by queries of their own, which the owner doesn't need.
READERS = {
    "accounts": {"marketing/audiences", "marketing/runs", "operations/reconciliation",
                 "ordering/quotes"},
    "arrivals": {"marketing/runs"},
    "coupons": {"marketing/measurement", "marketing/runs"},
    "exposures": {"marketing/measurement"},
    "identities": {"operations/console"},
    "features": {"marketing/runs", "operations/console"},
    "members": {"insight/kpis", "loyalty/birthdays", "loyalty/tiers", "marketing/audiences",
                "marketing/runs", "operations/console"},
    "notices": {"marketing/runs"},
    "orders": {"marketing/measurement", "marketing/runs", "operations/console"},
    "payments": {"payments/refunds"},
    "points_entries": {"insight/kpis", "loyalty/liability"},
    "refunds": {"operations/console"},
    "tier_changes": {"marketing/runs"},
}  # fmt: skip
# `rules` holds the rules of many areas: each area reads and replaces its own document there.
SHARED = {"rules"}


def area_of(path: Path) -> str:
    """Return `domain/area` of a file; only the domain if the file is in no area."""
    parts = path.relative_to(LAYER).parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def owners() -> dict[str, str]:
    found = {}
    for module in modules_named("schema"):
        assert module.__file__
        for declaration in module.DECLARATIONS:
            found[declaration.name] = area_of(Path(module.__file__))
    return found


def uses(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each collection that a file names, and whether the file writes there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    held: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _collection_name(node)):
            yield name, False
        if isinstance(node, ast.Assign) and (name := _collection_name(node.value)):
            held[ast.unparse(node.targets[0])] = name
    for node in ast.walk(tree):
        written = None
        if isinstance(node, ast.Attribute) and node.attr in WRITING:
            written = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "insert_new",
            "put_revision",
        ):
            written = node.args[0]
        if written is not None and (
            name := held.get(ast.unparse(written)) or _collection_name(written)
        ):
            yield name, True


def _collection_name(node: ast.AST) -> str | None:
    """Return the collection of `database.collection("…")`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    if node.func.attr != "collection" or not isinstance(node.args[0], ast.Constant):
        return None
    return str(node.args[0].value)


@cache  # Reading all files of the layer takes more than a second.
def found_uses() -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """Return the readers and the writers of other areas' collections."""
    owned = owners()
    readers: dict[str, set[str]] = defaultdict(set)
    writers = set()
    for path in LAYER.rglob("*.py"):
        for name, writes in uses(path):
            assert name in owned, f"{path} names {name}, which no area declares"
            area = area_of(path)
            if area != owned[name] and path.name != "schema.py" and name not in SHARED:
                readers[name].add(area)
                if writes:
                    writers.add((area, name))
    return readers, writers


def test_a_collection_is_declared_once() -> None:
    assert len({one.name for one in declarations()}) == len(declarations()) >= 60


def test_a_collection_is_written_by_its_owner_only() -> None:
    _, writers = found_uses()
    passed = {("payments/bill_check", "payments"), ("payments/bill_check", "refunds")}
    # The bill check hands its collection to a function that marks payments or refunds.
    assert writers | passed == set(PARTS)


def test_every_reader_of_another_areas_collection_is_in_the_table() -> None:
    readers, _ = found_uses()
    in_part = {(area, name) for area, name in PARTS}
    other = {
        name: {area for area in areas if (area, name) not in in_part}
        for name, areas in readers.items()
    }
    assert {name: areas for name, areas in other.items() if areas} == READERS


def test_an_erasure_empties_declared_collections_only() -> None:
    assert {*BY_MEMBER, *BY_ID} <= set(owners())


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [migration.number for migration in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_index_names_of_a_collection_are_unique() -> None:
    for one in declarations():
        names = Counter(index.document["name"] for index in one.indexes)
        assert max(names.values(), default=1) == 1, one.name
