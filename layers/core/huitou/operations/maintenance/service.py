"""Setting up a chain, and replaying what could not be processed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from huitou.catalog.menu.service import Menu
from huitou.catalog.stores.service import Stores
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.earning.service import Earning
from huitou.loyalty.rewards.service import Mall
from huitou.loyalty.tier_rollouts.service import TierRuns
from huitou.marketing.linter.models import LintAnswer
from huitou.operations.maintenance.errors import DEAD_LETTER
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.repository import RulesRepository
from huitou.operations.rule_linter.service import RuleLinter
from huitou.payments.profit_sharing.rules_service import ShareRuleBook
from huitou.promotions.offers.service import Offers
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.dead_letters import count_letters, find_letter, forget_letter, list_letters
from huitou.runtime.errors import Code, Lang, Refusal
from huitou.runtime.events import change_event
from huitou.runtime.relay import health
from huitou.runtime.triggers import TRIGGERS


class Maintenance:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def load_chain(self, request: LoadRequest, lang: Lang = "zh") -> dict[str, Any]:
        """Store everything in the request; returns how many of each kind, and what looks odd.

        Nothing is stored if the linter finds an error in a rule: Refusal RULE_GIVES_TOO_MUCH.
        """
        warnings = RuleLinter(self._database, self._clock).refuse_faults(request)
        stores = Stores(self._database, self._clock)
        for store in request.stores:
            stores.put_store(store)
        Menu(self._database).put_dishes(request.dishes, request.store_dishes)
        groups = {template.id: template.group for template in request.coupon_templates}
        Offers(self._database, self._clock).put_offers(
            request.offers, request.stacking_rules, groups
        )
        Coupons(self._database, self._clock).put_templates(request.coupon_templates, request.scenes)
        kept = {
            "points_rules": request.points_rules,
            "refund_rules": request.refund_rules,
            "message_rules": request.message_rules,
            "arrival_rules": request.arrival_rules,
            "referral_rules": request.referral_rules,
        }
        rules = {field: rule for field, rule in kept.items() if rule is not None}
        for field, rule in rules.items():
            RulesRepository(self._database).put(rule, field)
        if request.tier_rules is not None:
            TierRuns(self._database, self._clock).load_rules(
                request.tier_rules, "tier_rules.revision"
            )
        for shares in request.share_rules:
            ShareRuleBook(self._database).put_rules(shares)
        for promotion in request.earning_rules:
            Earning(self._database, self._clock).put_rule(promotion)
        for item in request.mall_items:
            Mall(self._database, self._clock).put_item(item)
        return {
            "stores": len(request.stores),
            "dishes": len(request.dishes),
            "store_dishes": len(request.store_dishes),
            "coupon_templates": len(request.coupon_templates),
            "scenes": len(request.scenes),
            "mall_items": len(request.mall_items),
            "offers": len(request.offers),
            "rules": len(rules)
            + len(request.share_rules)
            + len(request.earning_rules)
            + (request.tier_rules is not None)
            + (request.stacking_rules is not None),
            "warnings": [found.finding(lang) for found in warnings],
        }

    def lint_rules(self, request: LoadRequest, lang: Lang) -> LintAnswer:
        """Return what the linter finds in the rules of a request; nothing is stored."""
        found = RuleLinter(self._database, self._clock).lint_rules(request)
        return LintAnswer(findings=[fault.finding(lang) for fault in found])

    def show_health(self) -> dict[str, Any]:
        """Return what followers still have to do, and the number of dead letters."""
        return {"relay": health(self._database), "dead_letters": count_letters(self._database)}

    def list_dead_letters(self, limit: int) -> dict[str, Any]:
        letters = list_letters(self._database, limit)
        return {"dead_letters": [letter | {"letter_id": letter.pop("_id")} for letter in letters]}

    def replay_dead_letter(
        self, letter_id: str, start: Callable[[str, Mapping[str, Any]], None]
    ) -> dict[str, str]:
        """Start a dead letter's function again and delete the letter.

        If the function fails again, it writes the letter again. A letter of a timer's work has no
        trigger and is only deleted: the timer finds its document again.
        """
        letter = find_letter(self._database, letter_id)
        if letter is None:
            raise Refusal(Code.NOT_FOUND, field="letter_id", detail=DEAD_LETTER)
        trigger = next((t for t in TRIGGERS if t.function == letter["function"]), None)
        if trigger is not None:
            event = change_event(
                trigger.collection, letter["document_id"], "update", self._clock.now()
            )
            start(trigger.function, {"events": [event]})
        forget_letter(self._database, letter)
        return {"replayed": letter_id, "by": trigger.function if trigger else "timer"}
