"""Zips unpacked, once for all who need them, as the platform unpacks them for its instances."""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from bootstrap import ROOT
from deployment.packages import MAX_UNZIPPED_BYTES, Package, PackageError, readable

UNPACKED_FOLDER = ROOT / ".build" / "unpacked"
# What unpacking can end in: torn, encrypted, packed or named in a way that can't be here.
_NO_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError)


def unpacked_folder(sha256: str, folder: Path = UNPACKED_FOLDER) -> Path:
    """Where the package of this SHA-256 lies unpacked, if anybody has unpacked it."""
    return folder / sha256


def unpacked(package: Package, folder: Path = UNPACKED_FOLDER) -> Path:
    """Return the folder a built package lies unpacked in; PackageError if it isn't what it was."""
    content = package.path.read_bytes()
    if _sha256(content) != package.sha256:
        raise PackageError(f"{package.name}: {package.path.name} isn't the zip it was built as")
    return unpacked_folder(unpack(content, folder), folder)


def unpack(content: bytes, folder: Path = UNPACKED_FOLDER) -> str:
    """Unpack a zip unless somebody has; returns its SHA-256, by which its folder is named.

    The folder appears whole or not at all, whoever else unpacks the same. PackageError: it is no
    zip, is over the platform's limit, or a member would land outside.
    """
    sha256 = _sha256(content)
    place = unpacked_folder(sha256, folder)
    if place.is_dir():
        return sha256
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix="unpacking-"))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                _refuse_outside(member)
            if sum(member.file_size for member in archive.infolist()) > MAX_UNZIPPED_BYTES:
                raise PackageError(f"over {readable(MAX_UNZIPPED_BYTES)} unpacked")
            archive.extractall(scratch)
        scratch.chmod(0o755)  # A temporary folder is its maker's alone.
        scratch.rename(place)
    except _NO_ZIP as error:
        if not place.is_dir():  # Else another process was first, with the same bytes.
            raise PackageError(f"not a zip file that can be unpacked: {error}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return sha256


def _refuse_outside(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in member.filename
        or kind not in (0, stat.S_IFREG, stat.S_IFDIR)  # A link may point anywhere.
    ):
        raise PackageError(f"{member.filename!r} would land outside its folder")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
