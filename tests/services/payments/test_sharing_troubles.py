"""分账 when two calls run at once, answers are lost, or WeChat Pay or receivers refuse."""

from __future__ import annotations

from datetime import datetime

import pytest
from pymongo.client_session import ClientSession

from at_once import at_once
from huitou.payments.profit_sharing.service import Sharing
from huitou.runtime.errors import Unavailable
from sharing_till import PLATFORM, STORE, Till, amounts


@pytest.mark.parametrize("attempt", range(6))
def test_a_refund_that_begins_while_the_parts_are_frozen_is_left_out_or_waits(
    till: Till, attempt: int
) -> None:
    """Either the parts leave the refund out, or the refund finds them frozen and waits."""
    order_id = till.paid()
    till.clock.advance(seconds=61)
    at_once(
        [
            lambda: till.sharing.carry_on_share(order_id),
            lambda: till.hold(order_id, "R1", 4_000),
        ]
    )
    if till.share(order_id).status == "planned":  # The refund was faster: the timer runs again.
        till.sharing.carry_on_share(order_id)
    share = till.share(order_id)
    assert share.status == "asked"
    assert [held.refund_id for held in share.held] == ["R1"]
    left_out = amounts(share) == [596, 298]
    assert left_out or amounts(share) == [994, 497]
    assert not till.sharing.collect_returns(order_id, "R1")  # WeChat Pay hasn't finished.
    till.wechat.happen()
    assert till.sharing.collect_returns(order_id, "R1")
    assert (till.share(order_id).returns == []) == left_out
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)
    assert [p.amount_fen - p.returned_fen for p in till.share(order_id).parts] == [596, 298]


def test_the_timers_write_fails_if_a_refund_begins_after_its_read(till: Till) -> None:
    order_id = till.paid()
    till.clock.advance(seconds=61)

    class ClockThatBeginsARefund:
        """A clock that begins a refund when the timer reads the time."""

        def now(self) -> datetime:
            till.hold(order_id, "R1", 4_000)
            return till.clock.now()

    sharing = Sharing(till.database, ClockThatBeginsARefund(), till.gateway)
    assert sharing.carry_on_share(order_id) == "planned"
    assert till.run(after_s=0) == ["asked"]
    assert amounts(till.share(order_id)) == [596, 298]


def test_a_refund_begins_again_if_the_timer_freezes_the_share_it_has_read(
    till: Till,
) -> None:
    order_id = till.paid()
    till.clock.advance(seconds=61)
    tries = []

    def begin(session: ClientSession) -> None:
        till.database.collection("shares").find_one({"_id": order_id}, session=session)
        if not tries:
            till.sharing.carry_on_share(order_id)
        tries.append(1)
        till.sharing.hold_refund(order_id, "R1", 4_000, session)

    till.database.transact(begin)
    share = till.share(order_id)
    assert (len(tries), share.status, amounts(share)) == (2, "asked", [994, 497])
    assert [held.refund_id for held in share.held] == ["R1"]


def test_two_timers_at_once_share_the_order_once(till: Till) -> None:
    order_id = till.paid()
    till.clock.advance(seconds=61)
    at_once([lambda: till.sharing.carry_on_share(order_id)] * 3)
    till.wechat.happen()
    till.run()
    assert till.share(order_id).status == "finished"
    till.agrees(order_id)


def test_two_refunds_at_once_each_take_their_part_back_once(till: Till) -> None:
    order_id = till.shared()
    till.hold(order_id, "R1", 4_000)
    till.hold(order_id, "R2", 6_000)

    def make_way(refund_id: str) -> None:
        while not till.sharing.collect_returns(order_id, refund_id):
            pass

    at_once([lambda: make_way("R1"), lambda: make_way("R2"), lambda: make_way("R1")])
    till.refunded(order_id, "R1", 4_000)
    till.clock.advance(minutes=2)
    till.refunded(order_id, "R2", 6_000)
    share = till.share(order_id)
    assert [p.amount_fen - p.returned_fen for p in share.parts] == [0, 0]
    assert share.kept_fen == 0
    till.agrees(order_id)


def test_a_share_whose_answer_is_lost_is_shared_once(till: Till) -> None:
    order_id = till.paid()
    till.clock.advance(seconds=61)
    till.wechat.door.lose = lambda path: path.endswith("/profitsharing/orders")
    with pytest.raises(Unavailable):
        till.sharing.carry_on_share(order_id)
    till.wechat.door.lose = lambda _: False
    share = till.share(order_id)
    assert (share.status, share.accepted) == ("asked", False)
    till.wechat.happen()
    assert till.run() == ["finished"]
    till.agrees(order_id)


