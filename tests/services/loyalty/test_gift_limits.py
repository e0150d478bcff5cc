"""One person gives only so much a day alone, over all ways to give; then a second one decides."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock, Shop
from huitou.coupons.codes.models import MakeCodesRequest
from huitou.coupons.codes.service import Codes
from huitou.coupons.issuing.errors import CouponErrors
from huitou.coupons.issuing.models import CouponTemplate, IssueCouponRequest, SavedTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.adjustments.errors import AdjustmentErrors
from huitou.loyalty.adjustments.models import (
    AdjustmentsRequest,
    AdjustPointsRequest,
    DecideAdjustmentRequest,
)
from huitou.loyalty.adjustments.service import Adjustments
from huitou.operations.rule_linter.service import RuleLinter
from huitou.promotions.quotas.service import Limiter
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Refusal

AWAITS = AdjustmentErrors.GIFT_AWAITS_APPROVAL


class Desk:
    """A store manager who may give ¥50 a day alone: points are 1 fen, the coupon is ¥10."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.shop = Shop(database, clock)
        self.gifts = Adjustments(database, clock)
        self.coupons = Coupons(database, clock)
        self.alice = self.shop.register()
        self.template("ten", terms={"off_fen": 1_000})
        self.template("one", terms={"off_fen": 100}, limits={"per_member": 1})

    def template(self, name: str, **more: Any) -> CouponTemplate:
        made = CouponTemplate.model_validate(
            {"_id": name, "name": "十元券", "valid_days": 7, **more}
        )
        self.coupons.put_templates([made], [])
        return made

    def points(self, number: str, points: int = 1_000, member: str = "", **more: Any) -> str:
        fields = {"reason": "汤洒了", "actor": "ann", "role": "manager", "points": points, **more}
        member_id = member or self.alice
        return self.gifts.ask_for_adjustment(
            AdjustPointsRequest(adjustment_id=f"adjust-{number}", member_id=member_id, **fields)
        ).status

    def coupon(self, cause: str, template: str = "ten", **more: Any) -> str:
        fields = {"actor": "ann", "role": "manager", "member_id": self.alice, **more}
        wanted = IssueCouponRequest(template_id=template, cause=cause, **fields)
        return self.gifts.give_coupon(wanted).coupon_id

    def awaits(self, call: Callable[[], object]) -> bool:
        with pytest.raises(Refusal) as refused:
            call()
        return refused.value.code is AWAITS

    def waiting(self) -> list[str]:
        page = self.gifts.list_adjustments(AdjustmentsRequest())
        return [one.adjustment_id for one in page.adjustments]

    def decide(self, gift: str, actor: str = "bob", *, approve: bool = True) -> str:
        request = DecideAdjustmentRequest(
            adjustment_id=gift, approve=approve, actor=actor, role="manager"
        )
        return self.gifts.decide_adjustment(request).status

    def held(self, template: str = "ten") -> int:
        return self.shop.database.collection("coupons").count_documents({"template_id": template})


@pytest.fixture
def desk(chain: Database, clock: FakeClock) -> Desk:
    return Desk(chain, clock)


def test_points_and_coupons_to_any_members_count_together_by_person_and_day(desk: Desk) -> None:
    others = [desk.shop.register(f"m{number}") for number in range(3)]
    for number, member in enumerate(others):
        assert desk.points(str(number), 900, member) == "applied"  # ¥27 of ¥50
    desk.coupon("spilled-1")
    desk.coupon("spilled-2")  # ¥47
    assert desk.awaits(lambda: desk.coupon("spilled-3"))
    assert desk.points("4", 301) == "awaiting_approval"
    assert desk.points("5", 300) == "applied"
    assert desk.points("6", 1) == "awaiting_approval"
    desk.coupon("spilled-4", actor="carl")  # Each person has a limit.
    desk.shop.clock.advance(days=1)
    desk.coupon("spilled-5")
    assert desk.shop.differences() == []


