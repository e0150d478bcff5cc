"""The real layers fit the platform, are reproducible, and contain all that functions need."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bootstrap import REQUIREMENTS, ROOT
from deployment.packages import (
    RUNTIME,
    Package,
    build_layers,
    check_limits,
    function_package,
    local_target,
    wheels_layer,
)
from deployment.unpacking import unpacked

pytestmark = pytest.mark.slow
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/index.py"))
OLDEST_GLIBC = (2, 17)  # The glibc of manylinux2014.
# Matches a wheel tag that the platform's CPython 3.11 can load, for example
# cp311-abi3-manylinux2014_x86_64.
FITS = re.compile(
    r"Tag: (py3-none-any|(cp311-cp311|cp3(\d|10|11)-abi3|py3-none)"
    r"-manylinux(1|2010|2014|_2_\d|_2_1[0-7])_x86_64)"
)


@pytest.fixture(scope="module")
def layers() -> dict[str, Package]:
    """Build all layers for the local cloud; on CPython 3.11 they equal those of a deployment."""
    return build_layers(local_target())


@pytest.fixture(scope="module")
def opt(layers: dict[str, Package], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack all layers into one folder, as the platform fills /opt."""
    folder = tmp_path_factory.mktemp("opt")
    for package in layers.values():
        place = unpacked(package, tmp_path_factory.mktemp("unpacked"))
        shutil.copytree(place, folder, dirs_exist_ok=True)
    return folder


DECLARED = {
    function["name"]: [layer["name"].partition("_")[0] for layer in function["layers"]]
    for function in json.loads((ROOT / "cloudbaserc.json").read_text(encoding="utf-8"))["functions"]
}


@pytest.fixture(scope="module")
def places(layers: dict[str, Package]) -> dict[str, Path]:
    """Unpack each layer into its own folder."""
    return {name: unpacked(package) for name, package in layers.items()}


