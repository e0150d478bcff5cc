"""Reconciliation finds every wrong value, and no difference in what is only under way."""

from __future__ import annotations

from typing import Any

import pytest

from cli.bench.orders import AT, DAY, paid_order
from huitou.loyalty.points.models import NEVER
from huitou.operations.reconciliation.models import Books
from huitou.operations.reconciliation.rules import differences

REAL_NOW = 1_000_000.0
ATTEMPT = {"_id": "o1n1", "order_id": "o1", "status": "success", "amount_fen": 7_200,
           "merchant": {"mchid": "1"}}  # fmt: skip
SHARE = {"_id": "o1", "paid_fen": 7_200, "refunded_fen": 0, "fee_fen": 43, "kept_fen": 5_725,
         "parts": [{"amount_fen": 1_432, "returned_fen": 0}]}  # fmt: skip

HELD = {"_id": "mall:1", "member_id": "m1", "points": 5, "purpose": "mall", "version": 0,
        "drawn": [{"expires_on": NEVER, "points": 5}], "status": "held", "created_at": AT,
        "expires_at": AT}  # fmt: skip
LOT = {"expires_on": NEVER, "points": 72}
EARN = {"_id": "earn:o1", "member_id": "m1", "kind": "earn", "points": 72, "lots": [LOT],
        "number": 1, "balance": 72, "spend_fen": 7_200, "orders": 1, "business_day": DAY,
        "order_id": "o1", "at": AT, "cause": "o1", "rules_revision": 1}  # fmt: skip
ACCOUNT = {"_id": "m1", "available": 72, "reserved": 0, "lots": {NEVER: 72}, "entries": 1,
           "spend_by_day": {DAY: 7_200}, "orders_by_day": {DAY: 1},
           "points_by_day": {DAY: 72}}  # fmt: skip


def books(**change: list[dict[str, Any]]) -> Books:
    """Return books of one member and one settled order of 7,200 fen, with `change` applied."""
    order = paid_order("o1", "m1") | {"settlement": "done"}
    honest: dict[str, list[dict[str, Any]]] = {
        "accounts": [ACCOUNT],
        "entries": [EARN],
        "orders": [order],
        "coupons": [],
        "payments": [ATTEMPT],
        "refunds": [],
        "shares": [SHARE],
        "holds": [],
    }
    return Books(**{**honest, **change})


def test_an_old_order_without_a_share_is_no_difference() -> None:
    attempt = {name: value for name, value in ATTEMPT.items() if name != "merchant"}
    assert kinds(books(payments=[attempt], shares=[])) == []


def kinds(found: Books) -> list[str]:
    return [difference.kind for difference in differences(found, DAY, REAL_NOW)]


def test_correct_books_have_no_difference() -> None:
    assert kinds(books()) == []


REFUND = {"_id": "r1", "order_id": "o1", "status": "success", "amount_fen": 7_200,
          "out_trade_no": "o1n1"}  # fmt: skip