def test_a_repeated_gift_counts_once_and_taking_points_counts_nothing(desk: Desk) -> None:
    for _ in range(9):
        desk.coupon("same")
        assert desk.points("same", 900) == "applied"
    for number in range(5):
        assert desk.points(f"t{number}", -20) == "applied"
    assert desk.held() == 1
    for number in range(3):
        desk.coupon(f"more-{number}")
    assert desk.awaits(lambda: desk.coupon("too-many"))


def test_of_two_gifts_at_once_at_the_limit_one_must_wait(desk: Desk) -> None:
    for day in range(3):
        for number in range(4):
            desk.coupon(f"{day}-{number}")
        friend = desk.shop.register(f"friend{day}")
        results = at_once(
            [
                lambda d=day: desk.coupon(f"{d}-last"),
                lambda d=day, f=friend: desk.points(f"{d}-last", 1_000, f),
            ]
        )
        given = [r for r in winners(results) if r != "awaiting_approval"]
        assert len(given) == 1
        assert len(desk.waiting()) == day + 1
        desk.shop.clock.advance(days=1)
    assert desk.shop.differences() == []


def test_many_coupons_at_once_keep_to_the_limit_and_same_calls_count_once(desk: Desk) -> None:
    calls = [lambda n=number: desk.coupon(f"c{n}") for number in range(8)]
    results: list[object] = at_once(calls)
    assert (len(winners(results)), desk.held()) == (5, 5)
    desk.shop.clock.advance(days=1)
    assert len(set(at_once([lambda: desk.coupon("one")] * 6))) == 1
    for number in range(4):
        desk.coupon(f"rest-{number}")


def test_a_second_person_approves_or_rejects_a_waiting_coupon(desk: Desk) -> None:
    wanted = [desk.template(f"t{n}", terms={"off_fen": 6_000}).id for n in range(2)]
    for template in wanted:
        assert desk.awaits(lambda t=template: desk.coupon("big", t))  # type: ignore[misc]
        assert desk.awaits(lambda t=template: desk.coupon("big", t))  # type: ignore[misc]
        desk.shop.clock.advance(seconds=1)
    second, first = desk.waiting()
    with pytest.raises(Refusal) as refused:
        desk.decide(first, "ann")
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_NOT_YOURS
    assert (desk.decide(first), desk.decide(first)) == ("applied", "applied")
    [coupon] = desk.coupons.find_coupons([desk.coupon("big", "t0")])
    assert (coupon.member_id, coupon.actor) == (desk.alice, "ann")
    assert desk.decide(second, approve=False) == "rejected"
    with pytest.raises(Refusal) as refused:
        desk.coupon("big", "t1")
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_DECIDED
    assert (desk.held("t0"), desk.held("t1")) == (1, 0)


def test_if_two_people_decide_a_coupon_at_once_it_is_issued_once_or_not_at_all(desk: Desk) -> None:
    desk.template("big", terms={"off_fen": 6_000}, limits={"quota": 9})
    for number in range(3):
        before = desk.held("big")
        assert desk.awaits(lambda n=number: desk.coupon(f"b{n}", "big"))  # type: ignore[misc]
        [gift] = desk.waiting()
        results = at_once(
            [
                lambda g=gift: desk.decide(g, "bob"),
                lambda g=gift: desk.decide(g, "eve", approve=False),
            ]
        )
        [won] = winners(results)
        assert desk.held("big") - before == (1 if won == "applied" else 0)
    left = Limiter(desk.shop.database, desk.shop.clock).left_in_pools(["coupon:big"])
    assert left["coupon:big"].pieces == 9 - desk.held("big")


def test_a_gift_keeps_to_the_templates_quota_and_the_members_limit(desk: Desk) -> None:
    bob = desk.shop.register("bob")
    desk.template("few", terms={"off_fen": 100}, limits={"quota": 2, "per_member": 1})
    calls = [
        lambda n=n: desk.coupon(f"q{n}", "few", member_id=(desk.alice, bob)[n % 2])
        for n in range(6)
    ]
    results: list[object] = at_once(calls)
    assert {r.code for r in results if isinstance(r, Refusal)} == {CouponErrors.COUPON_NOT_ISSUED}
    assert len(winners(results)) == desk.held("few") <= 2
    for number, member in enumerate((desk.alice, bob)):  # A unit may have been in flight.
        with suppress(Refusal):
            desk.coupon(f"late{number}", "few", member_id=member)
    assert desk.held("few") == 2
    for number in range(5):  # What wasn't issued didn't count: ¥48 are left.
        assert desk.points(f"r{number}", 960, desk.shop.register(f"r{number}")) == "applied"


