"""分账 on a real MongoDB against WeChat Pay's stand-in: every fen goes to somebody, once."""

from __future__ import annotations

import pytest

from at_once import at_once
from huitou.payments.charges.models import Payment
from huitou.payments.profit_sharing.models import ShareTerm
from huitou.runtime.errors import Code, Refusal
from sharing_till import BRAND, FRANCHISEE, PLATFORM, STORE, Till, amounts

MODES = pytest.mark.parametrize(
    ("sub_mchid", "brand_mchid"),
    [(None, None), (STORE, None), (STORE, BRAND)],
    ids=["direct", "partner", "brand"],
)


@MODES
def test_a_paid_order_is_shared_out_and_unfrozen_in_one_request(
    till: Till, sub_mchid: str | None, brand_mchid: str | None
) -> None:
    if brand_mchid:
        till.rules(brand_mchid=brand_mchid, revision=2)
    order_id = till.shared(sub_mchid=sub_mchid)
    share = till.share(order_id)
    assert (share.fee_fen, amounts(share), share.kept_fen) == (60, [994, 497], 8_449)
    assert not till.agrees(order_id)["frozen"]
    assert [path for _, path in till.wechat.door.calls if path.endswith("/orders")]
    assert list(till.sharing.due_shares()) == []


@MODES
def test_receivers_give_back_before_the_guest_is_refunded(
    till: Till, sub_mchid: str | None, brand_mchid: str | None
) -> None:
    if brand_mchid:
        till.rules(brand_mchid=brand_mchid, revision=2)
    order_id = till.shared(sub_mchid=sub_mchid)
    till.hold(order_id, "R1", 4_000)
    assert till.sharing.collect_returns(order_id, "R1")
    assert [(b.account, b.amount_fen, b.status) for b in till.share(order_id).returns] == [
        (FRANCHISEE, 398, "success"),
        (PLATFORM, 199, "success"),
    ]
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)
    till.clock.advance(minutes=2)
    till.hold(order_id, "R2", 6_000)
    assert till.sharing.collect_returns(order_id, "R2")
    till.refunded(order_id, "R2", 6_000)
    assert sum(till.agrees(order_id)["receivers"].values()) == 0
    share = till.share(order_id)
    assert (share.refunded_fen, share.fee_fen, share.kept_fen, share.held) == (10_000, 0, 0, [])


def test_an_order_without_receivers_has_a_share_of_fee_and_kept(till: Till) -> None:
    till.rules(revision=2, terms=[], receivers=[])
    order_id = till.paid()
    share = till.share(order_id)
    assert (share.status, share.fee_fen, share.kept_fen) == ("nothing_to_share", 60, 9_940)
    till.hold(order_id, "R1", 10_000)
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 10_000)
    assert till.run() == []
    assert till.share(order_id).kept_fen == 0


def test_the_merchant_keeps_an_old_payment_without_terms(till: Till) -> None:
    now = till.clock.now()
    old = Payment(
        id="old1n1",
        order_id="old1",
        member_id="m",
        attempt=1,
        amount_fen=100,
        expires_at=now,
        created_at=now,
    )
    till.database.transact(lambda session: till.sharing.open_share(old, "42", now, session))
    share = till.share("old1")
    assert (share.status, share.mchid, share.fee_fen) == (
        "nothing_to_share",
        till.wechat.keys.mchid,
        1,
    )


def test_wechat_pay_is_not_asked_before_it_accepts_a_share(till: Till) -> None:
    order_id = till.paid()
    assert till.run(after_s=59) == []
    assert till.sharing.carry_on_share(order_id) == "planned"
    assert till.run(after_s=1) == ["asked"]


def test_an_amount_too_small_to_share_is_unfrozen(till: Till) -> None:
    order_id = till.paid(1)
    assert till.run() == ["finished"]
    till.wechat.happen()
    share = till.share(order_id)
    assert (amounts(share), share.kept_fen) == ([0, 0], 1)
    assert not till.agrees(order_id)["frozen"]


def test_the_share_leaves_out_an_earlier_refund(till: Till) -> None:
    order_id = till.paid()
    till.hold(order_id, "R1", 4_000)
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 4_000)
    assert till.run() == ["asked"]
    assert till.run() == ["finished"]
    share = till.share(order_id)
    assert (share.fee_fen, amounts(share), share.returns) == (36, [596, 298], [])
    till.agrees(order_id)


