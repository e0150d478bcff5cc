"""The books of the WeChat Pay stand-in: what it took, gave back and shared, in a file of its own.

SQLite, not our MongoDB: the vendor's memory must survive what we break, and know nothing of it.
Documents are JSON; beside them stand the columns by which they are found and added up.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud.wechat_pay.money import Position
from localcloud.wechat_pay.vendor_time import day_of

Doc = dict[str, Any]

_VERSION = 1
_SCHEMA = """
create table payments (
    out_trade_no text primary key, prepay_id text unique, transaction_id text unique,
    sub_mchid text, day text, total_fen integer, fee_fen integer, doc text);
create index payments_by_day on payments (day);
create table refunds (
    out_refund_no text primary key, out_trade_no text, sub_mchid text, day text, status text,
    amount_fen integer, fee_back_fen integer, doc text);
create index refunds_by_payment on refunds (out_trade_no);
create index refunds_by_day on refunds (day);
create index refunds_by_status on refunds (status);
create table shares (
    out_order_no text primary key, order_id text unique, out_trade_no text, state text,
    shared_fen integer, doc text);
create index shares_by_payment on shares (out_trade_no);
create index shares_by_state on shares (state);
create table returns (
    out_return_no text primary key, out_order_no text, out_trade_no text, result text,
    amount_fen integer, doc text);
create index returns_by_payment on returns (out_trade_no);
create table receivers (
    owner text, type text, account text, doc text, primary key (owner, type, account));
create table merchants (mchid text primary key);
create table flows (
    number integer primary key, mchid text, day text, balance_fen integer, doc text);
