"""No rule gives value to many by one person's will alone: each kind has its limit of the day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from at_once import at_once, winners
from chain_data import FakeClock
from huitou.catalog.menu.service import Menu
from huitou.catalog.menu.shown_models import PricesRequest, PutDishRequest
from huitou.coupons.issuing.models import CouponTemplate, SavedTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.adjustments.errors import AdjustmentErrors
from huitou.loyalty.adjustments.models import AdjustmentsRequest, DecideAdjustmentRequest
from huitou.loyalty.adjustments.service import Adjustments
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.campaigns.models import (
    Campaign,
    CampaignStepRequest,
    PutCampaignRequest,
)
from huitou.marketing.campaigns.service import Campaigns
from huitou.operations.rule_approvals.service import RuleApprovals
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal

AWAITS = AdjustmentErrors.RULE_AWAITS_APPROVAL
CLAIM: dict[str, Any] = {"claimable": True, "limits": {"quota": 100, "per_member": 1}}


class Office:
    """Marketing, who may give ¥50 by hand and ¥10,000 to many a day, and the owner."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.coupons, self.campaigns = Coupons(database, clock), Campaigns(database, clock)
        self.gifts, self.menu = Adjustments(database, clock), Menu(database)

    def rules(self, actor: str = "mia", *, is_alone: bool = False) -> RuleApprovals:
        return RuleApprovals(self.database, self.clock, actor, "marketing", is_alone=is_alone)

    def template(self, name: str, fen: int, **more: Any) -> CouponTemplate:
        fields = {"_id": name, "name": name, "valid_days": 7, "terms": {"off_fen": fen}, **more}
        return SavedTemplate.model_validate(fields)

    def saves(self, name: str, fen: int, **more: Any) -> str:
        """Save a template as the console does; returns what came of it."""
        template = self.template(name, fen, **more)
        return self.tries(
            lambda: self.rules().allow_template(template),
            lambda: self.coupons.put_templates([template], []),
        )

    def starts(self, revision: int = 1, actor: str = "mia", **more: Any) -> str:
        content = {
            "_id": "care",
            "revision": revision,
            "name": "关怀",
            "trigger": {"kind": "absent", "days": 3},
            "valid_from": "2026-03-02",
            "valid_until": "2026-12-31",
            "variants": [{"message": {"title": "您好", "body": "来吧"}, "gift": more.pop("gift")}],
            **more,
        }
        campaign = Campaign.model_validate(content)
        put = PutCampaignRequest(campaign=campaign, actor="mia", reason="改")
        step = CampaignStepRequest(campaign_id="care", actor=actor)
        self.campaigns.put_campaign(put)
        assert self.campaigns.check_campaign(step)["status"] == "checked"
        return self.tries(
            lambda: self.rules(actor).allow_campaign("care"),
            lambda: self.campaigns.start_campaign(step),
        )

    def pauses(self) -> None:
        self.campaigns.pause_campaign(CampaignStepRequest(campaign_id="care", actor="mia"))

    def tries(self, allow: Callable[[], None], then: Callable[[], object]) -> str:
        try:
            allow()
        except Refusal as refused:
            return str(refused.code.name)
        then()
        return "done"

    def waiting(self) -> list[str]:
        page = self.gifts.list_adjustments(AdjustmentsRequest())
        return [one.adjustment_id for one in page.adjustments]

    def approve(self, actor: str = "olga") -> None:
        [waiting] = self.waiting()
        self.gifts.decide_adjustment(
            DecideAdjustmentRequest(
                adjustment_id=waiting, approve=True, actor=actor, role="finance"
            )
        )


@pytest.fixture
def office(chain: Database, clock: FakeClock) -> Office:
    return Office(chain, clock)


# --- coupons that members may claim ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "limits", "outcome"),
    [
        (500, {"quota": 2_000, "per_member": 1}, "done"),  # ¥10,000 in all, ¥50 for ten members.
        (500, {"quota": 2_001, "per_member": 1}, AWAITS.name),
        (500, {"quota": 2_000, "per_member": 2}, AWAITS.name),
        (500, {"quota": 2_000, "per_member_day": 1}, AWAITS.name),
        (501, {"quota": 10, "per_member": 1}, AWAITS.name),
        (5_000, {"quota": 1, "per_member": 9}, "done"),  # There is one only.
        (10_000, {"quota": 100, "per_member": 1, "budget_fen": 5_000}, "done"),
    ],
)
def test_a_coupon_to_claim_counts_all_that_it_may_take_off(
    office: Office, fen: int, limits: dict[str, Any], outcome: str
) -> None:
    assert office.saves("new", fen, claimable=True, limits=limits) == outcome


