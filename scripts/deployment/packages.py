"""What a deployment sends: the zips of the layers and of each function's own folder.

The same inputs give the same bytes, wherever, whenever and by whomever they are built: names are
sorted, times and permissions fixed, bytecode is compiled under a fixed hash seed. What may change
the bytes is another zlib, or another release of the Python that compiles.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from bootstrap import REQUIREMENTS, ROOT
from deployment.errors import Stopped

CORE = ROOT / "layers" / "core" / "huitou"
LAYERS_FOLDER = ROOT / ".build" / "layers"
FUNCTIONS_FOLDER = ROOT / ".build" / "functions"
MB = 1024 * 1024
# A function's code and its layers together, and how many layers it may have (SCF's quotas).
MAX_UNZIPPED_BYTES = 500 * MB
MAX_LAYERS = 5
# A request signed with TC3: the rule of Tencent's API as a whole, for bodies. Its SDK names larger
# limits for zips (scf/v20180416/models.py: 50 and 20 MB); which one rules is unproven, so the
# smaller. Zips travel in the call, as base64, with a little beside them.
MAX_REQUEST_BYTES = 10 * MB
MAX_ZIP_BYTES = (MAX_REQUEST_BYTES - 64 * 1024) * 3 // 4
_TIME = (1980, 1, 1, 0, 0, 0)  # The first a zip can say.
_MODE = stat.S_IFREG | 0o644
_DEFLATE_LEVEL = 6  # Level 9 takes three times as long for 1 % less.
_UNIX = 3
_BYTECODE = Path(__file__).with_name("bytecode.py")
# RECORD lists files dropped here; the others tell how and from where pip installed.
_INSTALLERS_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_LEFT_OUT = re.compile(r"\..*|__pycache__|node_modules|.*\.pyc")
_PIN = re.compile(r"[\w.-]+(\[[\w,.-]+\])?==[\w.+!-]+( --hash=sha256:[0-9a-f]{64})+")
_PIP_TIMEOUT_S = 900
_COMPILE_TIMEOUT_S = 300


class PackageError(Stopped):
    """A package can't be built, sent or unpacked; the message says which one and why."""


@dataclass(frozen=True)
class Target:
    """What a layer is for: Python's minor version, and the platform its wheels are built for."""

    python: str
    platform: str


@dataclass(frozen=True)
class Package:
    """One zip: `size_bytes` as sent, `unzipped_bytes` as it counts on the platform."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    unzipped_bytes: int


RUNTIME = Target("3.11", "manylinux2014_x86_64")  # CloudBase's Python3.11.


def local_target() -> Target:
    """Return what this interpreter needs: RUNTIME where it can run that, so that bytes are equal.

    Elsewhere this interpreter's version and its platform in `sysconfig`'s words.
    """
    own = _own_target()
    if own.python == RUNTIME.python and own.platform == "linux-x86_64":
        libc, _ = platform.libc_ver()
        if sys.implementation.name == "cpython" and libc == "glibc":
            return RUNTIME
    return own


def _own_target() -> Target:
    return Target(".".join(map(str, sys.version_info[:2])), sysconfig.get_platform())


# --- layers ---------------------------------------------------------------------------------


def build_layers(target: Target = RUNTIME, folder: Path = LAYERS_FOLDER) -> dict[str, Package]:
    """Build all layers, by name; what has been built from the same inputs is taken as it is."""
    wheels = {name: wheels_layer(name, target, folder) for name in REQUIREMENTS}
    return {"core": core_layer(target, folder), **wheels}


def core_layer(
    target: Target = RUNTIME, folder: Path = LAYERS_FOLDER, package: Path = CORE
) -> Package:
    """Build the layer `core`: the package `huitou` at the zip's root."""
    sources = {f"{package.name}/{name}": path for name, path in _own_files(package).items()}
    inputs = [(name, _sha256(path.read_bytes())) for name, path in sources.items()]

    def fill(place: Path) -> None:
        for name, path in sources.items():
            copy = place / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())

    return _layer("core", inputs, fill, target, folder)


