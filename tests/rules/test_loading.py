"""Late imports load a module when a name is first used; importing builds no validator.

What each function loads for its first call is in `tests/cloud/test_cold_start.py`.
"""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bootstrap import ROOT
from house import LAYER
from huitou.runtime.loading import Late, late_imports, loaded

MODELS = sorted(LAYER.rglob("*models.py"))
SOURCES = [
    path
    for folder in ("functions", "layers/core")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "with late_imports()" in path.read_text(encoding="utf-8")
]


def run(script: str) -> list[str]:
    """Run a script in a process of its own, which has loaded nothing; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "layers" / "core")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_a_module_is_loaded_when_a_name_is_called_or_read_and_not_before() -> None:
    script = (
        "import sys\n"
        "from huitou.runtime.loading import late_imports\n"
        "with late_imports():\n"
        "    from huitou.runtime.cache import Cache\n"
        "    from huitou.runtime.paging import PageRequest\n"
        "    import decimal\n"
        "names = ('decimal', 'huitou.runtime.cache', 'huitou.runtime.paging')\n"
        "print([name in sys.modules for name in names])\n"
        "Cache(), PageRequest.model_fields\n"
        "print([name in sys.modules for name in names])\n"
    )
    assert run(script) == ["[True, False, False]", "[True, True, True]"]


def test_after_the_block_imports_are_as_usual_also_if_the_block_failed() -> None:
    with pytest.raises(ZeroDivisionError), late_imports():
        1 / 0  # noqa: B018
    from huitou.runtime.paging import PageRequest

    assert not isinstance(PageRequest, Late)


def test_imports_of_other_threads_are_as_usual_and_each_block_puts_back_what_it_found() -> None:
    usual, inside, done = builtins.__import__, threading.Event(), threading.Event()

    def open_a_block() -> None:
        with late_imports():
            inside.set()
            assert done.wait(30)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(open_a_block)
        assert inside.wait(30)
        from huitou.runtime.paging import PageRequest

        second = pool.submit(open_a_block)  # Waits for the first one's end.
        done.set()
        first.result(30)
        second.result(30)
    assert not isinstance(PageRequest, Late)
    assert builtins.__import__ is usual


def test_a_late_name_is_refused_where_only_the_class_itself_can_stand() -> None:
    with late_imports():
        from huitou.runtime.errors import Refusal
    with pytest.raises(TypeError):
        isinstance(ValueError(), Refusal)
    with pytest.raises(TypeError):
        type("Special", (Refusal,), {})
    assert issubclass(loaded(Refusal), Exception)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_late_import_names_something_that_exists(path: Path) -> None:
    """A name that is wrong would else be found by the first member who needs it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.With) and "late_imports" in ast.unparse(node.items[0]):
            for line in node.body:
                assert isinstance(line, ast.ImportFrom)
                assert line.module is not None
                for name in line.names:
                    assert name.asname is None, "late imports keep their names"
                    assert loaded(Late(line.module, name.name)) is not None


def test_no_import_builds_a_models_validator() -> None:
    """An instance would build it at each cold start, whether its call needs it or not.

    `Limits()` as the default of a field builds it; `Limits.model_construct()` doesn't.
    """
    script = (
        "import importlib, pkgutil, huitou\n"
        "from huitou.runtime.documents import Answer, Record, Request\n"
        "for found in pkgutil.walk_packages(huitou.__path__, 'huitou.'):\n"
        "    importlib.import_module(found.name)\n"
        "def below(model):\n"
        "    return [each for one in model.__subclasses__() for each in (one, *below(one))]\n"
        "models = [*below(Answer), *below(Record), *below(Request)]\n"
        "assert len(models) > 300\n"
        "print(sorted(m.__name__ for m in models if vars(m).get('__pydantic_complete__')))\n"
    )
    assert run(script) == ["[]"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.relative_to(LAYER)))
def test_annotations_of_models_are_no_texts(path: Path) -> None:
    """pydantic compiles each annotation that is a text, which took a quarter of loading models.

    A name that stands further down is quoted by itself.
    """
    assert "from __future__ import annotations" not in path.read_text(encoding="utf-8")


def test_no_pattern_of_a_field_takes_long_to_build() -> None:
    """A pattern that counts letters of all scripts took a member's first call 100 ms.

    The others take 3 ms at most, so the limit holds on a busy machine too. pydantic keeps a
    pattern that it has built, so each is built as a part of one that nobody else has.
    """
    script = (
        "import importlib, pkgutil, time, typing, huitou\n"
        "from pydantic_core import SchemaValidator, core_schema\n"
        "from huitou.runtime.documents import Answer, Record, Request\n"
        "for found in pkgutil.walk_packages(huitou.__path__, 'huitou.'):\n"
        "    importlib.import_module(found.name)\n"
        "def below(model):\n"
        "    return [each for one in model.__subclasses__() for each in (one, *below(one))]\n"
        "def patterns(part):\n"
        "    own = {part.pattern} if isinstance(getattr(part, 'pattern', None), str) else set()\n"
        "    inner = [*getattr(part, 'metadata', ()), *typing.get_args(part)]\n"
        "    inner += [part.annotation] if hasattr(part, 'annotation') else []\n"
        "    return own.union(*map(patterns, inner))\n"
        "models = {*below(Answer), *below(Record), *below(Request)}\n"
        "fields = [field for model in models for field in model.model_fields.values()]\n"
        "found = set().union(*map(patterns, fields))\n"
        "assert len(found) > 20\n"
        "def took_ms(pattern):\n"
        "    started = time.process_time()\n"
        "    SchemaValidator(core_schema.str_schema(pattern=pattern))\n"
        "    return (time.process_time() - started) * 1_000\n"
        "print([one for one in found if min(took_ms(f'{one}|a'), took_ms(f'{one}|b')) > 30])\n"
    )
    assert run(script) == ["[]"]