def test_a_coupon_to_claim_that_waits_is_stored_once_it_is_approved(office: Office) -> None:
    for _ in range(2):
        assert office.saves("big", 5_000, **CLAIM) == AWAITS.name
    assert office.coupons.find_templates(["big"]) == {}
    with pytest.raises(Refusal) as refused:
        office.approve("mia")
    assert refused.value.code is AdjustmentErrors.ADJUSTMENT_NOT_YOURS
    office.approve()
    # Another content is another ask, whatever was approved.
    assert office.saves("big", 5_001, **CLAIM) == AWAITS.name
    assert office.saves("big", 5_000, **CLAIM) == "done"
    assert office.saves("big", 5_000, **CLAIM) == "done"


def test_every_raise_of_a_stored_coupon_counts(office: Office) -> None:
    few = {"claimable": True, "limits": {"quota": 5, "per_member": 1}}
    assert office.saves("c", 100, **few) == "done"  # ¥5
    assert office.saves("c", 1_000, revision=2, **few) == "done"  # ¥50
    assert office.saves("c", 1_020, revision=3, **few) == AWAITS.name
    more = {"claimable": True, "limits": {"quota": 6, "per_member": 1}}
    assert office.saves("c", 1_000, revision=3, **more) == AWAITS.name
    assert office.saves("c", 900, revision=3, **few) == "done"
    # What was lowered counts again when it rises.
    assert office.saves("c", 1_000, revision=4, **few) == AWAITS.name
    office.clock.advance(days=1)
    assert office.saves("c", 1_000, revision=4, **few) == AWAITS.name  # The ask of yesterday.
    assert office.saves("c", 1_001, revision=4, **few) == "done"


@pytest.mark.parametrize(
    "second",
    [
        {"fen": 6_000},  # Campaigns and tiers may give it, without an end.
        {"fen": 6_000, "limits": {"quota": 1_000_000}},
        {"fen": 5_000, "claimable": True, "limits": {"quota": 100, "per_member": 1}},
        {"fen": 0, "terms": {"kind": "exchange", "scope": {"dish_ids": ["milk-tea"]}}},
    ],
)
def test_a_coupon_that_other_rules_may_give_isnt_raised_by_one_person(
    office: Office, second: dict[str, Any]
) -> None:
    assert office.saves("c", 5_000) == "done"  # New, and nobody can get it yet.
    assert office.saves("c", second.pop("fen"), revision=2, **second) == AWAITS.name


def test_of_two_coupons_saved_at_once_at_the_limit_one_must_wait(office: Office) -> None:
    results: list[object] = at_once(
        [
            lambda n=n: office.saves(  # type: ignore[misc]
                f"t{n}", 300, claimable=True, limits={"quota": 1_000, "per_member": 1}
            )
            for n in range(4)
        ]
    )
    assert sorted(map(str, winners(results))) == ["RULE_AWAITS_APPROVAL"] * 3 + ["done"]


def test_codes_and_coupons_to_claim_count_together(office: Office) -> None:
    assert office.saves("a", 100, claimable=True, limits={"quota": 9_000, "per_member": 1}) == (
        "done"
    )
    more = {"claimable": True, "limits": {"quota": 1_001, "per_member": 1}}
    assert office.saves("b", 100, **more) == AWAITS.name


# --- campaigns ------------------------------------------------------------------------------------

COUPON = {"kind": "coupon", "template_id": "five"}
TO_FEW = {"total": 10, "per_member": 1}


@pytest.mark.parametrize(
    ("gift", "limits", "outcome"),
    [
        ({"kind": "none"}, {}, "done"),
        (COUPON, {"total": 10_000, "per_member": 1}, AWAITS.name),
        (COUPON, {"total": 2_000, "per_member": 1}, "done"),
        (COUPON, {"per_member": 1}, AWAITS.name),
        (COUPON, {}, AWAITS.name),
        ({"kind": "points", "points": 100_000}, TO_FEW, AWAITS.name),  # ¥1,000 for each.
        ({"kind": "points", "points": 500}, TO_FEW, "done"),
        ({"kind": "points", "points": 500}, {"total": 11}, AWAITS.name),
    ],
)
def test_a_campaign_counts_its_gift_for_all_to_whom_it_may_go(
    office: Office, gift: dict[str, Any], limits: dict[str, Any], outcome: str
) -> None:
    assert office.saves("five", 500) == "done"
    assert office.starts(gift=gift, limits=limits) == outcome


