"""Open a till's export, whatever kind of file it is: csv, tsv, columns apart by spaces, xlsx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli.imports.cells import Cell, NotATable, Row, Table
from cli.imports.text_file import open_text
from cli.imports.workbook import open_workbook

__all__ = ["Cell", "NotATable", "Row", "Table", "open_table"]


def open_table(
    path: Path,
    wanted: Sequence[str],
    delimiter: str | None = None,
    encoding: str | None = None,
    sheets: Sequence[str] = (),
) -> Table:
    """Open a file with the `wanted` columns in one of its first rows; raises NotATable.

    `sheets` names the sheets of a workbook to read; left out, all visible ones with this header.
    """
    with path.open("rb") as file:
        start = file.read(64 * 1024)
    if not start.strip():
        raise NotATable("the file is empty")
    if start.startswith(b"PK\x03\x04"):
        return open_workbook(path, wanted, sheets)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise NotATable("an old Excel workbook (.xls) or a protected one; save it as .xlsx or CSV")
    if _is_markup(start):
        raise NotATable(
            "a web page or XML, whatever its name ends in (many systems call one .xls); open it in "
            "a spreadsheet and save it as .xlsx or CSV"
        )
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or _has_empty_bytes(start):
        raise NotATable("UTF-16 text; save it as UTF-8 (Excel: CSV UTF-8)")
    if b"\n" not in start and b"\r" in start:
        raise NotATable("line ends of an old Macintosh; save it again as CSV")
    if sheets:
        raise NotATable("a text file has no sheets; leave --sheet out")
    return open_text(path, wanted, delimiter, encoding)


def _is_markup(start: bytes) -> bool:
    text = start.lstrip(b"\xef\xbb\xbf\r\n\t ")[:1_000].lower()
    return text.startswith((b"<!doctype", b"<?xml", b"<html", b"<table", b"<meta", b"<head"))


def _has_empty_bytes(start: bytes) -> bool:
    """Tell UTF-16 without a mark: every line end and digit of it has an empty byte."""
    return start.count(b"\0") > len(start) // 10
