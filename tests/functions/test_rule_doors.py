"""Rules that give too much are refused at every door that stores rules, and nothing is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bootstrap import ROOT
from chain_data import FakeClock, Shop
from console_people import Browser, index, owner, person
from handlers import Run, call, token_of
from huitou.catalog.stores.service import Stores
from huitou.loyalty.points.service import Points
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.operations.rule_linter.errors import RuleErrors
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal
from simulation.chain import TIERS

__all__ = ["call", "index", "owner"]  # Fixtures.
FREE = {"_id": "free", "name": "白送", "valid_days": 7, "terms": {"off_fen": 1_000}}
ARRIVALS = {"_id": "arrivals", "revision": 1, "offers": [{"template_id": "free"}]}


def tiers(**gold: Any) -> dict[str, Any]:
    levels = [*TIERS["levels"][:-1], {**TIERS["levels"][-1], **gold}]
    return {**TIERS, "revision": 2, "levels": levels}


def test_a_load_with_one_bad_rule_stores_nothing(chain: Database) -> None:
    request = LoadRequest.model_validate({"coupon_templates": [FREE], "arrival_rules": ARRIVALS})
    maintenance = Maintenance(chain, FakeClock())
    with pytest.raises(Refusal) as refused:
        maintenance.load_chain(request)
    assert refused.value.code is RuleErrors.RULE_GIVES_TOO_MUCH
    assert refused.value.field == "arrival_rules.offers.0.template_id"
    assert "门槛或限量" in refused.value.message()
    assert "limit" in refused.value.message("en")
    assert chain.collection("coupon_templates").find_one({"_id": "free"}) is None
    found = maintenance.lint_rules(request, "en").findings
    assert [(one.rule, one.severity) for one in found] == [("arrival-without-limit", "error")]
    limited = FREE | {"limits": {"quota": 5}}
    request = LoadRequest.model_validate({"coupon_templates": [limited], "arrival_rules": ARRIVALS})
    assert maintenance.load_chain(request)["warnings"] == []


def test_a_load_tells_its_warnings_and_stores(chain: Database) -> None:
    loaded = {"message_rules": {"revision": 2, "quiet": {"since": "23:00", "until": "05:00"}}}
    made = Maintenance(chain, FakeClock()).load_chain(LoadRequest.model_validate(loaded))
    assert [one.rule for one in made["warnings"]] == ["quiet-too-short"]
    kept = chain.collection("rules").find_one({"_id": "messages"})
    assert kept
    assert kept["revision"] == 2


def test_the_console_refuses_a_bad_coupon_and_bad_tiers_and_names_the_field(
    index: ModuleType, owner: Browser
) -> None:
    bad = FREE | {"terms": {"off_fen": 2_000, "threshold_fen": 1_000}}
    error = owner.send("coupons/put", {"template": bad})["error"]
    assert (error["code"], error["field"]) == ("RULE_GIVES_TOO_MUCH", "template.terms.off_fen")
    claimable = FREE | {"claimable": True}
    error = owner.send("coupons/put", {"template": claimable})["error"]
    assert (error["code"], error["field"]) == ("INVALID_REQUEST", "template.limits.quota")
    assert "总份数" in error["message"]
    unknown = tiers(entry_coupons=["nothing"])
    error = owner.send("tiers/apply", {"rules": unknown})["error"]
    assert (error["code"], error["field"]) == (
        "RULE_GIVES_TOO_MUCH",
        "rules.levels.2.entry_coupons",
    )
    owner.ask("tiers/apply", rules=tiers())


def test_the_command_that_applies_tiers_is_refused_too(call: Run) -> None:
    bad = {"action": "apply", "rules": tiers(entry_coupons=["nothing"])}
    error = call("tier-evaluate", {**bad, "token": token_of("tier-evaluate")})["error"]
    assert (error["code"], error["field"]) == (
        "RULE_GIVES_TOO_MUCH",
        "rules.levels.2.entry_coupons",
    )


def test_what_the_linter_reads_is_not_kept_when_the_rules_are_stored(chain: Database) -> None:
    chain.cache.clear()
    rules = {"_id": "points", "revision": 2, "fen_per_point": 50}
    store = {
        "_id": "new",
        "brand_id": "huitou",
        "name": "新店",
        "hours": [{"opens": "00:00", "closes": "00:00"}],
    }
    request = LoadRequest.model_validate({"points_rules": rules, "stores": [store]})
    Maintenance(chain, FakeClock()).load_chain(request)
    assert Points(chain, FakeClock()).rules().fen_per_point == 50
    assert "new" in Stores(chain, FakeClock()).store_names()


# --- one person alone, and warnings ---------------------------------------------------------------

CLAIM = FREE | {
    "terms": {"off_fen": 5_000},
    "claimable": True,
    "limits": {"quota": 100, "per_member": 1},
}
DAY_3 = ROOT / "scripts" / "simulation" / "drafts" / "day-3.json"


def _start(browser: Browser) -> dict[str, Any]:
    campaign = json.loads(DAY_3.read_text())
    browser.ask("campaigns/put", campaign=campaign)
    browser.ask("campaigns/check", campaign_id=campaign["_id"])
    return browser.send("campaigns/start", {"campaign_id": campaign["_id"]})


def _cheap(browser: Browser) -> dict[str, Any]:
    [dish] = [d for d in browser.ask("menu/dishes")["dishes"] if d["dish_id"] == "milk-tea"]
    for sku in dish["content"]["skus"]:
        sku["price_fen"] = 1
    return browser.send("menu/set_dish", dish)


DOORS: dict[str, Callable[[Browser], dict[str, Any]]] = {
    "coupons/put": lambda browser: browser.send("coupons/put", {"template": CLAIM}),
    "campaigns/start": _start,
    "tiers/apply": lambda browser: browser.send("tiers/apply", {"rules": tiers(spend_fen=60_000)}),
    "menu/set_dish": _cheap,
}


@pytest.mark.parametrize("door", DOORS)
def test_marketing_sets_no_rule_of_great_value_alone(
    index: ModuleType, chain: Database, owner: Browser, door: str
) -> None:
    marketing = person(index, chain, "marketing").browser()
    manager = person(index, chain, "store_manager").browser()
    for _ in range(2):
        assert DOORS[door](marketing)["error"]["code"] == "RULE_AWAITS_APPROVAL"
    [waiting] = owner.ask("approvals/adjustments")["adjustments"]
    assert (waiting["actor"], waiting["member_id"]) == ("marketing", "")
    assert waiting["reason"]
    decision = {"adjustment_id": waiting["adjustment_id"], "approve": True}
    assert marketing.refused("approvals/decide_adjustment", **decision) == "FORBIDDEN"
    assert manager.refused("approvals/decide_adjustment", **decision) == "RULE_NOT_YOUR_ROLE"
    owner.ask("approvals/decide_adjustment", **decision)
    assert DOORS[door](marketing)["ok"]
    assert owner.ask("approvals/adjustments")["adjustments"] == []


def test_a_store_manager_sells_nothing_for_a_fen_alone(
    index: ModuleType, chain: Database, owner: Browser
) -> None:
    manager = person(index, chain, "store_manager").browser()
    prices = {"store_id": "jingan", "dish_id": "milk-tea", "prices_fen": {"l": 1}}
    assert manager.refused("menu/prices", **prices) == "RULE_AWAITS_APPROVAL"
    [waiting] = owner.ask("approvals/adjustments")["adjustments"]
    owner.ask("approvals/decide_adjustment", adjustment_id=waiting["adjustment_id"], approve=True)
    manager.ask("menu/prices", **prices)


@pytest.mark.parametrize("door", DOORS)
def test_an_owner_sets_rules_alone_only_if_nobody_else_may_decide(
    index: ModuleType, chain: Database, owner: Browser, door: str
) -> None:
    person(index, chain, "marketing")
    second = person(index, chain, "area_manager")
    assert DOORS[door](owner)["error"]["code"] == "RULE_AWAITS_APPROVAL"
    [asked] = owner.ask("approvals/adjustments")["adjustments"]
    decision = {"adjustment_id": asked["adjustment_id"], "approve": True}
    assert owner.refused("approvals/decide_adjustment", **decision) == "ADJUSTMENT_NOT_YOURS"
    chain.collection("staff").update_one({"_id": second.staff_id}, {"$set": {"status": "disabled"}})
    owner.ask("approvals/decide_adjustment", **decision)
    assert DOORS[door](owner)["ok"]


@pytest.mark.parametrize("door", DOORS)
def test_an_owner_without_colleagues_sets_rules_at_once(owner: Browser, door: str) -> None:
    assert DOORS[door](owner)["ok"]
    [made] = owner.ask("approvals/adjustments", status="applied")["adjustments"]
    assert made["actor"] == "owner"


def test_an_owner_without_colleagues_decides_their_own_gifts(
    index: ModuleType, chain: Database, owner: Browser, clock: FakeClock
) -> None:
    alice = Shop(chain, clock).register("alice")
    gift = {"adjustment_id": "adj-0001", "member_id": alice, "points": 30_000, "reason": "赔"}
    assert owner.ask("members/adjust", **gift)["status"] == "awaiting_approval"
    decision = {"adjustment_id": "adj-0001", "approve": True}
    second = person(index, chain, "area_manager")
    assert owner.refused("approvals/decide_adjustment", **decision) == "ADJUSTMENT_NOT_YOURS"
    chain.collection("staff").update_one({"_id": second.staff_id}, {"$set": {"status": "disabled"}})
    assert owner.ask("approvals/decide_adjustment", **decision)["status"] == "applied"


def test_forms_whose_rules_were_stored_tell_what_looks_odd(owner: Browser) -> None:
    odd = CLAIM | {"transferable": True}
    [warning] = owner.ask("coupons/put", template=odd)["warnings"]
    assert (warning["rule"], warning["field"]) == ("claim-and-give", "template.transferable")
    assert "转赠" in warning["message"]
    later = odd | {"revision": 2}
    [warning] = owner.ask("coupons/put", template=later, lang="en")["warnings"]
    assert "transferable" in warning["message"]
    assert owner.ask("coupons/put", template=FREE | {"_id": "plain"})["warnings"] == []
    deep = owner.ask("tiers/apply", rules=tiers(discount_bp=6_000))["warnings"]
    assert [(one["rule"], one["field"]) for one in deep] == [
        ("tier-discount-deep", "rules.levels.2")
    ]


def test_no_account_reaches_the_functions_that_award_bonuses_or_load_rules() -> None:
    """Bonuses for events, held referrals and loaded rules are for internal callers alone."""
    desk = sorted((ROOT / "functions" / "console" / "desk").glob("*.py"))
    text = "\n".join(path.read_text() for path in desk)
    asked = set(re.findall(r"desk\.ask\(\s*\"([a-z-]+)\"", text))
    assert len(re.findall(r"desk\.ask\(", text)) == len(re.findall(r"desk\.ask\(\s*\"", text))
    assert asked == {"pay", "coupon-issue", "member-profile"}
    for name in ("Bonuses", "Referrals", "Maintenance"):
        assert not re.search(rf"\b{name}\(", text)
