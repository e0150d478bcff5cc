"""What is packed, what is refused, and that a zip's bytes follow from its contents alone."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bootstrap import DEVELOPMENT, REQUIREMENTS
from deployment import packages
from deployment.packages import (
    CORE,
    MAX_UNZIPPED_BYTES,
    MAX_ZIP_BYTES,
    RUNTIME,
    Package,
    PackageError,
    Target,
    check_limits,
    core_layer,
    function_package,
    local_target,
    wheels_layer,
)
from deployment.unpacking import unpacked

HASH = "--hash=sha256:" + "0" * 64
HANDLER = "def main_handler(event, context):\n    return {}\n"


@pytest.fixture
def umask() -> Iterator[None]:
    """Whoever builds here lets nobody else read, for as long as the test takes."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def write(folder: Path, files: dict[str, str], at: float = 1_000_000_000) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (at, at))
    return folder


def names(package: Package) -> list[str]:
    with zipfile.ZipFile(package.path) as archive:
        return archive.namelist()


def packed(path: Path, members: dict[str, bytes], mode: int = 0) -> Package:
    """A zip as a stranger might make it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    content = path.read_bytes()
    return Package("stranger", path, packages._sha256(content), len(content), 0)


def test_a_function_is_its_own_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "greet",
        {
            "index.py": HANDLER,
            "texts/zh.json": "{}",
            ".env": "SECRET=1",
            ".git/config": "",
            "__pycache__/index.cpython-311.pyc": "",
            "left.pyc": "",
            "node_modules/left/pad.js": "",
        },
    )
    write(tmp_path / "beside", {"index.py": HANDLER})
    package = function_package(folder, tmp_path / "out")
    assert names(package) == ["index.py", "texts/zh.json"]
    assert package.name == "greet"
    assert package.size_bytes == package.path.stat().st_size
    assert package.unzipped_bytes == len(HANDLER) + 2


def test_a_function_without_a_handler_or_with_a_link_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "greet", {"other.py": ""})
    with pytest.raises(PackageError, match=r"greet: there is no index\.py"):
        function_package(folder, tmp_path / "out")
    (folder / "index.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(PackageError, match=r"greet: index\.py is a link"):
        function_package(folder, tmp_path / "out")


def test_bytes_do_not_depend_on_place_time_order_or_umask(tmp_path: Path, umask: None) -> None:
    files = {"index.py": HANDLER, "b.py": "", "a/回头.json": "{}"}
    one = function_package(write(tmp_path / "1" / "greet", files), tmp_path / "out-1")
    os.umask(0o002)
    backwards = dict(reversed(files.items()))
    elsewhere = write(tmp_path / "2" / "deep" / "greet", backwards, at=1_700_000_000)
    (elsewhere / "index.py").chmod(0o755)
    two = function_package(elsewhere, tmp_path / "out-2")
    assert one.path.read_bytes() == two.path.read_bytes()
    with zipfile.ZipFile(one.path) as archive:
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.external_attr >> 16 == stat.S_IFREG | 0o644


def test_the_core_comes_out_the_same_anywhere_with_its_bytecode(
    tmp_path: Path, umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = local_target()
    one = core_layer(target, tmp_path / "1")
    os.umask(0o002)
    copy = tmp_path / "a copy" / "huitou"
    shutil.copytree(
        CORE, copy, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
    )
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("LC_ALL", "C")
    two = core_layer(target, tmp_path / "2", copy)
    assert one.path.read_bytes() == two.path.read_bytes()
    found = names(one)
    assert all(name.startswith("huitou/") for name in found), "at the root, as PYTHONPATH has /opt"
    tag = sys.implementation.cache_tag
    for source in CORE.rglob("*.py"):
        name = source.relative_to(CORE.parent)
        assert name.as_posix() in found
        assert (name.parent / "__pycache__" / f"{name.stem}.{tag}.pyc").as_posix() in found
    assert len(found) == 2 * len(list(CORE.rglob("*.py")))


def test_bytecode_names_the_platforms_path_and_is_never_compared(tmp_path: Path) -> None:
    layer = unpacked(core_layer(local_target(), tmp_path), tmp_path / "unpacked")
    name = f"huitou/__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    content = (layer / name).read_bytes()
    assert int.from_bytes(content[4:8], "little") == 0b01, "by hash, and unchecked"
    assert b"/opt/huitou/__init__.py" in content
    assert str(tmp_path).encode() not in content


def test_what_was_built_is_taken_and_a_change_is_built_anew(tmp_path: Path) -> None:
    package = write(tmp_path / "huitou", {"__init__.py": "", "a.py": "A = 1\n"})
    first = core_layer(local_target(), tmp_path / "out", package)
    made = first.path.stat().st_mtime_ns
    assert core_layer(local_target(), tmp_path / "out", package) == first
    assert first.path.stat().st_mtime_ns == made
    (package / "a.py").write_text("A = 2\n")
    changed = core_layer(local_target(), tmp_path / "out", package)
    assert changed.sha256 != first.sha256
    assert changed.path != first.path


def test_without_the_targets_python_there_is_no_bytecode_and_that_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    package = core_layer(Target("3.99", "manylinux2014_x86_64"), tmp_path)
    assert not [name for name in names(package) if name.endswith(".pyc")]
    assert "there is no Python 3.99 here" in capfd.readouterr().err


def test_a_source_that_does_not_compile_is_packed_as_it_is(tmp_path: Path) -> None:
    package = write(tmp_path / "huitou", {"__init__.py": "", "template.py": "{{ name }} = !\n"})
    found = names(core_layer(local_target(), tmp_path / "out", package))
    assert "huitou/template.py" in found
    assert not [name for name in found if "template" in name and name.endswith(".pyc")]


@pytest.mark.parametrize(
    "line",
    [
        "pymongo",
        "pymongo>=4",
        "pymongo==4.20.0",
        "pymongo==4.20.0 --hash=sha256:12",
        f"tomli==2; python_version < '3.11' {HASH}",
        "-r more.txt",
        "./here",
    ],
)
def test_only_exact_pins_with_hashes_are_built(tmp_path: Path, line: str) -> None:
    pins = f"# ours\nidna==3.20 \\\n    {HASH} \\\n    {HASH}\n{line}\n"
    requirements = write(tmp_path, {"pins.txt": pins}) / "pins.txt"
    with pytest.raises(PackageError, match=r"pins\.txt: not an exact pin"):
        wheels_layer("deps", RUNTIME, tmp_path / "out", requirements)


def test_a_requirement_without_a_wheel_for_the_target_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # As if the registry had none: nothing is asked.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    requirements = write(tmp_path, {"pins.txt": f"pymongo==4.20.0 {HASH}\n"}) / "pins.txt"
    with pytest.raises(PackageError) as refused:
        wheels_layer("deps", RUNTIME, tmp_path / "out", requirements)
    said = "no wheel of pymongo==4.20.0 for Python 3.11 on manylinux2014_x86_64"
    assert said in str(refused.value)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lock"]


def canonical(pin: str) -> tuple[str, str]:
    wanted = Requirement(pin)
    return canonicalize_name(wanted.name), str(wanted.specifier)


@pytest.mark.parametrize(
    "pinned", [*REQUIREMENTS.values(), DEVELOPMENT], ids=lambda path: path.parent.name
)
def test_requirements_are_the_pins_of_the_list_beside_them_each_with_hashes(pinned: Path) -> None:
    lines = pinned.with_suffix(".in").read_text(encoding="utf-8").splitlines()
    listed = [canonical(pin) for line in lines if (pin := line.partition("#")[0].strip())]
    text = pinned.read_text(encoding="utf-8").replace("\\\n", " ")
    made = [line.split("--hash=sha256:") for line in text.splitlines() if line[0] != "#"]
    assert sorted(canonical(pin) for pin, *_ in made) == sorted(listed)
    for pin, *hashes in made:
        assert hashes, pin


def test_a_wheel_with_another_hash_is_not_built_into_a_layer(tmp_path: Path) -> None:
    text = f"six==1.17.0 {HASH}\n"
    requirements = write(tmp_path, {"pins.txt": text}) / "pins.txt"
    with pytest.raises(PackageError, match="DO NOT MATCH THE HASHES"):
        wheels_layer("deps", RUNTIME, tmp_path / "out", requirements)


def test_limits_name_everything_that_is_too_large(tmp_path: Path) -> None:
    fits = Package("core", tmp_path, "", MAX_ZIP_BYTES, MAX_UNZIPPED_BYTES - 10)
    small = Package("pay", tmp_path, "", MAX_ZIP_BYTES, 10)
    check_limits({"core": fits}, {"pay": small})
    layers = {"core": replace(fits, size_bytes=fits.size_bytes + 1)}
    functions = {
        "pay": replace(small, size_bytes=small.size_bytes + 1),
        "kpi": replace(small, name="kpi", unzipped_bytes=11),
    }
    layers |= {f"l{n}": replace(fits, name=f"l{n}", unzipped_bytes=0) for n in range(5)}
    with pytest.raises(PackageError) as refused:
        check_limits(layers, functions)
    layer, function, count, unzipped = str(refused.value).splitlines()
    assert layer.startswith("layer core: its zip of 7.5 MB is over")
    assert function.startswith("function pay: its zip of 7.5 MB is over")
    assert count == "6 layers: a function may have 5"
    assert unzipped.startswith("function kpi: with its layers 500.0 MB unpacked")


def test_many_at_once_build_and_unpack_the_same(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from deployment.packages import *;"
        "from deployment.unpacking import unpacked;"
        "print(unpacked(core_layer(local_target(), Path(sys.argv[1])), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "unpacked")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(_: int) -> str:
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        [place] = set(pool.map(run, range(3)))
        package = core_layer(local_target(), tmp_path)
        folders = set(pool.map(lambda _: unpacked(package, tmp_path / "threads"), range(12)))
    assert Path(place).name == package.sha256
    assert folders == {tmp_path / "threads" / package.sha256}
    for folder in ("unpacked", "threads"):
        assert [path.name for path in (tmp_path / folder).iterdir()] == [package.sha256]
    assert (Path(place) / "huitou" / "runtime" / "handler.py").is_file()


@pytest.mark.parametrize("name", ["../out.py", "a/../../out.py", "/out.py", "a\\..\\out.py"])
def test_a_member_that_would_land_outside_is_refused(tmp_path: Path, name: str) -> None:
    package = packed(tmp_path / "bad.zip", {"index.py": b"", name: b""})
    with pytest.raises(PackageError, match="would land outside"):
        unpacked(package, tmp_path / "in" / "it")
    assert list((tmp_path / "in" / "it").iterdir()) == []


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    package = packed(tmp_path / "bad.zip", {"passwd": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(PackageError, match="would land outside"):
        unpacked(package, tmp_path / "unpacked")


def test_a_zip_that_was_changed_or_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = packed(tmp_path / "a.zip", {"index.py": b"12345"})
    monkeypatch.setattr("deployment.unpacking.MAX_UNZIPPED_BYTES", 4)
    with pytest.raises(PackageError, match="unpacked"):
        unpacked(package, tmp_path / "unpacked")
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("index.py", b"other")
    package.path.write_bytes(into.getvalue())
    with pytest.raises(PackageError, match="isn't the zip it was built as"):
        unpacked(package, tmp_path / "unpacked")