def test_a_crash_between_freezing_and_asking_goes_on_with_the_same_parts(till: Till) -> None:
    order_id = till.paid()
    till.clock.advance(seconds=61)
    till.wechat.standin.mode.down = True
    with pytest.raises(Unavailable):
        till.sharing.carry_on_share(order_id)
    frozen = till.share(order_id)
    till.hold(order_id, "R1", 4_000)  # Too late to be left out of the parts.
    till.wechat.standin.mode.down = False
    assert amounts(till.share(order_id)) == amounts(frozen) == [994, 497]
    assert not till.sharing.collect_returns(order_id, "R1")
    till.wechat.happen()
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)


def test_a_return_whose_answer_is_lost_is_made_once(till: Till) -> None:
    order_id = till.shared()
    till.hold(order_id, "R1", 10_000)
    till.wechat.door.lose = lambda path: path.endswith("/return-orders")
    with pytest.raises(Unavailable):
        till.sharing.collect_returns(order_id, "R1")
    till.wechat.door.lose = lambda _: False
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 10_000)
    till.agrees(order_id)


def test_the_merchant_keeps_a_closed_receivers_part(
    till: Till, capsys: pytest.CaptureFixture[str]
) -> None:
    till.wechat.standin.mode.shares_end = "CLOSED"
    order_id = till.shared()
    share = till.share(order_id)
    assert [(p.status, p.amount_fen, p.fail_reason) for p in share.parts] == [
        ("closed", 0, "ACCOUNT_ABNORMAL")
    ] * 2
    assert share.kept_fen == 9_940
    assert "share_part_closed" in capsys.readouterr().out
    till.agrees(order_id)
    till.hold(order_id, "R1", 10_000)
    assert till.sharing.collect_returns(order_id, "R1")
    assert till.share(order_id).returns == []


def test_a_return_that_fails_doesnt_stop_the_guests_refund(
    till: Till, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = till.shared()
    till.wechat.standin.mode.returns_end = "FAILED"
    till.hold(order_id, "R1", 4_000)
    assert till.sharing.collect_returns(order_id, "R1")
    assert [(b.status, b.fail_reason) for b in till.share(order_id).returns] == [
        ("failed", "ACCOUNT_ABNORMAL")
    ] * 2
    assert capsys.readouterr().out.count("share_return_failed") == 2
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)
    # The merchant pays for a whole refund, and the share shows the loss.
    till.hold(order_id, "R2", 6_000)
    assert till.sharing.collect_returns(order_id, "R2")
    till.count(order_id, "R2", 6_000)
    assert till.share(order_id).kept_fen == -994 - 497


def test_a_return_under_way_makes_the_refund_wait(till: Till) -> None:
    order_id = till.shared()
    till.wechat.standin.mode.returns_end = "PROCESSING"
    till.hold(order_id, "R1", 4_000)
    assert not till.sharing.collect_returns(order_id, "R1")
    assert not till.sharing.collect_returns(order_id, "R1")
    till.wechat.standin.mode.returns_end = "SUCCESS"
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)


def refused_often(till: Till, order_id: str) -> None:
    """Set a share as after three weeks of refusals, so that the next refusal is the last."""
    shares = till.database.collection("shares")
    shares.update_one({"_id": order_id}, {"$set": {"refusals": 13}})


def test_after_the_last_refusal_the_merchant_keeps_the_money(
    till: Till, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = till.shared()  # From here on receivers are registered.
    order_id = till.paid()
    refused_often(till, order_id)
    till.wechat.standin.mode.fail_next = ["RULE_LIMIT"]
    assert till.run() == ["failed"]
    share = till.share(order_id)
    assert (share.status, share.fail_reason, share.look_at) == ("failed", "RULE_LIMIT", None)
    assert (amounts(share), share.kept_fen) == ([0, 0], 9_940)
    assert "share_failed" in capsys.readouterr().out
    assert not till.agrees(order_id)["frozen"]
    assert till.run() == []


def test_a_refused_share_is_reported_and_shared_once_a_person_removes_the_cause(till: Till) -> None:
    till.shared()
    order_id = till.paid()
    for refusals in (1, 2, 3):
        till.wechat.standin.mode.fail_next = ["NO_AUTH"]
        assert till.run(after_s=3_600) == ["planned"]
        assert till.share(order_id).refusals == refusals
    noted = till.database.collection("discrepancies").find({"reference": order_id})
    assert [one["kind"] for one in noted] == ["share refused"]
    assert till.run(after_s=3_600) == ["asked"]
    assert till.run() == ["finished"]
    till.agrees(order_id)
    [one] = till.database.collection("discrepancies").find({"reference": order_id})
    assert one["status"] == "resolved"


def test_a_refund_does_not_wait_for_a_share_that_is_refused(till: Till) -> None:
    till.shared()
    order_id = till.paid()
    till.wechat.standin.mode.fail_next = ["NO_AUTH"]
    assert till.run() == ["planned"]
    till.hold(order_id, "R1", 4_000)
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 4_000)
    assert till.run(after_s=3_600) == ["asked"]
    assert till.run() == ["finished"]
    till.agrees(order_id)


