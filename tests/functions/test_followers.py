"""Who makes something due starts the follower right after the commit, whatever becomes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chain_data import FakeClock, Shop, item
from handlers import SECRET, Run, call, recorded, token_of
from huitou.ordering.orders.repository import OrderRepository
from huitou.runtime import followers, invoking
from huitou.runtime.database import Database, shared_database
from huitou.runtime.errors import Code, Refusal
from huitou.runtime.events import MAX_ASYNC_EVENT_BYTES, MAX_BATCH
from huitou.runtime.followers import MOST_HOPS, MOST_NOTED, Followers
from huitou.runtime.handler import Call, serve
from huitou.runtime.identity import internal_token
from huitou.runtime.limits import LONGEST_ID
from huitou.runtime.settings import settings
from huitou.runtime.triggers import TRIGGERS
from invoke_api import InvokeApi, event_of, invoke_api, refusal

__all__ = ["call"]  # A fixture.


@pytest.fixture
def api(call: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[InvokeApi]:
    """Run the platform's API, as functions reach it."""
    with invoke_api() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        yield running
    invoking.close_idle()


def paid(chain: Database, clock: FakeClock, orders: int = 3) -> tuple[str, list[str]]:
    """Let a member pay orders that raise the tier; returns the member and the orders."""
    shop = Shop(chain, clock)
    member = shop.register()
    made = [shop.order(member, items=[item(20)], quote_id=f"q{n:032}") for n in range(orders)]
    for order in made:
        shop.pay(order)
    return member, [order.id for order in made]


def changes(collection: str, *ids: str, **more: Any) -> dict[str, Any]:
    events = [{"subject": collection, "data": {"docId": each}} for each in ids]
    return {"events": events, **more}


def commit_and(outcome: BaseException | None, order_id: str, **event: Any) -> dict[str, Any]:
    """Make an order's settlement due in a call of pay's timer, which then ends in this way."""

    def work(call: Call) -> dict[str, Any]:
        order = OrderRepository(call.database).find(order_id)
        assert order
        call.database.transact(
            lambda session: OrderRepository(call.database).put_refunds(
                order, order, [], True, session
            )
        )
        if outcome is not None:
            raise outcome
        return {}

    timer = {**recorded("timer"), "Message": token_of("pay"), "token": token_of("pay"), **event}
    return serve("pay", timer, {"time_limit_in_ms": 60_000}, timer=work, changes=work)


def told(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["log"] == event]


def test_followers_start_followers_with_ids_only(
    call: Run, chain: Database, clock: FakeClock, api: InvokeApi
) -> None:
    member, orders = paid(chain, clock)
    event: Mapping[str, Any] = changes("orders", *orders, token=token_of("points-sync"))
    assert call("points-sync", event)["ok"]
    for function, hops in (("tier-evaluate", 1), ("coupon-issue", 2)):
        [started] = api.calls
        event = event_of(started)
        assert started["FunctionName"] == function
        assert started["InvocationType"] == "Event"
        assert [each["data"] for each in event["events"]] == [{"docId": member}]
        assert (event["hops"], event["token"]) == (hops, internal_token(SECRET.encode(), function))
        api.calls.clear()
        assert call(function, event)["ok"]
    assert api.calls == []
    assert chain.collection("coupons").count_documents({"member_id": member}, hint="_id_") == 1


def test_a_doubled_start_changes_nothing(
    call: Run, chain: Database, clock: FakeClock, api: InvokeApi
) -> None:
    _, orders = paid(chain, clock)
    event = changes("orders", *orders, token=token_of("points-sync"))
    assert call("points-sync", event)["data"]["outcomes"] == {"settled": 3}
    api.calls.clear()
    assert call("points-sync", event)["data"]["outcomes"] == {"nothing due": 3}
    assert api.calls == []


@pytest.mark.parametrize("outcome", [None, Refusal(Code.FORBIDDEN), ValueError("a fault")])
def test_a_call_starts_followers_of_what_it_committed_however_it_ends(
    chain: Database, clock: FakeClock, api: InvokeApi, outcome: BaseException | None
) -> None:
    _, [order] = paid(chain, clock, 1)
    assert commit_and(outcome, order)["ok"] == (outcome is None)
    assert api.started() == [("points-sync", [order])]


def test_nobody_is_started_for_work_that_the_call_has_done_itself(
    call: Run, chain: Database, clock: FakeClock, api: InvokeApi
) -> None:
    _, orders = paid(chain, clock)
    noted = shared_database(settings().mongodb_uri, chain.name).followers
    noted.written("orders", orders, {"settlement": "due"})
    call("points-sync", {**recorded("timer"), "Message": token_of("points-sync")})
    assert {function for function, _ in api.started()} == {"tier-evaluate"}