def test_a_usual_campaign_needs_one_approval_and_starts_again_without(office: Office) -> None:
    office.saves("five", 500)
    usual: dict[str, Any] = {"gift": COUPON, "limits": {"total": 10_000, "per_member": 1}}
    assert office.starts(**usual) == AWAITS.name
    office.approve()
    assert office.starts(**usual) == "done"
    office.pauses()
    assert office.starts(2, **usual, name="关怀二") == "done"  # It gives the same.
    office.pauses()
    to_friends = {"audience": {"feature": "tag", "among": ["friends"]}}
    assert office.starts(3, **usual, **to_friends) == AWAITS.name


def test_the_coupon_of_a_running_campaign_isnt_raised_behind_the_approval(office: Office) -> None:
    office.saves("five", 500, limits={"quota": 10, "per_member": 1})
    assert office.starts(gift=COUPON, limits=TO_FEW) == "done"
    raised = {"revision": 2, "limits": {"quota": 10, "per_member": 1}}
    assert office.saves("five", 5_000, **raised) == AWAITS.name


def test_an_owner_without_colleagues_sets_rules_alone_and_they_are_recorded(
    office: Office,
) -> None:
    office.rules("olga", is_alone=True).allow_template(office.template("x", 50_000, **CLAIM))
    [made] = office.gifts.list_adjustments(AdjustmentsRequest(status="applied")).adjustments
    assert made.rule
    assert (made.actor, made.rule.most_fen, made.value_fen) == ("olga", 5_000_000, 5_000_000)


# --- tiers and prices -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"spend_fen": 60_000, "discount_bp": 9_900}, "done"),
        ({"spend_fen": 1}, AWAITS.name),
        ({"discount_bp": 5_000}, AWAITS.name),
        ({"points_multiplier_bp": 100_000}, AWAITS.name),
        ({"entry_coupons": ["five"]}, AWAITS.name),
        ({"birthday_coupons": ["five"]}, AWAITS.name),
        ({"monthly_coupons": ["five"]}, AWAITS.name),
        ({"free_delivery": True}, AWAITS.name),
        ({"keep": {"spend_fen": 40_000}}, AWAITS.name),
    ],
)
def test_tier_rules_that_give_more_at_any_level_wait(
    office: Office, change: dict[str, Any], outcome: str
) -> None:
    stored = Tiers(office.database, office.clock).rules().document()
    stored["revision"] += 1
    stored["levels"][1] |= change
    rules = TierRules.model_validate(stored)
    assert office.tries(lambda: office.rules().allow_tiers(rules), lambda: None) == outcome


def test_a_dishs_price_falls_by_half_a_day_at_most_however_many_steps_it_takes(
    office: Office,
) -> None:
    def price(fen: int, sku: str = "l") -> str:
        dish = office.menu.find_brand_dish("milk-tea")
        assert dish
        content = dish.model_dump(include={"name", "category", "methods"})
        content |= {"skus": [{"sku_id": sku, "name": "大杯", "price_fen": fen}]}
        request = PutDishRequest.model_validate(
            {"dish_id": "milk-tea", "revision": dish.revision, "content": content}
        )
        return office.tries(
            lambda: office.rules().allow_dish(request),
            lambda: office.menu.set_dish(request, "huitou", []),
        )

    assert price(1_600) == "done"
    assert price(799) == AWAITS.name
    assert price(1) == AWAITS.name
    assert price(1, "new-name") == AWAITS.name
    assert price(1_000) == "done"  # 37.5 %
    assert price(700) == AWAITS.name  # 30 % more
    assert price(2_000) == "done"
    office.clock.advance(days=1)
    assert price(1_000) == "done"


def test_a_stores_own_price_falls_by_half_a_day_at_most_and_rises_freely(office: Office) -> None:
    def price(fen: int | None, actor: str = "mia") -> str:
        prices = {} if fen is None else {"l": fen}
        request = PricesRequest(store_id="jingan", dish_id="milk-tea", prices_fen=prices)
        return office.tries(
            lambda: office.rules(actor).allow_prices(request),
            lambda: office.menu.change_store_dish(request),
        )

    [brand] = [
        sku.brand_fen
        for sku in office.menu.find_staff_dish("jingan", "milk-tea").skus
        if sku.sku_id == "l"
    ]
    assert price(1) == AWAITS.name
    assert price(brand * 100) == "done"
    assert price(brand // 2) == "done"
    assert price(brand // 2 - 100) == AWAITS.name
    assert price(brand // 2 - 100, "ann") == AWAITS.name  # The dish has the limit, not a person.
    assert price(None) == "done"