create index flows_by_merchant on flows (mchid);
create index flows_by_day on flows (mchid, day);
create table plants (kind text, number text, doc text, primary key (kind, number));
"""
_TABLES = (
    "payments", "refunds", "shares", "returns", "receivers", "merchants", "flows", "plants",
)  # fmt: skip


class WeChatBooks:
    """Everything WeChat Pay remembers; callers hold the stand-in's lock."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.executescript("pragma journal_mode=wal; pragma synchronous=off;")
        if self._file.execute("pragma user_version").fetchone()[0] < _VERSION:
            self._begin()
        self._columns = self._names()

    def _names(self) -> dict[str, list[str]]:
        asked = "select name from pragma_table_info(?)"
        return {t: [row[0] for row in self._file.execute(asked, (t,))] for t in _TABLES}

    def _begin(self) -> None:
        """Make the tables; what an older local cloud had written down is taken over."""
        old: dict[str, list[Doc]] = {}
        for table in ("payments", "refunds"):
            if self._file.execute(
                "select 1 from sqlite_master where name = ?", (table,)
            ).fetchone():
                old[table] = self._all(f"select doc from {table}")  # noqa: S608
                self._file.execute(f"drop table {table}")
        self._file.executescript(_SCHEMA + f"pragma user_version = {_VERSION};")
        self._columns = self._names()
        for payment in old.get("payments", []):
            self.put_payment({"fee": 0, "appid": payment["request"]["appid"]} | payment)
        for refund in old.get("refunds", []):
            self.put_refund({"fee_back": 0, "create_time": refund["success_time"]} | refund)

    # --- payments -----------------------------------------------------------------------------

    def payment(self, out_trade_no: str) -> Doc | None:
        return self._one("select doc from payments where out_trade_no = ?", out_trade_no)

    def prepaid(self, prepay_id: str) -> Doc | None:
        return self._one("select doc from payments where prepay_id = ?", prepay_id)

    def transaction(self, transaction_id: str) -> Doc | None:
        return self._one("select doc from payments where transaction_id = ?", transaction_id)

    def last_payment(self) -> Doc | None:
        return self._one("select doc from payments order by rowid desc limit 1")

    def payments_on(self, day: str) -> Iterator[Doc]:
        return self._each("select doc from payments where day = ? order by rowid", day)

    def put_payment(self, doc: Doc) -> None:
        number, paid_at = doc["out_trade_no"], doc["success_time"]
        row = (
            number,
            doc["prepay_id"],
            doc["transaction_id"],
            doc.get("sub_mchid"),
            day_of(paid_at) if paid_at else None,
            doc["total"],
            doc["fee"],
            json.dumps(doc),
        )
        self._put("payments", row)

    # --- refunds ------------------------------------------------------------------------------

    def refund(self, out_refund_no: str) -> Doc | None:
        return self._one("select doc from refunds where out_refund_no = ?", out_refund_no)

    def refunds_for(self, out_trade_no: str) -> list[Doc]:
        return self._all("select doc from refunds where out_trade_no = ?", out_trade_no)

    def refunds_on(self, day: str) -> Iterator[Doc]:
        return self._each("select doc from refunds where day = ? order by rowid", day)

    def put_refund(self, doc: Doc) -> None:
        created = doc["create_time"]
        row = (
            doc["out_refund_no"],
            doc["out_trade_no"],
            doc.get("sub_mchid"),
            day_of(created) if created else None,
            doc["status"],
            doc["amount"],
            doc["fee_back"],
            json.dumps(doc),
        )
        self._put("refunds", row)

    def unfinished_refunds(self) -> list[Doc]:
        return self._all("select doc from refunds where status = 'PROCESSING'")

    # --- shares -------------------------------------------------------------------------------

    def share(self, out_order_no: str) -> Doc | None:
        return self._one("select doc from shares where out_order_no = ?", out_order_no)

    def share_by_id(self, order_id: str) -> Doc | None:
        return self._one("select doc from shares where order_id = ?", order_id)

    def shares_of(self, out_trade_no: str) -> list[Doc]:
        return self._all("select doc from shares where out_trade_no = ?", out_trade_no)

    def unfinished_shares(self) -> list[Doc]:
        return self._all("select doc from shares where state = 'PROCESSING'")

    def put_share(self, doc: Doc) -> None:
        done_fen = sum(r["amount"] for r in shared_to(doc) if r["result"] == "SUCCESS")
        row = (
            doc["out_order_no"],
            doc["order_id"],
            doc["out_trade_no"],
            doc["state"],
            done_fen,
            json.dumps(doc),
        )
        self._put("shares", row)

    def returned(self, out_return_no: str) -> Doc | None:
        return self._one("select doc from returns where out_return_no = ?", out_return_no)

    def returns_of(self, out_trade_no: str) -> list[Doc]:
        return self._all("select doc from returns where out_trade_no = ?", out_trade_no)

    def put_return(self, doc: Doc) -> None:
        row = (
            doc["out_return_no"],
            doc["out_order_no"],
            doc["out_trade_no"],
            doc["result"],
            doc["amount"],
            json.dumps(doc),
        )
        self._put("returns", row)

    def receiver(self, owner: str, kind: str, account: str) -> Doc | None:
        query = "select doc from receivers where owner = ? and type = ? and account = ?"
        return self._one(query, owner, kind, account)

    def put_receiver(self, owner: str, doc: Doc) -> None:
        self._put("receivers", (owner, doc["type"], doc["account"], json.dumps(doc)))

    def drop_receiver(self, owner: str, kind: str, account: str) -> None:
        query = "delete from receivers where owner = ? and type = ? and account = ?"
        self._file.execute(query, (owner, kind, account))

    def remember_merchant(self, mchid: str) -> None:
        self._file.execute("insert or ignore into merchants values (?)", (mchid,))

    def knows_merchant(self, mchid: str) -> bool:
        query = "select 1 from merchants where mchid = ?"
        return self._file.execute(query, (mchid,)).fetchone() is not None

    # --- money moved --------------------------------------------------------------------------

    def move(self, mchid: str, amount_fen: int, doc: Doc) -> None:
        """Add (or take, below 0) an amount to a merchant's account, for the fund flow bill."""
        query = "select balance_fen from flows where mchid = ? order by number desc limit 1"
        before = self._file.execute(query, (mchid,)).fetchone()
        balance_fen = (before[0] if before else 0) + amount_fen
        doc = doc | {"amount": amount_fen, "balance": balance_fen}
        row = (None, mchid, day_of(doc["at"]), balance_fen, json.dumps(doc))
        self._put("flows", row)

    def flows_on(self, mchid: str, day: str) -> Iterator[Doc]:
        query = "select doc from flows where mchid = ? and day = ? order by number"
        return self._each(query, mchid, day)

    # --- errors at the vendor -----------------------------------------------------------------

    def plant(self, kind: str, number: str, doc: Doc) -> None:
        self._put("plants", (kind, number, json.dumps(doc)))

    def planted(self, kind: str, number: str) -> Doc | None:
        query = "select doc from plants where kind = ? and number = ?"
        return self._one(query, kind, number)

    # --- sums ---------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Return what was taken, given back and shared, in fen; only what has happened."""
        taken, fees = self._sums("payments", "total_fen, fee_fen", "transaction_id is not null")
        refunded, back = self._sums("refunds", "amount_fen, fee_back_fen", "status = 'SUCCESS'")
        (shared,) = self._sums("shares", "shared_fen", "1")
        (returned,) = self._sums("returns", "amount_fen", "result = 'SUCCESS'")
        return {
            "taken_fen": taken,
            "refunded_fen": refunded,
            "fees_fen": fees - back,
            "shared_fen": shared - returned,
            "returned_fen": returned,
        }

    def position(self, payment: Doc) -> Position:
        """Return what is left of one payment."""
        number = payment["out_trade_no"]
        refunds = [r for r in self.refunds_for(number) if r["status"] != "CLOSED"]
        shares = [r for share in self.shares_of(number) for r in shared_to(share)]
        returns = [r for r in self.returns_of(number) if r["result"] == "SUCCESS"]
        return Position(
            taken_fen=payment["total"] if payment["transaction_id"] else 0,
            fee_fen=payment["fee"],
            refunded_fen=sum(refund["amount"] for refund in refunds),
            fee_back_fen=sum(refund["fee_back"] for refund in refunds),
            shared_fen=sum(r["amount"] for r in shares if r["result"] != "CLOSED"),
            returned_fen=sum(r["amount"] for r in returns),
        )

    def forget_everything(self) -> None:
        for table in _TABLES:
            self._file.execute(f"delete from {table}")  # noqa: S608

    def _put(self, table: str, row: tuple[Any, ...]) -> None:
        """Write a row, or write it anew in its old place: bills keep their order."""
        marks = ", ".join("?" * len(row))
        anew = ", ".join(f"{name} = excluded.{name}" for name in self._columns[table])
        self._file.execute(
            f"insert into {table} values ({marks}) on conflict do update set {anew}",  # noqa: S608
            row,
        )

    def _sums(self, table: str, columns: str, where: str) -> tuple[int, ...]:
        wanted = ", ".join(f"coalesce(sum({name.strip()}), 0)" for name in columns.split(","))
        found = self._file.execute(f"select {wanted} from {table} where {where}")  # noqa: S608
        return tuple(found.fetchone())

    def _one(self, query: str, *values: str) -> Doc | None:
        return next(self._each(query, *values), None)

    def _all(self, query: str, *values: str) -> list[Doc]:
        return list(self._each(query, *values))

    def _each(self, query: str, *values: str) -> Iterator[Doc]:
        for row in self._file.execute(query, values):
            yield json.loads(row[0])


def shared_to(share: Doc) -> list[Doc]:
    """Return who gets something of a share; unfreezing gives nothing to anybody else."""
    receivers: list[Doc] = share["receivers"]
    return [] if share["unfreezes"] else receivers
