"""Hold rules against the linter before they are stored, at every door that stores rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from huitou.catalog.stores.rules import brand_day
from huitou.catalog.stores.service import Stores
from huitou.coupons.codes.repository import CodeRepository
from huitou.coupons.issuing.models import SavedTemplate
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.points.service import Points
from huitou.loyalty.tiers.models import TierRules
from huitou.marketing.linter.models import Finding
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.rule_linter.errors import RuleErrors
from huitou.operations.rule_linter.facts import RuleFacts
from huitou.operations.rule_linter.rules import LINTERS, Found, faults_of
from huitou.promotions.offers.service import Offers
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Lang, Refusal


class RuleLinter:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._coupons = Coupons(database, clock)
        self._codes = CodeRepository(database)
        self._offers = Offers(database, clock)
        self._points = Points(database, clock)
        self._stores = Stores(database, clock)
        self._clock = clock

    def lint_rules(self, request: LoadRequest) -> list[Found]:
        """Return all faults of the rules in a request; nothing is stored."""
        facts = self._facts(request)
        # The caller stores rules next: what was read here is old then.
        self._database.cache.clear()
        return [
            fault
            for kind, prefix, document in _documents(request)
            for fault in faults_of(kind, document, facts, prefix)
        ]

    def refuse_faults(self, request: LoadRequest) -> list[Found]:
        """Return the warnings; raise Refusal RULE_GIVES_TOO_MUCH naming the first error's field."""
        found = self.lint_rules(request)
        for fault in found:
            if fault.rule.severity == "error":
                raise Refusal(RuleErrors.RULE_GIVES_TOO_MUCH, field=fault.field, detail=fault.words)
        return found

    def refuse_template(self, template: SavedTemplate, lang: Lang = "zh") -> list[Finding]:
        """Refuse a template of the console's form like one that is loaded; return the warnings."""
        request = LoadRequest.model_construct(coupon_templates=[template])
        return self._refuse_one(request, f"coupon_templates.{template.id}", "template", lang)

    def refuse_tiers(self, rules: TierRules, lang: Lang = "zh") -> list[Finding]:
        """Refuse tier rules to be applied like those that are loaded; return the warnings."""
        request = LoadRequest.model_construct(tier_rules=rules)
        return self._refuse_one(request, "tier_rules", "rules", lang)

    def _refuse_one(
        self, request: LoadRequest, loaded_as: str, sent_as: str, lang: Lang
    ) -> list[Finding]:
        try:
            found = self.refuse_faults(request)
        except Refusal as refused:
            refused.field = (refused.field or "").replace(loaded_as, sent_as, 1)
            raise
        return [
            one._replace(field=one.field.replace(loaded_as, sent_as, 1)).finding(lang)
            for one in found
        ]

    def _facts(self, request: LoadRequest) -> RuleFacts:
        """Return the chain as it will be with this request: what it brings replaces the stored."""
        named = set(_named_templates(request))
        later = {template.id: template for template in request.coupon_templates}
        today = date.fromisoformat(brand_day(self._clock.now()))
        offers = {one.id: one for one in self._offers.list_offers_in_force()}
        with_codes = self._codes.templates_with_codes(list(later)) if later else []
        return RuleFacts(
            today=today,
            with_codes=self._coupons.find_templates(with_codes),
            templates=self._coupons.find_templates(named - set(later)) | later,
            points=request.points_rules or self._points.rules(),
            stores=frozenset(self._stores.store_names()) | {one.id for one in request.stores},
            offers=list((offers | {one.id: one for one in request.offers}).values()),
            stacking=request.stacking_rules or self._offers.stacking_rules(),
        )


def _documents(request: LoadRequest) -> Iterator[tuple[str, str, Any]]:
    """Yield each rule document of a request: its kind, its place in the request, itself."""
    for kind in LINTERS:
        held = getattr(request, kind)
        if isinstance(held, list):
            yield from ((kind, f"{kind}.{one.id}", one) for one in held)
        elif held is not None:
            yield kind, kind, held


def _named_templates(request: LoadRequest) -> Iterator[str]:
    """Yield the ids of the templates that rules of a request name."""
    for level in request.tier_rules.levels if request.tier_rules else []:
        yield from (*level.entry_coupons, *level.monthly_coupons, *level.birthday_coupons)
    for offer in request.arrival_rules.offers if request.arrival_rules else []:
        yield offer.template_id
    if request.referral_rules and request.referral_rules.invite_set:
        yield request.referral_rules.invite_set.template_id
    for item in request.mall_items:
        yield item.template_id
