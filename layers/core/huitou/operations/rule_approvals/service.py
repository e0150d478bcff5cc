"""Ask whether a person of the staff may set a rule that gives something to many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huitou.catalog.menu.service import Menu
from huitou.catalog.menu.shown_models import PricesRequest, PutDishRequest
from huitou.catalog.stores.rules import brand_day
from huitou.coupons.issuing.models import CouponTemplate
from huitou.coupons.issuing.roles import GiverRole
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.adjustments.models import AllowedRule, Given, RuleKind
from huitou.loyalty.adjustments.rule_service import RuleAsk, RuleGifts
from huitou.loyalty.adjustments.worth import Raised, raised_by, sums_of
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.models import TierRules
from huitou.loyalty.tiers.service import Tiers
from huitou.marketing.campaigns.models import Campaign
from huitou.marketing.campaigns.service import Campaigns
from huitou.operations.rule_approvals.rules import (
    MOST_CUT_BP,
    addons_of,
    campaign_worth,
    cut_bp,
    gives_no_more,
    gives_the_same,
    prices_of,
)
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database

# The field of the request that a refusal names.
_FIELDS = {"coupon": "template", "campaign": "campaign_id", "tiers": "rules"}


class RuleApprovals:
    """Each method returns if the person may set the rule now.

    What a rule may give in all counts as gifts to many of the person's day, and what ten members
    may get of it as gifts by hand. Above these limits, or without an end, a second person decides.
    Raises Refusal RULE_AWAITS_APPROVAL, ADJUSTMENT_DECIDED or GIFT_WORTH_MORE. `is_alone` tells
    that the chain has nobody else who may decide.
    """

    def __init__(
        self, database: Database, clock: Clock, actor: str, role: GiverRole, *, is_alone: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._signed: dict[str, Any] = {"actor": actor, "role": role, "is_alone": is_alone}
        self._gifts = RuleGifts(database, clock)
        self._points = Points(database, clock)

    def allow_template(self, template: CouponTemplate) -> None:
        """Ask for a new kind of coupon, or a later revision of one."""
        # Read the stored one, not a second-old copy: another revision may be worth less.
        self._database.cache.clear()
        coupons = Coupons(self._database, self._clock)
        stored = coupons.find_templates([template.id]).get(template.id)
        limits = self._points.rules().gift_limits
        raised = raised_by(template, stored, limits.coupon_fen)
        words = f"优惠券“{template.name}”：{_yuan(raised.total_fen)}"
        self._allow("coupon", template.id, template.name, template.document(), words, raised)

    def allow_campaign(self, campaign_id: str) -> None:
        """Ask for the start of a campaign; starting again what gives the same asks nothing."""
        campaigns = Campaigns(self._database, self._clock)
        shown = campaigns.show_campaign(campaign_id)
        campaign: Campaign = shown["content"]
        before = shown["campaign"]["sends"]
        ran = campaigns.find_revision(campaign_id, before) if before is not None else None
        if ran is not None and gives_the_same(campaign, ran[1]):
            return
        names = [v.gift.template_id for v in campaign.variants if v.gift.template_id is not None]
        templates = Coupons(self._database, self._clock).find_templates(names)
        raised = campaign_worth(campaign, templates, self._points.rules())
        words = f"活动“{campaign.name}”：{_yuan(raised.total_fen)}"
        self._allow("campaign", campaign_id, campaign.name, campaign.document(), words, raised)

    def allow_tiers(self, rules: TierRules) -> None:
        """Ask for tier rules; those that give no more than the present ones ask nothing."""
        stored = Tiers(self._database, self._clock).rules()
        if gives_no_more(rules, stored):
            return
        levels = "；".join(
            f"{level.name} 付 {level.discount_bp / 100:g}%" for level in rules.levels
        )
        words = f"等级规则第 {rules.revision} 版：{levels}"
        self._allow("tiers", "tiers", "等级规则", rules.document(), words, Raised(None, None))

    def allow_dish(self, request: PutDishRequest) -> None:
        """Ask for a dish's prices; all cuts of a day count together for the dish."""
        stored = Menu(self._database).find_brand_dish(request.dish_id)
        if stored is None:
            return
        cut = max(
            cut_bp(prices_of(request.content), prices_of(stored)),
            cut_bp(addons_of(request.content), addons_of(stored)),
        )
        prices = prices_of(request.content) | addons_of(request.content)
        self._allow_cut(f"dish:{request.dish_id}", stored.name, prices, cut, "content")

    def allow_prices(self, request: PricesRequest) -> None:
        """Ask for a store's own prices of a dish; going up to the brand's price asks nothing."""
        menu = Menu(self._database)
        dish = menu.find_staff_dish(request.store_id, request.dish_id)
        brand = {sku.sku_id: sku.brand_fen for sku in dish.skus}
        own = {sku.sku_id: sku.own_fen for sku in dish.skus if sku.own_fen is not None}
        before = {name: min(fen, own.get(name, fen)) for name, fen in brand.items()}
        after = {
            name: request.prices_fen.get(name, fen)
            for name, fen in brand.items()
            if request.prices_fen.get(name, fen) < fen
        }
        counted_for = f"dish:{request.store_id}:{request.dish_id}"
        self._allow_cut(counted_for, dish.name, after, cut_bp(after, before), "prices_fen")

    def _allow_cut(
        self, counted_for: str, name: str, prices: Mapping[str, int], cut: int, field: str
    ) -> None:
        if cut == 0:
            return
        # The day is part of the ask: what was approved for one day isn't allowed for ever.
        content = {"for": counted_for, "day": brand_day(self._clock.now()), "prices": dict(prices)}
        listed = "，".join(f"{part} {_yuan(fen)}" for part, fen in sorted(prices.items()))
        rule = AllowedRule(kind="price", rule_id=counted_for, name=name, most_fen=None)
        sums: Mapping[Given, tuple[int, int]] = {"cuts": (cut, MOST_CUT_BP)}
        words = f"“{name}”降价 {cut / 100:g}%：{listed}"
        ask = RuleAsk(rule, content, words, sums, counted_for=counted_for, **self._signed)
        self._gifts.allow_rule(ask, field)

    def _allow(
        self,
        kind: RuleKind,
        rule_id: str,
        name: str,
        content: Mapping[str, Any],
        words: str,
        raised: Raised,
    ) -> None:
        if raised == Raised(0, 0):
            return
        role: GiverRole = self._signed["role"]
        sums = sums_of(raised, self._points.rules().gift_limits, role)
        rule = AllowedRule(kind=kind, rule_id=rule_id, name=name, most_fen=raised.total_fen)
        said = {"kind": kind, "content": content}
        ask = RuleAsk(rule, said, words, sums, **self._signed)
        self._gifts.allow_rule(ask, _FIELDS[kind])


def _yuan(fen: int | None) -> str:
    return "不限" if fen is None else f"¥{fen / 100:.2f}"
