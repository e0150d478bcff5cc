"""A member's statement explains every movement of points, and staff can export it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.client_session import ClientSession

from chain_data import FakeClock, Shop, item
from cli.points import statement
from desks import Desk
from huitou.loyalty.adjustments.models import AdjustPointsRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.loyalty.points.models import LedgerEntry
from huitou.loyalty.points.rules import Award, EntryOrigin
from huitou.loyalty.points.service import Points
from huitou.loyalty.statements.models import StatementRequest
from huitou.loyalty.statements.rules import what_for
from huitou.loyalty.statements.service import AT_ONCE, Statements
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.paging import PageRequest


@pytest.fixture
def shop(chain: Database, clock: FakeClock) -> Shop:
    return Shop(chain, clock)


def lived(shop: Shop) -> str:
    """Play a member who earns, spends, refunds and gets points; the rest expires."""
    alice = shop.register()
    order = shop.paid(alice, items=[item(20)])
    spent = shop.paid(alice, items=[item(10)], points=300)
    shop.refund(spent)
    shop.settlement.settle_order(spent.id)
    fields = {
        "adjustment_id": "adjust-1",
        "member_id": alice,
        "points": 5,
        "reason": "=补偿",
        "actor": "ann",
        "role": "manager",
    }
    Adjustments(shop.database, shop.clock).ask_for_adjustment(
        AdjustPointsRequest.model_validate(fields)
    )
    shop.refund(order, amount_fen=1_000)
    shop.settlement.settle_order(order.id)
    return alice


def test_a_member_reads_what_each_movement_was_for(shop: Shop) -> None:
    alice = lived(shop)
    statements = Statements(shop.database, shop.clock)
    page = statements.list_movements(alice, PageRequest(limit=3), "zh")
    words = [(entry.number, entry.what, entry.points) for entry in page.entries]
    assert words[0] == (7, "退款扣回", -10)
    assert words[1][1:] == ("人工补发", 5)
    assert page.next
    rest = statements.list_movements(alice, PageRequest(after=page.next), "zh")
    assert [entry.number for entry in rest.entries] == [4, 3, 2, 1]
    assert {entry.what for entry in rest.entries} >= {"消费获得", "消费抵扣"}
    [first] = statements.list_movements(alice, PageRequest(after="2"), "en").entries
    assert (first.what, first.points, first.balance) == ("Earned with an order", 300, 300)
    assert [(lot.expires_on, lot.points) for lot in first.lots] == [("2027-12-31", 300)]
    assert rest.next is None


@pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        ("bonus", "check-in@r1:m:2026-03-02", "签到奖励"),
        ("bonus", "check_in@r1:m:2026-03-02", "签到奖励"),
        ("bonus", "review@r1:o1", "评价奖励"),
        ("bonus", "first-order@r1:o1", "首单奖励"),
        ("bonus", "wedding@r1:o1", "奖励积分"),
        ("use", "mall:x1", "积分兑换"),
        ("use", "game:x1", "游戏使用"),
        ("use", "x1", "积分使用"),
        ("expire", "m:2026-03-02@5", "到期"),
        ("repay", "m:@5", "抵还待抵扣积分"),
        ("transfer", "merge-1:out", "账户合并转出"),
        ("transfer", "merge-1:in", "账户合并转入"),
        ("migrate", "crm:8001", "原系统余额转入"),
    ],
)
def test_the_text_follows_the_kind_and_the_cause_of_an_entry(
    kind: str, cause: str, words: str, clock: FakeClock
) -> None:
    entry = LedgerEntry.model_validate(
        {
            "_id": f"{kind}:{cause}",
            "member_id": "m",
            "kind": kind,
            "points": 1,
            "cause": cause,
            "business_day": "2026-03-02",
            "at": clock.now(),
            "rules_revision": 1,
        }
    )
    assert what_for(entry) == words


def test_the_statements_last_balance_is_what_the_account_holds(shop: Shop) -> None:
    alice = lived(shop)
    statements = Statements(shop.database, shop.clock)
    answer = statements.whole_statement(StatementRequest(member_id=alice), "zh")
    assert [entry.number for entry in answer.entries] == [1, 2, 3, 4, 5, 6, 7]
    total = 0
    for entry in answer.entries:
        total += entry.points
        assert entry.balance == total
    assert answer.available == total == sum(lot.points for lot in answer.lots)
    [adjusted] = [entry for entry in answer.entries if entry.kind == "adjust"]
    assert (adjusted.actor, adjusted.reason) == ("ann", "=补偿")
    shop.clock.advance(days=700)  # The request posts expiries that are due.
    answer = statements.whole_statement(StatementRequest(member_id=alice), "zh")
    assert (answer.entries[-1].what, answer.available, answer.lots) == ("到期", 0, [])
    with pytest.raises(Refusal) as refused:
        statements.whole_statement(StatementRequest(member_id="nobody"), "zh")
    assert refused.value.code is Code.NOT_FOUND


def run(shop: Shop, **more: Any) -> None:
    inner: Any = statement.callback
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    options = {"openid": None, "csv_path": None, "as_json": False, **more}
    inner(environment=Desk(shop.database, shop.clock), **options)


@pytest.mark.slow
def test_the_command_shows_and_exports_the_statement(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    alice = lived(shop)
    points = Points(shop.database, shop.clock)

    def give(session: ClientSession) -> None:
        book = points.open_book(alice, session)
        for number in range(2 * AT_ONCE):  # Three pages.
            origin = EntryOrigin(f"r1:{number}", shop.clock.now(), "2026-03-02", 1)
            book.bonus(origin, 1, Award("2028-12-31"))
        points.save_books([book], session)

    shop.database.transact(give)
    path = tmp_path / "alice.csv"
    run(shop, member_id=alice, as_json=True, csv_path=path)
    answer = json.loads(capsys.readouterr().out)
    assert [entry["number"] for entry in answer["entries"]] == list(range(1, 2 * AT_ONCE + 8))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["balance"]) for row in rows] == [e["balance"] for e in answer["entries"]]
    [adjusted] = [row for row in rows if row["kind"] == "adjust"]
    assert (adjusted["reason"], adjusted["lots"]) == ("'=补偿", "until 2027-12-31: +5")
    run(shop, member_id=alice)
    shown = capsys.readouterr().out
    for words in ("消费获得", "人工补发", "available", "until 2027-12-31"):
        assert words in shown