SURPLUS = {"_id": "o1n2", "order_id": "o1", "status": "surplus", "amount_fen": 7_200}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"payments": []}, "payment"),
        ({"payments": [ATTEMPT | {"amount_fen": 7_199}]}, "payment"),
        ({"payments": [ATTEMPT, ATTEMPT | {"_id": "o1n2"}]}, "payment"),
        ({"payments": [ATTEMPT, SURPLUS]}, "surplus payment"),
        (
            {"payments": [ATTEMPT, SURPLUS],
             "refunds": [REFUND | {"_id": "surplus@o1n2", "out_trade_no": "o1n2",
                                   "status": "closed"}]},
            "surplus payment",
        ),
        ({"refunds": [REFUND]}, "refund"),
        ({"payments": [ATTEMPT, ATTEMPT | {"_id": "x", "order_id": "o9"}]}, "money without order"),
        ({"entries": []}, "order's entries"),
        ({"accounts": []}, "no account"),
        ({"accounts": [ACCOUNT | {"available": 71}]}, "balance"),
        ({"accounts": [ACCOUNT | {"lots": {NEVER: 71}}]}, "lots"),
        ({"accounts": [ACCOUNT | {"lots": {"2027-12-31": 72}}]}, "lots"),
        ({"accounts": [ACCOUNT | {"debt": 1}]}, "debt"),
        ({"accounts": [ACCOUNT | {"pending": {f"completed|{NEVER}": 1}}]}, "pending"),
        ({"accounts": [ACCOUNT | {"points_by_day": {DAY: 71}}]}, "points by day"),
        ({"accounts": [ACCOUNT | {"orders_by_day": {}}]}, "orders by day"),
        ({"accounts": [ACCOUNT | {"entries": 2}]}, "entries"),
        ({"entries": [EARN | {"number": 2}]}, "entry"),
        ({"entries": [EARN | {"balance": 71}]}, "entry"),
        ({"entries": [EARN | {"lots": []}]}, "entry"),
        ({"orders": [paid_order("o1", "m1") | {"settlement": "done", "terms": None}]},
         "paid order without terms"),
        ({"orders": []}, "entry without order"),
        ({"shares": []}, "share of order"),
        ({"shares": [SHARE | {"kept_fen": 5_724}]}, "share"),
        ({"shares": [SHARE | {"paid_fen": 7_100, "kept_fen": 5_625}]}, "share of order"),
        ({"shares": [SHARE | {"refunded_fen": 100, "kept_fen": 5_625}]}, "share of order"),
        ({"shares": [SHARE, SHARE | {"_id": "o9"}]}, "share without order"),
    ],
)  # fmt: skip
def test_each_wrong_value_is_found(change: dict[str, Any], kind: str) -> None:
    assert kind in kinds(books(**change))


USED = {"_id": "use:mall:1", "member_id": "m1", "kind": "use", "points": -5, "number": 2,
        "lots": [{"expires_on": NEVER, "points": -5}], "balance": 67, "business_day": DAY,
        "spend_fen": 0, "at": AT, "cause": "mall:1", "rules_revision": 1}  # fmt: skip
SPENT = ACCOUNT | {"available": 67, "lots": {NEVER: 67}, "entries": 2}
HOLDING = ACCOUNT | {"available": 67, "reserved": 5, "lots": {NEVER: 67}}


@pytest.mark.parametrize("change", [
    {"holds": [HELD], "accounts": [HOLDING]},
    {"holds": [HELD | {"status": "used"}], "accounts": [SPENT], "entries": [EARN, USED]},
    {"holds": [HELD | {"status": "released"}]},
])  # fmt: skip
def test_correct_holds_have_no_difference(change: dict[str, Any]) -> None:
    assert kinds(books(**change)) == []


@pytest.mark.parametrize(("change", "kind"), [
    ({"accounts": [HOLDING]}, "reserved points"),
    ({"holds": [HELD]}, "reserved points"),
    ({"holds": [HELD | {"status": "released"}], "accounts": [HOLDING]}, "reserved points"),
    ({"holds": [HELD | {"drawn": [{"expires_on": "2027-12-31", "points": 5}]}],
      "accounts": [HOLDING]}, "lots"),
    ({"holds": [HELD | {"points": 6}], "accounts": [HOLDING]}, "hold's lots"),
    ({"holds": [HELD | {"status": "used"}]}, "hold"),
    ({"accounts": [SPENT], "entries": [EARN, USED]}, "hold"),
    ({"holds": [HELD | {"status": "released"}], "accounts": [SPENT], "entries": [EARN, USED]},
     "hold"),
    ({"holds": [HELD | {"status": "used", "member_id": "m2"}], "accounts": [SPENT],
      "entries": [EARN, USED]}, "hold"),
    ({"holds": [HELD | {"member_id": "m2"}]}, "no account"),
])  # fmt: skip
def test_each_wrong_value_of_a_hold_is_found(change: dict[str, Any], kind: str) -> None:
    assert kind in kinds(books(**change))


@pytest.mark.parametrize(("since", "found"), [(REAL_NOW - 5, False), (REAL_NOW - 60, True)])
def test_an_order_just_paid_is_under_way_an_old_one_is_not_settled(
    since: float, found: bool
) -> None:
    due = paid_order("o1", "m1") | {"settlement_since": since}
    account = {"_id": "m1", "available": 0, "reserved": 0}
    assert kinds(books(orders=[due], entries=[], accounts=[account])) == (
        ["order not settled"] if found else []
    )