def test_a_refund_under_way_is_left_out_of_the_parts_and_can_end(till: Till) -> None:
    order_id = till.paid()
    till.hold(order_id, "R1", 4_000)
    assert till.run() == ["asked"]
    assert amounts(till.share(order_id)) == [596, 298]
    assert till.run() == ["finished"]
    assert till.sharing.collect_returns(order_id, "R1")
    assert till.share(order_id).returns == []
    till.refunded(order_id, "R1", 4_000)
    till.agrees(order_id)


def test_a_whole_refund_before_the_share_cancels_it(till: Till) -> None:
    order_id = till.paid()
    till.hold(order_id, "R1", 10_000)
    assert till.run() == ["planned"]  # The refund may take all of it, so the timer waits.
    assert till.sharing.collect_returns(order_id, "R1")
    till.refunded(order_id, "R1", 10_000)
    assert till.share(order_id).status == "cancelled"
    assert till.run() == []


def test_the_money_of_a_failed_refund_is_shared(till: Till) -> None:
    order_id = till.paid()
    till.hold(order_id, "R1", 10_000)
    assert till.run() == ["planned"]
    till.let_go(order_id, "R1")
    till.let_go(order_id, "R1")
    assert till.run() == ["asked"]
    assert till.run() == ["finished"]
    assert amounts(till.share(order_id)) == [994, 497]


def test_holding_and_counting_a_refund_again_changes_nothing(till: Till) -> None:
    order_id = till.paid()
    for _ in range(2):
        till.hold(order_id, "R1", 4_000)
    for _ in range(2):
        till.count(order_id, "R1", 4_000)
    till.hold(order_id, "R1", 4_000)
    till.let_go(order_id, "R1")
    share = till.share(order_id)
    assert (share.refunded_fen, share.held, share.refunds) == (4_000, [], ["R1"])


def test_an_order_without_a_share_is_skipped(till: Till) -> None:
    till.hold("free", "R1", 0)
    till.let_go("free", "R1")
    till.count("free", "R1", 0)
    assert till.sharing.collect_returns("free", "R1")
    assert till.sharing.carry_on_share("free") == "no share"


def test_a_stores_own_rules_have_precedence_over_the_chains(till: Till) -> None:
    assert [term.ratio_bp for term in till.sharing.terms_for("jingan").terms] == [1_000, 500]
    till.rules(id="jingan", terms=[ShareTerm(account=PLATFORM, role="platform", ratio_bp=100)])
    assert [term.ratio_bp for term in till.sharing.terms_for("jingan").terms] == [100]
    assert [term.ratio_bp for term in till.sharing.terms_for("other").terms] == [1_000, 500]


def test_terms_contain_no_names_of_receivers(till: Till) -> None:
    assert "加盟商" not in till.sharing.terms_for("jingan").model_dump_json()


def test_rules_are_replaced_only_by_a_later_revision(till: Till) -> None:
    till.rules()
    with pytest.raises(Refusal) as refused:
        till.rules(max_share_bp=2_000)
    assert (refused.value.code, refused.value.field) == (
        Code.RULES_CONFLICT,
        "share_rules.revision",
    )
    till.rules(max_share_bp=2_000, revision=2)
    assert till.sharing.terms_for("jingan").max_share_bp == 2_000


def test_if_two_people_edit_one_revision_only_one_succeeds(till: Till) -> None:
    results = at_once(
        [
            lambda: till.rules(max_share_bp=2_000, revision=2),
            lambda: till.rules(max_share_bp=2_500, revision=2),
        ]
    )
    assert len([result for result in results if isinstance(result, Refusal)]) == 1


def test_due_shares_are_read_from_an_index_of_shares_under_way(till: Till) -> None:
    till.shared()
    till.paid()
    till.clock.advance(seconds=61)
    plan = till.database.mongo.command(
        "explain",
        {
            "find": "shares",
            "filter": {"look_at": {"$lte": till.clock.now()}},
            "sort": {"look_at": 1, "_id": 1},
            "projection": {"_id": 1},
        },
        verbosity="executionStats",
    )
    assert plan["executionStats"]["totalKeysExamined"] == 1
    assert "look_at_due" in str(plan["queryPlanner"]["winningPlan"])
