"""Timers and changes process each document once; one failure doesn't stop the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chain_data import FakeClock, Shop
from handlers import Run, call, everything, recorded, token_of
from huitou.ordering.orders.models import PendingRefund
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable

__all__ = ["call"]  # A fixture.


def test_a_change_event_for_a_forged_order_finds_nothing_to_do(call: Run, chain: Database) -> None:
    before = everything(chain)
    event = {**recorded("changes"), "token": token_of("points-sync")}
    assert call("points-sync", event)["data"] == {"outcomes": {"nothing due": 2}}
    assert everything(chain) == before


def test_a_permanent_failure_becomes_a_dead_letter_and_the_rest_goes_on(
    call: Run, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    order = shop.order(shop.register())
    shop.pay(order)
    chain.collection("orders").insert_one(
        {
            "_id": "a-broken",
            "member_id": "nobody",
            "status": "paid",
            "settlement": "due",
            "payable_fen": 1,
            "points_used": 0,
            "version": 1,
        }
    )
    message = token_of("points-sync")
    answer = call("points-sync", {**recorded("timer"), "Message": message})
    assert answer["data"]["outcomes"] == {"buried": 1, "settled": 1}
    letters = list(chain.collection("dead_letters").find({}))
    assert [letter["document_id"] for letter in letters] == ["a-broken"]


def test_the_timer_closes_past_months_of_points(call: Run, chain: Database) -> None:
    chain.collection("points_entries").insert_one(
        {
            "_id": "earn:o1",
            "member_id": "m",
            "number": 1,
            "kind": "earn",
            "points": 7,
            "lots": [{"expires_on": "2027-12-31", "points": 7}],
            "balance": 7,
            "spend_fen": 700,
            "booked_on": "2026-01-15",
            "is_test": False,
        }
    )
    timer = {**recorded("timer"), "Message": token_of("points-sync")}
    assert call("points-sync", timer)["data"]["months"] == {"closed": 1}
    assert call("points-sync", timer)["data"]["months"] == {}
    [month] = chain.collection("points_months").find({})
    assert (month["_id"], month["open"]) == ("2026-01", {"2027": 7})
    token = {"token": token_of("points-sync")}
    asked = {"action": "liability", "as_of": "2026-02-01", **token}
    told = call("points-sync", asked)["data"]
    assert [(m["month"], m["outstanding_at_end"]) for m in told["months"]] == [
        ("2026-01", 7),
        ("2026-02", 7),
    ]


def test_the_timer_returns_forgotten_held_points(
    call: Run, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register()
    shop.give_points(alice, 100)
    has = shop.account(alice)["available"]
    token = token_of("points-sync")

    def ask(action: str, **more: Any) -> Any:
        return call("points-sync", {"action": action, "token": token, "lang": "en", **more})

    wanted = {"member_id": alice, "hold_id": "game:1", "points": 60, "purpose": "game"}
    held = ask("hold_points", **wanted)["data"]
    assert (held["status"], shop.account(alice)["reserved"]) == ("held", 60)
    too_many = ask("hold_points", **wanted | {"hold_id": "game:2", "points": has})
    assert too_many["error"]["code"] == "POINTS_NOT_ENOUGH"
    assert ask("hold_points", **wanted | {"hold_id": "o1"})["error"]["field"] == "hold_id"
    chain.collection("points_holds").update_one(
        {"_id": "game:1"}, {"$set": {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    answer = call("points-sync", {**recorded("timer"), "Message": token})
    assert answer["data"]["holds"] == {"released": 1}
    assert shop.account(alice)["available"] == has
    late = ask("commit_points", hold_id="game:1")["error"]
    assert late["code"] == "HOLD_RELEASED"
    assert late["message"] == "These points were given back: begin again with a new id"


def test_new_tier_rules_are_tried_applied_and_finished_by_the_timer(
    call: Run, chain: Database, clock: FakeClock
) -> None:
    alice = Shop(chain, clock).register()
    chain.collection("accounts").update_one(
        {"_id": alice}, {"$set": {"spend_by_day": {"2026-03-02": 45_000}}}
    )
    token = token_of("tier-evaluate")

    def ask(action: str, **more: Any) -> Any:
        answer = call("tier-evaluate", {"action": action, "token": token, "lang": "en", **more})
        return answer["data"] if answer["ok"] else answer["error"]

    rules = ask("rules")["rules"]
    rules["levels"][1] |= {"spend_fen": 40_000, "monthly_coupons": ["silver-30-8"]}
    wrong = {**rules, "levels": rules["levels"][1:]}
    assert ask("dry_run", rules=wrong)["field"] == "rules.levels.0"
    assert "levels.0: the lowest level" in ask("dry_run", rules=wrong)["message"]
    rules["revision"] += 1
    assert ask("dry_run", rules=rules)["moves"][0]["members"] == 1
    assert ask("run")["code"] == "NOT_FOUND"
    assert ask("apply", rules=rules)["status"] == "running"
    timer = {**recorded("timer"), "Message": token}
    assert call("tier-evaluate", timer)["data"] == {"outcomes": {}, "applied": {"raised": 1}}
    assert (ask("run")["status"], ask("run")["raised"]) == ("done", 1)
    timer["Message"] = token_of("coupon-issue")
    done = call("coupon-issue", timer)["data"]
    assert (done["granted"], done["monthly"], done["birthdays"]) == (
        {"issued": 1},
        {"issued": 1},
        {},
    )
    assert chain.collection("coupons").count_documents({"member_id": alice}) == 2


def test_a_part_of_a_sweep_that_must_be_retried_does_not_stop_the_other_part(
    call: Run, chain: Database, clock: FakeClock
) -> None:
    """In one timer, WeChat Pay can't be asked about an order, and a refund of nothing is due."""
    shop = Shop(chain, clock)
    alice = shop.register()
    free = shop.order(alice)
    shop.pay(free)
    chain.collection("orders").update_one({"_id": free.id}, {"$set": {"payable_fen": 0}})
    pending = PendingRefund(refund_id="R-free", amount_fen=0)
    free = shop.orders.get_order(free.id)
    chain.transact(lambda session: shop.orders.begin_refund(free, pending, "till", session))
    chain.collection("refunds").insert_one(
        {
            "_id": "R-free",
            "kind": "order",
            "order_id": free.id,
            "member_id": alice,
            "amount_fen": 0,
            "reason": "x",
            "actor": "y",
            "status": "requested",
            "created_at": clock.now(),
        }
    )
    stuck = shop.order(alice)
    chain.collection("payments").insert_one(
        {
            "_id": f"{stuck.id}n1",
            "order_id": stuck.id,
            "member_id": alice,
            "attempt": 1,
            "amount_fen": 1_500,
            "status": "open",
            "expires_at": clock.now(),
            "created_at": clock.now(),
        }
    )
    long_ago = clock.now() - timedelta(hours=1)
    chain.collection("orders").update_one({"_id": stuck.id}, {"$set": {"expires_at": long_ago}})
    message = token_of("pay")
    with pytest.raises(Unavailable):  # So that the platform retries the call.
        call("pay", {**recorded("timer"), "Message": message})
    assert shop.orders.get_order(stuck.id).status == "closing"
    assert shop.orders.get_order(free.id).status == "refunded"
