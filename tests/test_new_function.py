"""`scripts/huitou new function`, run in a copy of the checkout, writes code that passes tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bootstrap import ROOT, VENV
from cli.new.skeleton import Names, NotPossible, Skeleton
from readmes import every_block

pytestmark = pytest.mark.slow
# The tests that a new function can break, its own tests aside. All --fast tests take minutes.
WATCHERS = (
    "tests/test_architecture.py", "tests/test_bundle.py", "tests/test_readme_structure.py",
    "tests/test_collections.py", "tests/test_typings.py", "tests/functions/test_doors.py",
    "tests/test_function_readmes.py",
)  # fmt: skip
# Selects the tests about the new function or about all functions, not those of other files.
NOTICING = " or ".join((
    "prep", "test_bundle", "test_collections", "test_readme_structure", "test_function_readmes",
    "test_typings and not same_bytes",
))  # fmt: skip
SOURCES = (
    "functions", "layers", "tests", "scripts", "cloudbaserc.json", "README.md", "README.zh-CN.md",
)  # fmt: skip


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )


def made_well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every folder and file of the sources, with the files' bytes."""
    return {
        path: path.read_bytes() if path.is_file() else b""
        for part in SOURCES
        for path in (folder / part, *(folder / part).rglob("*"))
        if "__pycache__" not in path.parts
    }


def copied(folder: Path) -> Path:
    """Copy the checkout's files; link the environment and the layers that are already built."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in made_well(listed).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (ROOT / ".build").mkdir(exist_ok=True)
    for shared in (VENV, ROOT / ".build"):
        (folder / shared.name).symlink_to(shared.resolve())
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def printed(copy: Path) -> str:
    """Run the command of layers/README.md in the copy; returns what it prints."""
    [session] = [block for block in every_block() if "scripts/huitou new function" in block]
    assert session == "scripts/huitou new function prep-dispatch\n"
    return made_well(run(copy, "bash", "-euc", session))


def test_the_command_names_every_file_it_writes(copy: Path, printed: str) -> None:
    before, after = (
        {str(path.relative_to(folder)): text for path, text in contents(folder).items() if text}
        for folder in (ROOT, copy)
    )
    empty = {"layers/core/huitou/operations/prep_dispatch/__init__.py"}
    new, changed = (
        set(re.findall(rf"^{kind} +(\S+)", printed, re.M)) for kind in ("new", "changed")
    )
    assert new == after.keys() - before.keys() | empty
    assert changed == {path for path in after.keys() - new if after[path] != before[path]}


def test_the_new_code_is_formatted_and_typed(copy: Path, printed: str) -> None:
    made_well(run(copy, ".venv/bin/ruff", "check"))
    made_well(run(copy, ".venv/bin/ruff", "format", "--check"))
    sources = [f for f in re.findall(r"^new +(\S+\.py)", printed, re.M) if "tests/" not in f]
    made_well(run(copy, ".venv/bin/mypy", *sources))


def test_long_and_odd_names_give_formatted_code(tmp_path: Path) -> None:
    """Line breaks and the order of imports depend on the names."""
    copy = copied(tmp_path)
    for words in (
        ("a-function-with-a-name-so-long", "--domain", "promotions"),
        ("ab", "--area", "z_words_of_4"),
    ):
        made_well(run(copy, "scripts/huitou", "new", "function", *words))
    made_well(run(copy, ".venv/bin/ruff", "check"))
    made_well(run(copy, ".venv/bin/ruff", "format", "--check"))


def test_the_new_code_passes_the_fast_tests(copy: Path, printed: str) -> None:
    own = [f for f in re.findall(r"^new +(\S+)", printed, re.M) if f.startswith("tests/")]
    assert len(own) == 2
    passed = made_well(run(copy, "scripts/test", "--fast", "--", *WATCHERS, *own, "-k", NOTICING))
    assert "skipped" not in passed
    for path in own:
        assert f"{path} ." in passed


def test_the_new_readmes_commands_run_in_the_cloud(copy: Path, printed: str) -> None:
    session = ("tests/test_readme.py", "-k", "prep-dispatch and every_other_session")
    assert "1 passed" in made_well(run(copy, "scripts/test", "--", *session))


@pytest.mark.parametrize(
    ("function", "domain", "area", "why"),
    [
        ("Prep", "operations", None, "lower-case words joined by hyphens"),
        ("prep_dispatch", "operations", None, "lower-case words joined by hyphens"),
        ("p", "operations", None, "2 to 30 characters"),
        ("p" * 31, "operations", None, "2 to 30 characters"),
        ("import", "operations", None, "no word of Python's own: choose one with --area"),
        ("prep", "operations", "p-d", "lower-case words joined by underscores"),
        ("prep", "cellar", None, "no such domain; these are: catalog, persons"),
        ("prep", "runtime", None, "no such domain"),
        ("pay", "operations", None, "functions/pay is there: choose another name"),
        ("prep", "ordering", "orders", "ordering/orders is there: choose another name"),
        ("prep", "operations", "paying", "test_paying.py already: choose another --area"),
    ],
)
def test_a_refusal_says_what_to_do(function: str, domain: str, area: str | None, why: str) -> None:
    with pytest.raises(NotPossible, match=re.escape(why)):
        Skeleton(Names.of(function, domain, area))


def test_an_existing_function_is_left_alone(copy: Path, printed: str) -> None:
    before = contents(copy)
    done = run(copy, "scripts/huitou", "new", "function", "prep-dispatch")
    assert done.returncode == 1
    assert "functions/prep-dispatch is there: choose another name" in done.stderr
    assert contents(copy) == before


def test_if_one_file_cannot_be_written_no_file_is_written(copy: Path) -> None:
    in_the_way = copy / "tests" / "services" / "catalog"  # The command needs a folder here.
    assert not in_the_way.exists()
    in_the_way.write_text("")
    before = contents(copy)
    done = run(copy, "scripts/huitou", "new", "function", "late", "--domain", "catalog")
    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert contents(copy) == before
    in_the_way.unlink()
