"""The books of the WeChat Pay stand-in: what it took and gave back, in a file of its own.

SQLite, not our MongoDB: the vendor's memory must survive what we break, and know nothing of it.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists payments (
    out_trade_no text primary key, prepay_id text unique, doc text);
create table if not exists refunds (
    out_refund_no text primary key, out_trade_no text, doc text);
"""


class WeChatBooks:
    """Payments and refunds as JSON documents; callers hold the stand-in's lock."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)

    def payment(self, out_trade_no: str) -> dict[str, Any] | None:
        return self._one("select doc from payments where out_trade_no = ?", out_trade_no)

    def prepaid(self, prepay_id: str) -> dict[str, Any] | None:
        return self._one("select doc from payments where prepay_id = ?", prepay_id)

    def put_payment(self, doc: dict[str, Any]) -> None:
        row = (doc["out_trade_no"], doc["prepay_id"], json.dumps(doc))
        self._file.execute("insert or replace into payments values (?, ?, ?)", row)

    def refund(self, out_refund_no: str) -> dict[str, Any] | None:
        return self._one("select doc from refunds where out_refund_no = ?", out_refund_no)

    def refunds_for(self, out_trade_no: str) -> list[dict[str, Any]]:
        return self._all("select doc from refunds where out_trade_no = ?", out_trade_no)

    def put_refund(self, doc: dict[str, Any]) -> None:
        row = (doc["out_refund_no"], doc["out_trade_no"], json.dumps(doc))
        self._file.execute("insert or replace into refunds values (?, ?, ?)", row)

    def unfinished_refunds(self) -> list[dict[str, Any]]:
        refunds = self._all("select doc from refunds")
        return [refund for refund in refunds if refund["status"] == "PROCESSING"]

    def totals(self) -> dict[str, int]:
        """Return what was taken and given back, in fen."""
        payments, refunds = (self._all(f"select doc from {t}") for t in ("payments", "refunds"))  # noqa: S608
        return {
            "taken_fen": sum(p["total"] for p in payments if p["transaction_id"]),
            "refunded_fen": sum(r["amount"] for r in refunds if r["status"] == "SUCCESS"),
        }

    def forget_everything(self) -> None:
        self._file.executescript("delete from payments; delete from refunds;")

    def _one(self, query: str, *values: str) -> dict[str, Any] | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: str) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self._file.execute(query, values)]
