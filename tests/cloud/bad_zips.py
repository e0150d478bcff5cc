"""Zips that are no package: torn, encrypted, too large, or with names that lead outside."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable

from cloud.probes import ECHO

MB = 1024 * 1024


def of_members(*members: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return into.getvalue()


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def bomb() -> bytes:
    """A zip of half a megabyte that says, truly, that it holds over 500 MB."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(51):
            archive.writestr(f"{number}", bytes(10 * MB))
    return into.getvalue()


def lying_bomb() -> bytes:
    """A zip whose one file is 10 MB but said to be of 5 bytes."""
    return of_members((member("index.py"), bytes(10 * MB))).replace(
        (10 * MB).to_bytes(4, "little"), (5).to_bytes(4, "little")
    )


def torn(where: int) -> bytes:
    good = bytearray(of_members((member("index.py"), ECHO.encode() * 50)))
    good[where] ^= 0xFF
    return bytes(good)


BAD_ZIPS: dict[str, Callable[[], bytes]] = {
    "no zip": lambda: b"not a zip at all",
    "cut off": lambda: of_members((member("index.py"), b"x" * 500))[:-30],
    "torn data": lambda: torn(50),
    "unknown way of packing": lambda: of_members((member("a"), b"x")).replace(
        b"\x08\x00", b"\x63\x00"
    ),
    "parent": lambda: of_members((member("../index.py"), b"x")),
    "parent below": lambda: of_members((member("a/../../index.py"), b"x")),
    "absolute": lambda: of_members((member("/tmp/index.py"), b"x")),  # noqa: S108
    "backslash": lambda: of_members((member("..\\index.py"), b"x")),
    "link": lambda: of_members((member("index.py", stat.S_IFLNK | 0o777), b"/etc/passwd")),
    "device": lambda: of_members((member("index.py", stat.S_IFCHR | 0o644), b"")),
    "file and folder": lambda: of_members((member("a"), b"x"), (member("a/b"), b"x")),
    "long name": lambda: of_members((member("a" * 300), b"x")),
    "bomb": bomb,
    "lying bomb": lying_bomb,
}
