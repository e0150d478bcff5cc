"""Computing 分账: exact to the fen for any terms, any amount, any sequence of refunds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huitou.payments.profit_sharing.models import (
    Held,
    Receiver,
    Share,
    ShareRules,
    ShareTerm,
    ShareTerms,
)
from huitou.payments.profit_sharing.rules import (
    PartResult,
    ShareState,
    check_rules,
    due_at,
    ended,
    fee_fen,
    give_backs,
    given_up,
    out_order_no,
    out_return_no,
    planned,
    returned,
    settled,
    split,
    unfreeze_no,
    with_returns,
)
from huitou.runtime.errors import Code, Refusal
from sharing_till import adds_up

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
amounts = st.integers(1, 10**8)
term = st.builds(
    ShareTerm,
    account=st.uuids().map(str),
    type=st.sampled_from(["MERCHANT_ID", "PERSONAL_OPENID"]),
    role=st.sampled_from(["store", "franchisee", "platform"]),
    ratio_bp=st.integers(0, 10_000),
    fixed_fen=st.integers(0, 5_000),
    cap_fen=st.none() | st.integers(0, 5_000),
)
any_terms = st.builds(
    ShareTerms,
    fee_bp=st.integers(0, 10_000),
    max_share_bp=st.integers(0, 10_000),
    terms=st.lists(term, max_size=6),
)


def terms(*ratios_bp: int, **more: Any) -> ShareTerms:
    receivers = [
        ShareTerm(account=f"190000000{number}", role="store", ratio_bp=ratio)
        for number, ratio in enumerate(ratios_bp)
    ]
    return ShareTerms(**{"terms": receivers, **more})


def share(paid_fen: int, of: ShareTerms) -> Share:
    return planned(
        Share(
            id="o1",
            member_id="m",
            out_trade_no="o1n1",
            transaction_id="42",
            mchid="1900000109",
            paid_fen=paid_fen,
            fee_fen=0,
            kept_fen=0,
            terms=of,
            status="planned",
            out_order_no="o1s",
            not_before=NOON,
        )
    )


def shared_out(one: Share, result: str = "SUCCESS") -> Share:
    """Return a frozen share after WeChat Pay has ended it."""
    results = [PartResult(p.type, p.account, p.amount_fen, result, None) for p in one.parts]
    done = ended(one, ShareState(finished=True, parts=results))
    assert done is not None
    return done


@given(amounts, any_terms)
def test_a_split_is_exact_never_negative_and_within_the_limit(
    amount_fen: int, of: ShareTerms
) -> None:
    done = split(amount_fen, of)
    assert done.fee_fen + sum(done.parts_fen) + done.kept_fen == amount_fen
    assert min([done.fee_fen, done.kept_fen, *done.parts_fen]) >= 0
    assert sum(done.parts_fen) <= amount_fen * of.max_share_bp // 10_000
    for part_fen, one in zip(done.parts_fen, of.terms, strict=True):
        assert one.cap_fen is None or part_fen <= one.cap_fen


@given(amounts, st.lists(st.integers(0, 600), min_size=1, max_size=5), st.integers(0, 100))
def test_a_ratio_is_within_a_fen_of_its_exact_part(
    amount_fen: int, ratios: list[int], fee_bp: int
) -> None:
    of = terms(*ratios, fee_bp=fee_bp)
    done = split(amount_fen, of)
    net_fen = amount_fen - done.fee_fen
    for part_fen, ratio in zip(done.parts_fen, ratios, strict=True):
        assert abs(part_fen * 10_000 - net_fen * ratio) < 10_000
    assert sum(done.parts_fen) == net_fen * sum(ratios) // 10_000


@pytest.mark.parametrize(
    ("amount_fen", "fee_bp", "expected_fen"),
    [(10_000, 60, 60), (83, 60, 0), (84, 60, 1), (1, 60, 0), (0, 60, 0), (250, 20, 1)],
)
def test_the_fee_is_rounded_half_up(amount_fen: int, fee_bp: int, expected_fen: int) -> None:
    assert fee_fen(amount_fen, fee_bp) == expected_fen


def test_fixed_amounts_come_first_and_in_order() -> None:
    receivers = [
        ShareTerm(account="a", role="platform", fixed_fen=200),
        ShareTerm(account="b", role="store", fixed_fen=200),
        ShareTerm(account="c", role="store", ratio_bp=3_000),
    ]
    done = split(1_000, ShareTerms(fee_bp=0, terms=receivers))
    assert done.parts_fen == [200, 100, 0]  # 30 % of 1,000 is all there is to share.


def test_what_a_cap_cuts_off_stays_with_the_merchant() -> None:
    capped = ShareTerm(account="a", role="platform", ratio_bp=3_000, cap_fen=50)
    done = split(10_000, ShareTerms(fee_bp=60, terms=[capped]))
    assert (done.fee_fen, done.parts_fen, done.kept_fen) == (60, [50], 9_890)


refunds = st.lists(
    st.tuples(st.integers(1, 10_000), st.sampled_from(["SUCCESS", "FAILED", "LET_GO"])), max_size=6
)


@given(amounts, any_terms, refunds, st.sampled_from(["SUCCESS", "CLOSED", "REFUSED"]),
       st.integers(0, 6))  # fmt: skip
def test_a_share_adds_up_after_any_sequence_of_refunds(
    paid_fen: int, of: ShareTerms, sequence: list[tuple[int, str]], share_end: str, shared_at: int
) -> None:
    now = share(paid_fen, of)
    assert adds_up(now)
    for number, (part, end) in enumerate(sequence):
        if number == shared_at:
            now = given_up(now, "x") if share_end == "REFUSED" else shared_out(now, share_end)
            assert adds_up(now)
        left_fen = now.paid_fen - now.refunded_fen
        now = _refund(now, f"r{number}", left_fen * part // 10_000, end)
        assert adds_up(now)
    assert all(0 <= part.returned_fen <= part.amount_fen for part in now.parts)
    # If no return fails and all receivers are merchants, the merchant never pays for them.
    if all(end != "FAILED" for _, end in sequence) and all(
        one.type == "MERCHANT_ID" for one in of.terms
    ):
        assert now.kept_fen >= 0


def _refund(now: Share, refund_id: str, amount_fen: int, end: str) -> Share:
    replan = planned if now.status == "planned" else settled
    now = replan(
        now.model_copy(update={"held": [Held(refund_id=refund_id, amount_fen=amount_fen)]})
    )
    assert adds_up(now)
    if now.status == "finished":
        now = with_returns(now, refund_id)
        for back in [back for back in now.returns if back.refund_id == refund_id]:
            status = "failed" if end == "FAILED" else "success"
            now = returned(now, back.model_copy(update={"status": status}))
            assert adds_up(now)
    went = {} if end == "LET_GO" else {"refunded_fen": now.refunded_fen + amount_fen}
    return replan(now.model_copy(update={"held": [], **went}))


def test_a_receiver_keeps_its_part_of_what_the_refund_leaves() -> None:
    done = shared_out(share(10_000, terms(1_000, 500, fee_bp=0)))
    assert [part.amount_fen for part in done.parts] == [1_000, 500]
    assert [back_fen for _, back_fen in give_backs(done, 4_000)] == [400, 200]
    assert [back_fen for _, back_fen in give_backs(done, 10_000)] == [1_000, 500]


def test_a_person_is_never_asked_to_give_back() -> None:
    person = ShareTerm(account="o-1", type="PERSONAL_OPENID", role="store", ratio_bp=1_000)
    done = shared_out(share(10_000, ShareTerms(terms=[person])))
    assert give_backs(done, 10_000) == []


@pytest.mark.parametrize("status", ["success", "processing"])
def test_two_refunds_at_once_dont_count_the_same_fen(status: str) -> None:
    done = shared_out(share(10_000, terms(1_000, fee_bp=0)))
    held = [Held(refund_id="a", amount_fen=4_000), Held(refund_id="b", amount_fen=6_000)]
    done = settled(done.model_copy(update={"held": held}))
    done = with_returns(done, "a")
    done = returned(done, done.returns[0].model_copy(update={"status": status}))
    done = with_returns(done, "b")
    assert [(back.refund_id, back.amount_fen) for back in done.returns] == [("a", 400), ("b", 600)]


def test_the_merchant_keeps_the_amount_of_a_closed_part() -> None:
    done = shared_out(share(10_000, terms(1_000, fee_bp=60)), "CLOSED")
    assert (done.kept_fen, done.parts[0].amount_fen, done.parts[0].planned_fen) == (9_940, 0, 994)


def test_a_share_with_a_part_still_pending_has_not_ended() -> None:
    one = share(10_000, terms(1_000))
    pending = PartResult("MERCHANT_ID", one.parts[0].account, 994, "PENDING", None)
    assert ended(one, ShareState(finished=True, parts=[pending])) is None
    assert ended(one, ShareState(finished=True, parts=[])) is None


def test_numbers_at_wechat_pay_follow_from_order_refund_and_account() -> None:
    assert out_return_no("r" * 64, "1900000109") == out_return_no("r" * 64, "1900000109")
    assert out_return_no("r1", "1900000109") != out_return_no("r2", "1900000109")
    assert len(out_return_no("r" * 64, "a" * 64)) <= 64
    assert out_order_no("o1") != unfreeze_no("o1")


def test_a_brand_can_share_after_half_a_minute_and_others_after_a_minute() -> None:
    assert due_at(NOON, terms()) == NOON + timedelta(seconds=60)
    assert due_at(NOON, terms(brand_mchid="1900000108")) == NOON + timedelta(seconds=30)


def rules(**change: Any) -> ShareRules:
    good = {
        "id": "default",
        "revision": 1,
        "terms": [ShareTerm(account="1900000101", role="platform", ratio_bp=500)],
        "receivers": [
            Receiver(account="1900000101", name="某某科技公司", relation_type="SERVICE_PROVIDER")
        ],
    }
    return ShareRules.model_validate({**good, **change})


def test_good_rules_are_taken() -> None:
    check_rules(rules())
    check_rules(rules(terms=[], receivers=[]))


GOOD_RECEIVER = rules().receivers[0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_share_bp": 499}, "terms"),
        ({"terms": [ShareTerm(account="1900000101", role="store")]}, "terms.0.ratio_bp"),
        ({"terms": [ShareTerm(account="other", role="store", ratio_bp=1)]}, "terms.0.account"),
        ({"terms": rules().terms * 2}, "terms.1.account"),
        ({"receivers": [GOOD_RECEIVER] * 2}, "receivers"),
        ({"receivers": [GOOD_RECEIVER.model_copy(update={"name": ""})]}, "receivers.0.name"),
        (
            {"receivers": [GOOD_RECEIVER.model_copy(update={"relation_type": "FRIEND"})]},
            "receivers.0.relation_type",
        ),
        (
            {
                "brand_mchid": "1900000108",
                "receivers": [GOOD_RECEIVER.model_copy(update={"relation_type": "STORE"})],
            },
            "receivers.0.relation_type",
        ),
    ],
)
def test_rules_that_wechat_pay_would_refuse_are_refused_and_named(
    change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        check_rules(rules(**change))
    assert (refused.value.code, refused.value.field) == (
        Code.INVALID_REQUEST,
        f"share_rules.{field}",
    )


def test_a_receivers_name_is_in_no_representation() -> None:
    assert "某某" not in repr(GOOD_RECEIVER)
    assert "某某" not in str(rules())


def test_a_return_is_noted_once() -> None:
    done = shared_out(share(10_000, terms(1_000, fee_bp=0)))
    done = with_returns(
        done.model_copy(update={"held": [Held(refund_id="a", amount_fen=4_000)]}), "a"
    )
    end = done.returns[0].model_copy(update={"status": "success"})
    once = returned(done, end)
    assert returned(once, end) is once
    assert once.parts[0].returned_fen == 400