def wheels_layer(
    name: str,
    target: Target = RUNTIME,
    folder: Path = LAYERS_FOLDER,
    requirements: Path | None = None,
) -> Package:
    """Build a layer of wheels, those of its pinned requirements, made for the target.

    PackageError names a requirement that has no such wheel, or that isn't an exact pin.
    """
    requirements = requirements or REQUIREMENTS[name]
    pins, unused = _pins(requirements), _unused(requirements)

    def fill(place: Path) -> None:
        _say(f"{name}: fetching wheels for Python {target.python} on {target.platform} …")
        _fetch(name, requirements, target, place)
        for pattern in unused:
            _leave_out(pattern, place)

    return _layer(name, [pins, unused], fill, target, folder)


def _layer(
    name: str, inputs: object, fill: Callable[[Path], None], target: Target, folder: Path
) -> Package:
    """Build a layer unless it lies there already, under a name that follows from its inputs."""
    compiler = _compiler(target)
    release = compiler[1] if compiler else None
    builder = [_sha256(path.read_bytes()) for path in (Path(__file__), _BYTECODE)]
    key = _sha256(json.dumps([inputs, vars(target), release, builder]).encode())
    path = folder / f"{name}-{key[:16]}.zip"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # Two at once: the second finds what the first made.
            if not path.exists():
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    place = Path(scratch)
                    fill(place)
                    _compile(name, compiler, target, place)
                    _put(_zipped(_every_file(place)), path)
    return _package(name, path)


def _pins(requirements: Path) -> list[str]:
    """Read exact pins with their hashes only: what a cached layer is known by must say all.

    Markers are refused too, since pip would judge them by this machine, not by the target.
    """
    lines = requirements.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    pins = sorted(" ".join(line.split()) for line in lines if not re.match(r"\s*(#|$)", line))
    for pin in pins:
        if not _PIN.fullmatch(pin):
            raise PackageError(
                f"{requirements.name}: not an exact pin (name==version --hash=sha256:…): {pin}"
            )
    return pins


def _unused(requirements: Path) -> list[str]:
    """Read the patterns of what wheels bring that isn't sent, from `unused.txt` beside the pins."""
    path = requirements.with_name("unused.txt")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sorted(line for line in map(str.strip, lines) if line and not line.startswith("#"))