def python(path: list[Path], script: str) -> subprocess.CompletedProcess[str]:
    """Run a script on an interpreter that sees only these folders and the standard library."""
    bare = getattr(sys, "_base_executable", sys.executable)
    environment = {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONTZPATH": ""}
    return subprocess.run(
        [bare, "-S", "-s", "-P", "-W", "error", "-c", script],
        env=environment,
        cwd=path[0],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def user(name: str, tmp_path: Path) -> Path:
    """Unpack a function's package, as the platform fills /var/user."""
    return unpacked(function_package(ROOT / "functions" / name, tmp_path), tmp_path / "user")


def modules(*folders: Path) -> list[str]:
    """Return every module that the sources import, also inside functions."""
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted(set().union(*map(modules_of, paths)))


def modules_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_loads_from_its_packages_alone(
    name: str, places: dict[str, Path], tmp_path: Path
) -> None:
    load = "import index; assert callable(index.main_handler); print(index.__file__)"
    folder = user(name, tmp_path)
    done = python([folder, *(places[layer] for layer in DECLARED[name])], load)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "index.py")


def reached(folder: Path) -> set[str]:
    """Return every module that a function's code can import, also inside functions."""
    found: set[str] = set()
    waiting = list(folder.rglob("*.py"))
    while waiting:
        for module in modules_of(waiting.pop()) - found:
            found.add(module)
            path = ROOT / "layers" / "core" / Path(*module.split("."))
            here = [p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()]
            waiting += here
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_exactly_the_layers_that_its_code_can_import(
    name: str, places: dict[str, Path]
) -> None:
    wanted = {module.split(".")[0] for module in reached(ROOT / "functions" / name)}
    needed = {
        layer
        for layer, place in places.items()
        if any((place / top).exists() or (place / f"{top}.py").exists() for top in wanted)
    }
    assert set(DECLARED[name]) == needed


def test_modules_that_are_imported_late_are_in_the_packages(opt: Path, tmp_path: Path) -> None:
    every = modules(ROOT / "functions", ROOT / "layers" / "core")
    beside = {path.stem for path in ROOT.glob("functions/*/*.py")}  # Each in its own package.
    wanted = [module for module in every if module not in beside]
    assert {"requests", "certifi", "pymongo"} <= set(wanted)
    zone = "import zoneinfo; zoneinfo.ZoneInfo('Asia/Shanghai')"  # The platform may lack them.
    script = f"import importlib\nfor m in {wanted}: importlib.import_module(m)\n{zone}"
    done = python([tmp_path, ROOT / "functions" / "console", opt], script)
    assert done.returncode == 0, done.stderr


def test_a_missing_module_is_noticed(opt: Path, tmp_path: Path) -> None:
    lacking = tmp_path / "opt"
    shutil.copytree(opt, lacking, ignore=shutil.ignore_patterns("pydantic"))
    done = python([user("pay", tmp_path), lacking], "import index")
    assert done.returncode == 1
    assert "No module named 'pydantic'" in done.stderr
    development = python([user("pay", tmp_path), opt], "import pytest")
    assert "No module named 'pytest'" in development.stderr


def test_starting_writes_nothing_into_the_layers(opt: Path, tmp_path: Path) -> None:
    def files() -> set[Path]:
        return {path for path in opt.rglob("*") if path.is_file()}

    before = files()
    assert python([user("pay", tmp_path), opt], "import index").returncode == 0
    assert files() == before, "everything that is imported came with its bytecode"


KNOWN_BY = {"deps": "pymongo", "web": "requests", "image": "PIL", "storage": "boto3"}
LICENSED = {"deps": "pymongo-", "web": "cryptography-", "image": "pillow-", "storage": "boto3-"}


@pytest.fixture(scope="module", params=REQUIREMENTS)
def dependencies(request: pytest.FixtureRequest) -> Package:
    """Build each layer of wheels as it is deployed, whatever Python runs the tests."""
    return wheels_layer(str(request.param), RUNTIME)


def test_every_wheel_is_made_for_the_platform(dependencies: Package) -> None:
    with zipfile.ZipFile(dependencies.path) as archive:
        names = archive.namelist()
        wheels = [name for name in names if name.endswith(".dist-info/WHEEL")]
        for name in wheels:
            tags = re.findall(r"^Tag: .*", archive.read(name).decode(), re.MULTILINE)
            assert any(FITS.fullmatch(tag.strip()) for tag in tags), (name, tags)
        compiled = [name for name in names if ".so" in Path(name).suffixes]
        for name in compiled:
            ours = re.search(r"\.(cpython-311-x86_64-linux-gnu|abi3)\.so$", name)
            assert ours or name.startswith("pillow.libs/"), name
            wanted = re.findall(rb"GLIBC_(\d+)\.(\d+)", archive.read(name))
            assert max((int(a), int(b)) for a, b in wanted) <= OLDEST_GLIBC, name
    requirements = REQUIREMENTS[dependencies.name].read_text()
    assert len(wheels) == len([line for line in requirements.splitlines() if "==" in line])
    assert len(compiled) >= (0 if dependencies.name == "storage" else 2)


def test_packages_are_at_the_root_without_installer_files(
    dependencies: Package,
) -> None:
    with zipfile.ZipFile(dependencies.path) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert f"{KNOWN_BY[dependencies.name]}/__init__.py" in names
    tops = {name.split("/")[0] for name in names}
    assert not tops & {"python", "bin", "site-packages", "lib"}
    assert not [n for n in names if re.search(r"(RECORD|INSTALLER|REQUESTED|direct_url\.json)$", n)]
    for metadata in (name for name in names if name.endswith(".dist-info/WHEEL")):
        assert metadata.replace("WHEEL", "METADATA") in names
    licensed = LICENSED[dependencies.name]
    assert any(name.startswith(licensed) and "LICENSE" in name for name in names)


def test_the_dependencies_are_built_with_the_same_bytes_everywhere(
    dependencies: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o077)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    try:
        again = wheels_layer(dependencies.name, RUNTIME, tmp_path / "another place")
    finally:
        os.umask(before)
    assert again.path != dependencies.path
    assert again.path.read_bytes() == dependencies.path.read_bytes()


def test_the_bundle_is_within_the_platforms_limits(tmp_path: Path) -> None:
    functions = {name: function_package(ROOT / "functions" / name, tmp_path) for name in FUNCTIONS}
    check_limits(build_layers(RUNTIME), functions)