def test_money_that_couldnt_be_unfrozen_is_unfrozen_by_the_next_run(till: Till) -> None:
    till.shared()
    order_id = till.paid()
    refused_often(till, order_id)
    till.clock.advance(seconds=61)
    till.wechat.standin.mode.fail_next = ["RULE_LIMIT", "RESOURCE_NOT_EXISTS", "SYSTEM_ERROR"]
    with pytest.raises(Unavailable):
        till.sharing.carry_on_share(order_id)
    assert till.share(order_id).status == "failed"
    assert till.agrees(order_id)["frozen"]
    assert till.run() == ["failed"]
    assert not till.agrees(order_id)["frozen"]


def test_a_receiver_that_wechat_pay_forgot_is_registered_again(till: Till) -> None:
    till.shared()
    known = till.database.collection("share_receivers").count_documents({})
    till.gateway.call(
        "POST",
        "/v3/profitsharing/receivers/delete",
        {
            "appid": till.wechat.keys.appid,
            "type": "MERCHANT_ID",
            "account": PLATFORM,
        },
    )
    order_id = till.paid()
    assert till.run() == ["planned"]
    assert (till.share(order_id).refusals, known) == (1, 2)
    assert till.run(after_s=121) == ["asked"]
    assert till.run() == ["finished"]
    till.agrees(order_id)


def test_a_refused_query_doesnt_decide_about_an_accepted_share(till: Till) -> None:
    order_id = till.paid()
    assert till.run() == ["asked"]
    till.clock.advance(seconds=61)
    till.wechat.standin.mode.fail_next = ["NO_AUTH"]
    with pytest.raises(Unavailable):
        till.sharing.carry_on_share(order_id)
    assert till.run() == ["finished"]
    till.agrees(order_id)


def test_a_trouble_is_reported_once(till: Till) -> None:
    till.wechat.standin.mode.shares_end = "CLOSED"
    order_id = till.shared()
    noted = list(till.database.collection("discrepancies").find({}))
    assert [(one["kind"], one["reference"]) for one in noted] == [("share part closed", order_id)]


def test_receivers_are_registered_once_per_merchant(till: Till) -> None:
    for sub_mchid in (None, STORE, None, STORE):
        till.shared(sub_mchid=sub_mchid)
    added = [path for _, path in till.wechat.door.calls if path.endswith("/receivers/add")]
    assert len(added) == 4


def test_a_share_refused_again_and_again_is_given_up(till: Till) -> None:
    order_id = till.paid()
    till.wechat.standin.mode.share_max_bp = 100
    for _ in range(14):
        till.run(after_s=12 * 86_400)
    assert till.share(order_id).status == "failed"
    assert not till.agrees(order_id)["frozen"]


def test_a_fault_of_our_own_keys_doesnt_decide_about_the_share(till: Till) -> None:
    till.shared()
    order_id = till.paid()
    till.clock.advance(seconds=61)
    till.wechat.standin.mode.fail_next = ["SIGN_ERROR"]
    with pytest.raises(Unavailable):
        till.sharing.carry_on_share(order_id)
    assert till.share(order_id).refusals == 0


def test_a_refused_query_doesnt_decide_about_an_accepted_return(till: Till) -> None:
    order_id = till.shared()
    mode = till.wechat.standin.mode
    mode.returns_end = "PROCESSING"
    till.hold(order_id, "R1", 4_000)
    assert not till.sharing.collect_returns(order_id, "R1")
    mode.fail_next = ["NO_AUTH"]
    with pytest.raises(Unavailable):
        till.sharing.collect_returns(order_id, "R1")
    mode.returns_end = "SUCCESS"
    assert till.sharing.collect_returns(order_id, "R1")
    assert [back.status for back in till.share(order_id).returns] == ["success"] * 2
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)


def test_shares_that_always_fail_dont_delay_others(till: Till) -> None:
    till.shared()
    bad = till.paid()
    for _ in range(3):
        till.clock.advance(minutes=2)
        till.wechat.standin.mode.fail_next = ["NO_AUTH", "NO_AUTH"]  # Share, query.
        with pytest.raises(Unavailable):
            till.sharing.carry_on_share(bad)
        assert bad not in till.sharing.due_shares()
