"""Rules that give too much are refused at every door that stores rules, and nothing is stored."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from chain_data import FakeClock
from console_people import Browser, index, owner
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