def test_a_chain_of_followers_ends(
    chain: Database, clock: FakeClock, api: InvokeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    _, [order] = paid(chain, clock, 1)
    for hops in range(MOST_HOPS + 1):
        commit_and(None, order, **changes("orders", order, Type="", hops=hops))
    assert [event_of(each)["hops"] for each in api.calls] == list(range(1, MOST_HOPS + 1))
    [failure] = told(capsys, "follower_not_started")
    assert failure["reason"] == "hops"
    for sent in ({"hops": MOST_HOPS}, changes("orders", order, Type="", hops="3")):
        api.calls.clear()
        commit_and(None, order, **sent)
        assert [event_of(each)["hops"] for each in api.calls] == [1]


@pytest.mark.parametrize(
    ("answer", "reason", "needs"),
    [
        (refusal("ResourceNotFound.Function"), "ResourceNotFound.Function", None),
        (refusal("AuthFailure.UnauthorizedOperation"), "AuthFailure.UnauthorizedOperation",
         "scf:InvokeFunction for the role of pay"),
        (refusal("UnauthorizedOperation"), "UnauthorizedOperation",
         "scf:InvokeFunction for the role of pay"),
    ],
)  # fmt: skip
def test_a_refused_start_is_logged_without_ids_and_never_fails_the_call(
    chain: Database, clock: FakeClock, api: InvokeApi, capsys: pytest.CaptureFixture[str],
    answer: str, reason: str, needs: str | None,
) -> None:  # fmt: skip
    _, [order] = paid(chain, clock, 1)
    api.answer = answer
    for _ in range(2):  # What the platform refuses is left to the timer.
        assert commit_and(None, order)["ok"]
    assert [len(ids) for _, ids in api.started()] == [1, 1]
    failures = told(capsys, "follower_not_started")
    assert failures == 2 * [
        {"log": "follower_not_started", "function": "pay", "follower": "points-sync",
         "documents": 1, "reason": reason, "needs": needs}
    ]  # fmt: skip


def test_what_an_outage_of_the_platform_kept_back_goes_with_the_next_call_after_a_pause(
    chain: Database, clock: FakeClock, api: InvokeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [first, second] = paid(chain, clock, 2)
    monkeypatch.setenv("HUITOU_SCF_ENDPOINT", "127.0.0.1:9")
    assert commit_and(None, first)["ok"]
    monkeypatch.setenv("HUITOU_SCF_ENDPOINT", f"127.0.0.1:{api.port}")
    assert commit_and(None, second)["ok"]
    assert api.calls == [], "for some seconds nobody waits for a platform that does not answer"
    later = time.monotonic() + followers.PAUSE_S + 1
    monkeypatch.setattr("huitou.runtime.followers.time.monotonic", lambda: later)
    assert commit_and(None, second)["ok"]
    assert [(name, sorted(ids)) for name, ids in api.started()] == [
        ("points-sync", sorted([first, second]))
    ]


def test_a_platform_that_does_not_answer_is_asked_once_for_all_followers(
    call: Run, api: InvokeApi
) -> None:
    noted = Followers()
    for trigger in TRIGGERS:
        noted.written(trigger.collection, ["x"], {trigger.marker: "due"})
    api.answer = "<html>"
    noted.start(settings(), "pay")
    assert len(api.calls) == 1
    assert noted, "all of it waits for the next call"


def test_a_function_without_the_platforms_credentials_says_which_setting_is_missing(
    call: Run, chain: Database, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    _, [order] = paid(chain, clock, 1)
    assert commit_and(None, order)["ok"]
    [failure] = told(capsys, "follower_not_started")
    assert failure["reason"].startswith("TCB_ENV is not set")


def test_many_ids_go_in_batches_that_the_platform_takes(call: Run, api: InvokeApi) -> None:
    noted = Followers()
    ids = [f"{number:0{LONGEST_ID}}" for number in range(MOST_NOTED + 5)]
    for trigger in TRIGGERS:
        noted.written(trigger.collection, ids, {trigger.marker: "due"})
    noted.start(settings(), "pay")
    assert not noted
    for trigger in TRIGGERS:
        batches = [found for name, found in api.started() if name == trigger.function]
        assert [each for batch in batches for each in batch] == ids[:MOST_NOTED]
        assert len(batches) == MOST_NOTED // MAX_BATCH
    longest = max(len(each["ClientContext"]) for each in api.calls)
    assert longest < MAX_ASYNC_EVENT_BYTES