def test_a_unit_of_a_gift_that_was_never_written_is_put_back_and_never_issued(desk: Desk) -> None:
    desk.template("few", limits={"quota": 1}, terms={"off_fen": 100})
    limiter = Limiter(desk.shop.database, desk.shop.clock)
    more = {"cause": "staff:x", "template_id": "few", "by_hand": True}
    unit = limiter.take_units("coupon:few", "c-killed", 1, 0, more)
    assert unit
    assert desk.coupons.finish_issuing(unit) == "put back"
    assert desk.held("few") == 0
    desk.coupon("now", "few")


@pytest.mark.parametrize(
    ("terms", "worth"),
    [
        ({"kind": "exchange", "price_fen": 0}, 5_000),
        ({"kind": "percent_off", "off_bp": 5_000}, 5_000),
        ({"kind": "percent_off", "off_bp": 5_000, "cap_fen": 2_000}, 2_000),
        ({"off_fen": 1_000, "threshold_fen": 1_000, "most_times": 3}, 3_000),
    ],
)
def test_a_coupon_counts_what_it_may_take_off_at_most(
    desk: Desk, terms: dict[str, Any], worth: int
) -> None:
    desk.template("other", terms=terms)
    desk.coupon("one", "other")
    key = {"actor": "ann", "day": "2026-03-02"}
    given = desk.shop.database.collection("staff_gifts").find_one({"_id": key})
    assert given
    assert given["gifts_fen"] == worth


def test_a_coupon_whose_template_is_over_is_given_to_nobody_in_no_way(desk: Desk) -> None:
    """Nobody could use it. A campaign's batch and a gift by hand still issued it."""
    over = desk.template("ten", revision=2, terms={"off_fen": 1_000}, valid_until="2026-03-01")
    with pytest.raises(Refusal) as refused:
        desk.coupon("late")
    assert (refused.value.code, refused.value.field) == (
        CouponErrors.COUPON_NOT_ISSUED,
        "template_id",
    )
    with pytest.raises(Refusal):  # Over the day's limit: nothing waits for a second person.
        desk.coupon("late", role="cashier")
    assert desk.waiting() == []
    assert desk.coupons.issue_coupons(over, {"batch": desk.alice}) == {"batch": "used_up"}
    assert desk.held() == 0


def test_a_waiting_coupon_whose_template_ends_meanwhile_can_only_be_rejected(desk: Desk) -> None:
    terms = {"off_fen": 6_000}
    desk.template("ten", revision=2, terms=terms)
    assert desk.awaits(lambda: desk.coupon("dear"))
    (gift,) = desk.waiting()
    desk.template("ten", revision=3, terms=terms, valid_until="2026-03-01")
    with pytest.raises(Refusal) as refused:
        desk.decide(gift)
    assert refused.value.code is CouponErrors.COUPON_NOT_ISSUED
    assert desk.decide(gift, approve=False) == "rejected"
    assert desk.held() == 0


def test_a_gift_to_nobody_and_of_nothing_is_refused_and_counts_nothing(desk: Desk) -> None:
    for wrong in ({"member_id": "nobody"}, {"template": "none"}):
        with pytest.raises(Refusal) as refused:
            desk.coupon("x", **wrong)
        assert refused.value.code is Code.NOT_FOUND
    assert desk.waiting() == []
    for number in range(5):
        desk.coupon(f"c{number}")


def test_without_a_role_the_lowest_limit_applies_and_names_with_signs_stay_apart(
    desk: Desk,
) -> None:
    desk.coupon("a", role=None, actor="ann|2026-03-02")
    assert desk.awaits(lambda: desk.coupon("b", role=None, actor="ann|2026-03-02"))
    desk.coupon("c", role=None, actor="ann")