def _leave_out(pattern: str, place: Path) -> None:
    """Delete what a pattern finds; one that finds nothing has outlived its wheel."""
    found = [path for path in place.glob(pattern) if path.is_dir() or not pattern.endswith("/")]
    if not found:
        raise PackageError(f"unused.txt: nothing is called {pattern}")
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _fetch(name: str, requirements: Path, target: Target, place: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    command += ["--target", str(place), "--no-deps", "--only-binary=:all:", "--no-compile"]
    command += ["--require-hashes", "-r", str(requirements)]
    if target != _own_target():  # Of its own platform pip knows more than one name.
        command += ["--python-version", target.python, "--implementation", "cp"]
        names = [target.platform]
        if target.platform.startswith("manylinux2014_"):  # The same by its newer name.
            names.append(target.platform.replace("manylinux2014", "manylinux_2_17"))
        command += [word for name in names for word in ("--platform", name)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PIP_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise PackageError(f"{name}: pip took longer than {_PIP_TIMEOUT_S} s") from None
    if done.returncode:
        missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
        what = (
            f"found no wheel of {missing[1]} for Python {target.python} on {target.platform}"
            if missing
            else f"failed (exit {done.returncode})"
        )
        raise PackageError(f"{name}: pip {what}; it says:\n{done.stderr.strip()}")
    shutil.rmtree(place / "bin", ignore_errors=True)  # Scripts begin with this machine's Python.
    for note in _INSTALLERS_NOTES:
        for path in place.glob(f"*.dist-info/{note}"):
            path.unlink()
    for path in list(place.rglob("__pycache__")):
        shutil.rmtree(path)


def _compiler(target: Target) -> tuple[str, str] | None:
    """Return an interpreter of the target's version and its release, or None."""
    if _own_target().python == target.python and sys.implementation.name == "cpython":
        return sys.executable, platform.python_version()
    found = shutil.which(f"python{target.python}")
    if found is None:
        return None
    ask = "import platform as p; print(p.python_implementation(), p.python_version())"
    answer = subprocess.run(
        [found, "-S", "-c", ask], capture_output=True, text=True, check=False, timeout=30
    )  # It may be a launcher of a version that isn't there.
    kind, _, release = answer.stdout.strip().partition(" ")
    fits = kind == "CPython" and release.startswith(f"{target.python}.")
    return (found, release) if fits else None


def _compile(name: str, compiler: tuple[str, str] | None, target: Target, place: Path) -> None:
    """Add bytecode: /opt can't be relied on to be writable, so else every cold start compiles."""
    if compiler is None:
        _say(f"{name}: there is no Python {target.python} here, so without bytecode: slower starts")
        return
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run(
        [compiler[0], "-S", "-s", "-P", "-W", "ignore", str(_BYTECODE), str(place)],
        env={**environment, "PYTHONHASHSEED": "0"},
        check=True,
        timeout=_COMPILE_TIMEOUT_S,
    )


# --- functions ------------------------------------------------------------------------------


def function_package(
    folder: Path, output: Path = FUNCTIONS_FOLDER, ignore: Iterable[str] = ()
) -> Package:
    """Zip a function's own folder, and nothing beside it, into the folder `output`.

    `ignore` are patterns of what stays behind, as in `cloudbaserc.json`: `web/**`.
    """
    every = _own_files(folder).items()
    files = {name: path for name, path in every if not any(fnmatch(name, p) for p in ignore)}
    if "index.py" not in files:
        raise PackageError(f"{folder.name}: there is no index.py in its folder")
    content = _zipped(files)
    path = output / f"{folder.name}-{_sha256(content)[:16]}.zip"
    if not path.exists():
        _put(content, path)
    return _package(folder.name, path)


def check_limits(layers: Mapping[str, Package], functions: Mapping[str, Package]) -> None:
    """Refuse what the platform would: PackageError names every package that is too large."""
    faults = [
        f"{what} {package.name}: its zip of {readable(package.size_bytes)} is over the"
        f" {readable(MAX_ZIP_BYTES)} that can be sent"
        for what, packages in (("layer", layers), ("function", functions))
        for package in packages.values()
        if package.size_bytes > MAX_ZIP_BYTES
    ]
    if len(layers) > MAX_LAYERS:
        faults.append(f"{len(layers)} layers: a function may have {MAX_LAYERS}")
    below = sum(layer.unzipped_bytes for layer in layers.values())
    faults += [
        f"function {function.name}: with its layers {readable(below + function.unzipped_bytes)}"
        f" unpacked, over {readable(MAX_UNZIPPED_BYTES)}"
        for function in functions.values()
        if below + function.unzipped_bytes > MAX_UNZIPPED_BYTES
    ]
    if faults:
        raise PackageError("\n".join(faults))


def readable(size_bytes: int) -> str:
    """Write a size as limits are written: 1 MB is 1,048,576 bytes, 1 KB 1,024."""
    return f"{size_bytes / MB:,.1f} MB" if size_bytes >= MB else f"{size_bytes / 1024:,.1f} KB"


# --- zips -----------------------------------------------------------------------------------


def _own_files(folder: Path) -> dict[str, Path]:
    """Find the sources in a folder by their names in a zip: nothing hidden, compiled or Node's."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _LEFT_OUT.fullmatch(name)]
        for name in (*folders, *names):
            path = Path(place, name)
            if _LEFT_OUT.fullmatch(name):
                continue
            if path.is_symlink():
                raise PackageError(f"{folder.name}: {name} is a link; a package holds files only")
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def _every_file(folder: Path) -> dict[str, Path]:
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def _zipped(files: Mapping[str, Path]) -> bytes:
    """Zip files so that nothing but their names and contents shows."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _MODE << 16
            archive.writestr(entry, files[name].read_bytes(), zipfile.ZIP_DEFLATED, _DEFLATE_LEVEL)
    return into.getvalue()


def _put(content: bytes, path: Path) -> None:
    """Write a file that nobody ever sees half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
        part.write(content)
    os.replace(part.name, path)


def _package(name: str, path: Path) -> Package:
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unzipped = sum(member.file_size for member in archive.infolist())
    return Package(name, path, _sha256(content), len(content), unzipped)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
