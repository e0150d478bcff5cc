"""Refuse a workbook that would take for ever or fill the memory, before any of it is imported.

A file of a few kilobytes can unpack to gigabytes, or say that its next row is the billionth one.
"""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

from cli.imports.cells import NotATable

MOST_ROWS = 1_048_576  # Of a sheet, as in Excel itself.
MOST_COLUMNS = 1_000
MOST_TEXTS = 3_000_000  # Different texts that the cells of a workbook share.
MOST_UNPACKED = 1024**3  # Bytes of all parts.
MOST_READ_AT_ONCE = 64 * 1024**2  # Bytes of one of the parts below, which are read as a whole.
READ_AT_ONCE = ("styles.xml", "workbook.xml", "[Content_Types].xml", ".rels")
MOST_TIMES = 300  # How many times its packed size a large part may unpack to. Real ones: 5 to 50.
LARGE = 16 * 1024**2

_CHUNK = 1024**2
_OVERLAP = 200  # Bytes of a chunk that are looked at with the next one too.
_ADDRESS = re.compile(rb"""\sr=["'](?:([A-Z]{3,})\d|(\d{7,}))""")
_TEXT = re.compile(rb"<(?:\w+:)?si[\s/>]")
_HIDDEN_ROW = re.compile(rb"""<(?:\w+:)?row\s[^<>]*?hidden=["'](?:1|true)["']""")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")


def check_limits(file: BinaryIO) -> bool:
    """Read through a workbook's parts once; raises NotATable that names the limit it breaks.

    Returns whether rows are hidden, as by a filter.
    """
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise _too_large(f"more than {MOST_UNPACKED // 1024**2:,} MB unpacked")
        for part in parts:
            if part.file_size > max(LARGE, MOST_TIMES * part.compress_size):
                raise _too_large(
                    f"{part.filename} unpacks to more than {MOST_TIMES} times its size"
                )
            if part.filename.endswith(READ_AT_ONCE) and part.file_size > MOST_READ_AT_ONCE:
                limit = MOST_READ_AT_ONCE // 1024**2
                raise _too_large(f"{part.filename} has more than {limit} MB")
        hidden = [_read_through(archive, part) for part in parts]  # Each part is held to limits.
    return any(hidden)


def _read_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    texts, kept, has_hidden = 0, b"", False
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            if _DOCTYPE.search(kept + chunk):
                raise NotATable("a workbook with a document type of its own; save it again")
            for match in _ADDRESS.finditer(kept + chunk):
                check_size(int(match[2] or 0), _column(match[1] or b""))
            texts += len(_TEXT.findall(chunk))
            if texts > MOST_TEXTS:
                raise _too_large(f"more than {MOST_TEXTS:,} different texts")
            has_hidden = has_hidden or _HIDDEN_ROW.search(kept + chunk) is not None
            kept = chunk[-_OVERLAP:]
    return has_hidden


def check_size(row: int, columns: int) -> None:
    """Raise NotATable for a row behind the last one, or for one with too many columns."""
    if row > MOST_ROWS:
        raise _too_large(f"row {row:,}, and the most of a sheet are {MOST_ROWS:,} rows")
    if columns > MOST_COLUMNS:
        raise _too_large(f"{columns:,} columns, and the most are {MOST_COLUMNS:,}")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:8]:
        number = number * 26 + letter - ord("A") + 1
    return number


def _too_large(problem: str) -> NotATable:
    return NotATable(f"the workbook is too large: {problem}; split it or save it as CSV")