def codes(batch: str, count: int = 10_000, **more: Any) -> MakeCodesRequest:
    """Ask for codes of ¥1 each, one for a member."""
    fields = {"template_id": "one", "actor": "ann", "role": "marketing", "count": count, **more}
    return MakeCodesRequest(batch=batch, **fields)


def test_codes_worth_more_than_a_days_limit_wait_for_a_second_person(desk: Desk) -> None:
    for _ in range(3):  # ¥10,000: the whole limit; a repeated call counts once.
        desk.gifts.allow_codes(codes("spring"))
    assert desk.awaits(lambda: desk.gifts.allow_codes(codes("summer", 1)))
    [waiting] = desk.gifts.list_adjustments(AdjustmentsRequest()).adjustments
    assert waiting.codes
    assert (waiting.codes.batch, waiting.codes.count) == ("summer", 1)
    assert desk.decide(waiting.adjustment_id) == "applied"
    desk.gifts.allow_codes(codes("summer", 1))
    with pytest.raises(Refusal) as refused:
        desk.gifts.allow_codes(codes("summer", 2))
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_ID_REUSED
    assert desk.awaits(lambda: desk.gifts.allow_codes(codes("autumn")))
    desk.decide("codes:autumn", approve=False)
    with pytest.raises(Refusal) as refused:
        desk.gifts.allow_codes(codes("autumn"))
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_DECIDED
    desk.gifts.allow_codes(codes("winter", actor="carl"))
    assert desk.shop.differences() == []


def test_a_coupon_that_waits_is_worth_no_more_when_it_is_approved(desk: Desk) -> None:
    desk.template("big", terms={"off_fen": 6_000})
    assert desk.awaits(lambda: desk.coupon("one", "big"))
    [gift] = desk.waiting()
    desk.template("big", terms={"off_fen": 60_000}, revision=2)
    with pytest.raises(Refusal) as refused:
        desk.decide(gift)
    assert refused.value.code is AdjustmentErrors.GIFT_WORTH_MORE
    assert (desk.held("big"), desk.waiting()) == (0, [gift])
    desk.template("big", terms={"off_fen": 6_000}, revision=3)
    assert desk.decide(gift) == "applied"


def test_codes_that_were_allowed_are_worth_no_more_afterwards(desk: Desk) -> None:
    """Ask for codes of a small coupon, let it be worth ten times as much, then make them."""
    desk.gifts.allow_codes(codes("spring"))
    rich = desk.template("one", terms={"off_fen": 10_000}, revision=2)
    with pytest.raises(Refusal) as refused:
        desk.gifts.allow_codes(codes("spring"))
    assert refused.value.code is AdjustmentErrors.GIFT_WORTH_MORE
    database, clock = desk.shop.database, desk.shop.clock
    made = Codes(database, clock, b"k" * 32)
    made.make_batch(codes("summer", 10))
    linter = RuleLinter(database, clock)
    dearer = {**rich.document(), "revision": 3, "terms": {"off_fen": 10_001}}
    with pytest.raises(Refusal) as refused:
        linter.refuse_template(SavedTemplate.model_validate(dearer))
    assert refused.value.field == "template.terms"
    linter.refuse_template(SavedTemplate.model_validate({**dearer, "terms": {"off_fen": 9_000}}))
    made.revoke_batch("summer", "ann")
    linter.refuse_template(SavedTemplate.model_validate(dearer))


def test_of_two_batches_at_once_at_the_limit_one_must_wait(desk: Desk) -> None:
    results: list[object] = at_once(
        [lambda n=n: desk.gifts.allow_codes(codes(f"batch{n}", 6_000)) for n in range(2)]
    )
    assert len(winners(results)) == 1


def test_codes_that_few_members_may_use_up_count_as_gifts_by_hand(desk: Desk) -> None:
    """Ten members may be one person and friends: what they may take is ¥50 a day for marketing."""
    assert desk.awaits(lambda: desk.gifts.allow_codes(codes("any", 6, template_id="ten")))
    desk.gifts.allow_codes(codes("five", 5, template_id="ten"))
    assert desk.awaits(lambda: desk.gifts.allow_codes(codes("more", 1, template_id="ten")))
