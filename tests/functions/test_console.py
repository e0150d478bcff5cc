"""Staff work through the console in their own stores only, within limits, and with a record."""

from __future__ import annotations

import json
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from pydantic import BaseModel

from at_once import at_once
from bootstrap import ROOT
from chain_data import FakeClock, Shop
from console_people import PASSWORD, SECRET, Browser, Person, index, owner, person
from huitou.catalog.menu.errors import MenuErrors
from huitou.catalog.stores.errors import StoreErrors
from huitou.operations.staff.models import AddStaffRequest
from huitou.operations.staff.service import Staff
from huitou.runtime.database import Database
from huitou.runtime.errors import Refusal as HuitouRefusal

__all__ = ["index", "owner"]  # Fixtures.


# --- a person's own stores ------------------------------------------------------------------------


def test_a_store_manager_sees_their_store_and_no_other(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    here, there = shop.paid(alice), shop.paid(alice, store_id="xujiahui")
    manager = person(index, chain, "store_manager", "jingan").browser()
    assert [s["store_id"] for s in manager.ask("stores/list")["stores"]] == ["jingan"]
    day = here.business_day
    seen = manager.ask("orders/search", store_id="jingan", day=day)["orders"]
    assert [order["order_id"] for order in seen] == [here.id]
    assert manager.refused("orders/search", store_id="xujiahui", day=day) == "FORBIDDEN"
    assert manager.ask("orders/search", order_id=there.id)["orders"] == []
    for route in ("orders/get", "orders/explain"):
        assert manager.ask(route, order_id=here.id)
        assert manager.refused(route, order_id=there.id) == "NOT_FOUND"
    refund = {"refund_id": "R-00001", "reason": "凉了"}
    assert manager.refused("orders/refund", order_id=there.id, **refund) == "NOT_FOUND"
    assert manager.refused("home/figures", store_id="xujiahui") == "FORBIDDEN"
    figures = manager.ask("home/figures")
    assert figures["store_id"] == "jingan"
    assert {store["store_id"] for store in figures["stores"]} <= {"jingan"}


def test_the_next_quote_knows_a_dish_that_a_cashier_marks_sold_out(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    cashier = person(index, chain, "cashier", "jingan").browser()
    dish = {"store_id": "jingan", "dish_id": "milk-tea"}
    assert cashier.ask("menu/sold_out", **dish, sold_out=True)["sold_out"]
    with pytest.raises(HuitouRefusal) as refused:
        shop.order(alice)
    assert refused.value.code is MenuErrors.DISH_SOLD_OUT
    assert not cashier.ask("menu/sold_out", **dish, sold_out=False)["sold_out"]
    shop.order(alice)
    elsewhere = {**dish, "store_id": "xujiahui", "sold_out": True}
    assert cashier.refused("menu/sold_out", **elsewhere) == "FORBIDDEN"
    assert cashier.refused("menu/listed", **dish, listed=False) == "FORBIDDEN"
    unknown = {**dish, "dish_id": "nothing", "sold_out": True}
    assert cashier.refused("menu/sold_out", **unknown) == "DISH_NOT_FOUND"


def test_a_store_sets_its_own_prices_and_hides_dishes(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    manager = person(index, chain, "store_manager", "jingan").browser()
    [tea] = [
        d
        for d in manager.ask("menu/list", store_id="jingan")["dishes"]
        if d["dish_id"] == "milk-tea"
    ]
    dish = {"store_id": "jingan", "dish_id": "milk-tea"}
    sku = tea["skus"][0]
    before = shop.order(alice)
    dearer = {line["sku_id"]: line["brand_fen"] + 100 for line in tea["skus"]}
    changed = manager.ask("menu/prices", **dish, prices_fen=dearer)
    assert changed["skus"][0]["own_fen"] == sku["brand_fen"] + 100
    assert shop.order(alice).list_fen == before.list_fen + 100
    assert manager.ask("menu/prices", **dish, prices_fen={})["skus"][0]["own_fen"] is None
    for wrong in ({"nothing": 1}, {sku["sku_id"]: -1}, {sku["sku_id"]: 1.5}):
        answer = manager.send("menu/prices", {**dish, "prices_fen": wrong})
        assert answer["status"] == 400, answer
        assert "prices_fen" in answer["error"]["field"]
    assert not manager.ask("menu/listed", **dish, listed=False)["listed"]
    with pytest.raises(HuitouRefusal):
        shop.order(alice)
    history = chain.collection("staff_changes").find({"target": "dish jingan:milk-tea"})
    assert {change["route"] for change in history} == {"menu/prices", "menu/listed"}


def test_a_paused_store_takes_no_orders(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    manager = person(index, chain, "store_manager", "jingan").browser()
    assert manager.ask("stores/pause", store_id="jingan", paused=True)["paused"]
    chain.cache.clear()  # Empties the cache, as a second does.
    with pytest.raises(HuitouRefusal) as refused:
        shop.order(alice)
    assert refused.value.code is StoreErrors.STORE_CLOSED
    assert not manager.ask("stores/pause", store_id="jingan", paused=False)["paused"]
    assert manager.ask("stores/get", store_id="jingan")["open"]
    assert manager.refused("stores/pause", store_id="xujiahui", paused=True) == "FORBIDDEN"


def test_a_refund_above_a_cashiers_limit_waits_for_the_stores_manager(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    order = shop.paid(shop.register("alice"))
    chain.collection("refunds").insert_one(
        {
            "_id": "R-waits",
            "schema": 1,
            "kind": "order",
            "order_id": order.id,
            "store_id": "jingan",
            "member_id": order.member_id,
            "amount_fen": 900,
            "total_fen": 900,
            "reason": "凉了",
            "actor": "cashier-1",
            "role": "cashier",
            "status": "awaiting_approval",
            "created_at": clock.now(),
        }
    )
    own = person(index, chain, "store_manager", "jingan").browser()
    other = person(index, chain, "store_manager", "xujiahui").browser()
    [waiting] = own.ask("approvals/refunds")["refunds"]
    assert (waiting["refund_id"], waiting["actor"], waiting["amount_fen"]) == (
        "R-waits",
        "cashier-1",
        900,
    )
    assert other.ask("approvals/refunds")["refunds"] == []
    decision = {"refund_id": "R-waits", "approve": False}
    assert other.refused("approvals/decide_refund", **decision) == "NOT_FOUND"


def test_an_adjustment_above_the_limit_needs_a_second_person(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    one = person(index, chain, "store_manager", "jingan").browser()
    two = person(index, chain, "area_manager", "jingan").browser()
    asked = one.ask(
        "members/adjust", adjustment_id="adj-large", member_id=alice, points=50_000, reason="补偿"
    )
    assert asked["status"] == "awaiting_approval"
    [waiting] = two.ask("approvals/adjustments")["adjustments"]
    decision = {"adjustment_id": waiting["adjustment_id"], "approve": True}
    assert one.refused("approvals/decide_adjustment", **decision) == "ADJUSTMENT_NOT_YOURS"
    assert two.ask("approvals/decide_adjustment", **decision)["status"] == "applied"
    answer = two.ask("members/get", member_id=alice)["profile"]["points"]
    assert answer["available"] == 50_000


# --- accounts -------------------------------------------------------------------------------------


def test_an_owner_opens_an_account_for_a_store(owner: Browser) -> None:
    added = owner.ask(
        "staff/add", staff_id="wang", name="王店长", role="store_manager", store_ids=["jingan"]
    )
    assert added["uri"].startswith("otpauth://totp/")
    assert (
        owner.refused("staff/add", staff_id="wang", name="王", role="owner") == "STAFF_NAME_TAKEN"
    )
    assert owner.refused("staff/add", staff_id="w2", name="王", role="cashier") == "INVALID_REQUEST"
    refused = owner.send(
        "staff/add", {"staff_id": "w3", "name": "王", "role": "owner", "store_ids": ["jingan"]}
    )
    assert refused["status"] == 400


def test_the_last_owner_cannot_be_removed(owner: Browser) -> None:
    change = {"staff_id": "owner", "name": "老板", "status": "active", "revision": 2}
    assert owner.refused("staff/change", **change, role="finance") == "LAST_OWNER"
    disabled = change | {"status": "disabled"}
    assert owner.refused("staff/change", **disabled, role="owner") == "LAST_OWNER"


def test_if_two_owners_leave_at_once_one_of_them_stays_owner(
    index: ModuleType, chain: Database
) -> None:
    names = ("first", "second")
    browsers = []
    for name in names:
        added = Staff(chain, FakeClock(), SECRET.encode()).add_account(
            AddStaffRequest(staff_id=name, name=name, role="owner")
        )
        seed = parse_qs(urlsplit(added.uri).query)["secret"][0]
        browser = Person(index, name, PASSWORD, pyotp.TOTP(seed)).browser(added.password)
        browser.ask("session/password", old=added.password, new=PASSWORD)
        browsers.append(browser)
    revisions = {one["staff_id"]: one["revision"] for one in browsers[0].ask("staff/list")["staff"]}
    answers = at_once(
        [
            lambda browser=browser, name=name: browser.send(
                "staff/change",
                {
                    "staff_id": name,
                    "name": name,
                    "role": "finance",
                    "store_ids": [],
                    "status": "active",
                    "revision": revisions[name],
                },
            )
            for browser, name in zip(browsers, names, strict=True)
        ]
    )
    assert sorted(answer["status"] for answer in answers) == [200, 400], answers
    staff = chain.collection("staff").find({"role": "owner", "status": "active"})
    assert len(list(staff)) == 1


def test_the_second_of_two_changes_to_an_account_is_refused(
    index: ModuleType, chain: Database, owner: Browser
) -> None:
    person(index, chain, "marketing")
    change = {"staff_id": "marketing", "role": "marketing", "status": "active", "revision": 2}
    names = [f"运营{n}" for n in range(4)]
    answers = at_once(
        [lambda n=n: owner.send("staff/change", {**change, "name": n}) for n in names]
    )
    assert sorted(answer["status"] for answer in answers) == [200, 409, 409, 409]


def test_an_owner_gives_an_account_new_secrets(
    index: ModuleType, chain: Database, owner: Browser
) -> None:
    cashier = person(index, chain, "cashier")
    browser = cashier.browser()
    answer = owner.ask("staff/reset", staff_id="cashier")
    assert browser.refused("session/me") == "SIGN_IN_REQUIRED"
    words = {"staff_id": "cashier", "password": PASSWORD, "code": cashier.code()}
    assert Browser(index).refused("session/sign_in", **words) == "SIGN_IN_FAILED"
    seed = parse_qs(urlsplit(answer["uri"]).query)["secret"][0]
    Person(index, "cashier", answer["password"], pyotp.TOTP(seed)).browser()


# --- the record of changes ------------------------------------------------------------------------


def test_the_record_says_who_changed_what_and_when(owner: Browser) -> None:
    rules = owner.ask("tiers/history")["revisions"][0]
    silver = next(level for level in rules["levels"] if level["spend_fen"] == 50_000)
    silver["spend_fen"] = 60_000
    rules["revision"] += 1
    assert owner.ask("tiers/dry_run", rules=rules)["members"] == 0
    assert owner.ask("tiers/apply", rules=rules)["revision"] == rules["revision"]
    stale = owner.send("tiers/apply", {"rules": {**rules, "window_days": 90}})
    assert (stale["status"], stale["error"]["code"]) == (409, "RULES_CONFLICT")
    refused, done = owner.ask("changes/list", target="tiers")["changes"]
    assert (refused["outcome"], done["outcome"]) == ("RULES_CONFLICT", "done")
    assert (done["staff_id"], done["role"], done["route"]) == ("owner", "owner", "tiers/apply")
    assert done["before"]["revision"] == rules["revision"] - 1
    assert done["after"] == {"revision": rules["revision"]}
    history = owner.ask("tiers/history")["revisions"]
    assert [found["revision"] for found in history] == [rules["revision"], rules["revision"] - 1]


def test_the_record_of_changes_holds_no_secrets(chain: Database, owner: Browser) -> None:
    added = owner.ask("staff/add", staff_id="wang", name="王", role="marketing")
    kept = json.dumps(list(chain.collection("staff_changes").find({})), default=str)
    assert "staff wang" in kept
    assert added["password"] not in kept
    assert PASSWORD not in kept


# --- members, campaigns, figures ------------------------------------------------------------------


def test_staff_see_the_history_of_a_member_they_look_up(
    index: ModuleType, chain: Database, clock: FakeClock, owner: Browser
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    chain.collection("members").update_one({"_id": alice}, {"$set": {"phone_last4": "8801"}})
    order = shop.paid(alice)
    [found] = owner.ask("members/search", member_id=alice)["members"]
    assert found["member_id"] == alice
    assert owner.ask("members/search", member_id="nobody")["members"] == []
    answer = owner.ask("members/get", member_id=alice)
    assert answer["profile"]["phone_last4"] == "8801"
    assert "birthday" not in json.dumps(answer)
    assert owner.ask("members/orders", member_id=alice)["orders"][0]["order_id"] == order.id
    for route in ("members/statement", "members/coupons", "members/messages"):
        owner.ask(route, member_id=alice)
    adjusted = owner.ask(
        "members/adjust", adjustment_id="adj-0001", member_id=alice, points=20, reason="等太久"
    )
    assert adjusted["status"] == "applied"
    [entry] = [
        e for e in owner.ask("members/statement", member_id=alice)["entries"] if e["points"] == 20
    ]
    assert entry
    manager = person(index, chain, "store_manager").browser()
    assert manager.ask("members/get", member_id=alice)["profile"]["points"]["available"] >= 20
    issued = owner.ask("members/issue", member_id=alice, template_id="back-30-8", cause="sorry-1")
    assert issued["name"]
    assert owner.refused("members/get", member_id="nobody") == "NOT_FOUND"


def test_an_allowed_campaign_is_started_and_a_forbidden_one_is_not(
    owner: Browser,
) -> None:
    drafts = ROOT / "scripts" / "simulation" / "drafts"
    allowed = json.loads((drafts / "day-3.json").read_text())
    forbidden = json.loads((drafts / "share-for-points.json").read_text())
    owner.ask("campaigns/put", campaign=allowed)
    assert owner.ask("campaigns/check", campaign_id=allowed["_id"])["findings"] == []
    owner.ask("campaigns/start", campaign_id=allowed["_id"])
    [running] = owner.ask("campaigns/list", status="running")["campaigns"]
    assert running["campaign_id"] == allowed["_id"]
    owner.ask("campaigns/report", campaign_id=allowed["_id"])
    assert owner.ask("campaigns/audience", audience=allowed.get("audience"))["looked_at"] == 0
    findings = owner.ask("campaigns/lint", campaign=forbidden)["findings"]
    assert {f["severity"] for f in findings} >= {"error"}
    owner.ask("campaigns/put", campaign=forbidden)
    owner.ask("campaigns/check", campaign_id=forbidden["_id"])
    assert owner.refused("campaigns/start", campaign_id=forbidden["_id"])
    answer = owner.ask("campaigns/get", campaign_id=allowed["_id"])
    assert answer["changes"][-1]["actor"] == "owner"
    owner.ask("campaigns/pause", campaign_id=allowed["_id"], reason="试一下")
    owner.ask("campaigns/end", campaign_id=allowed["_id"], reason="试完了")


def test_the_first_page_shows_figures_and_open_tasks(owner: Browser) -> None:
    figures = owner.ask("home/figures")
    assert len(figures["days"]) == 30
    assert figures["today"] == figures["days"][-1]
    assert figures["goals"] == {"repurchase": 0.4, "activity": 0.5, "burn": 0.6}
    assert owner.ask("home/alarms")["dead_letters"] == 0


def test_the_first_page_needs_five_queries_that_do_not_grow_with_orders(
    chain: Database, owner: Browser
) -> None:
    owner.ask("home/figures")  # A warm instance has the stores' names in its cache.
    chain.mongo.command("profile", 2)
    try:
        owner.ask("home/figures")
    finally:
        chain.mongo.command("profile", 0)
        asked = chain.mongo["system.profile"].aggregate(
            [
                {"$match": {"op": {"$in": ["query", "command", "getmore"]}}},
                {"$project": {"ns": 1}},
            ]
        )
        names = [row["ns"].partition(".")[2] for row in asked]
        chain.mongo.drop_collection("system.profile")
    of_the_page = [name for name in names if name not in ("staff", "staff_sessions", "$cmd")]
    assert set(of_the_page) == {"kpi_days", "stores"}
    assert len(of_the_page) <= 5, names


def test_messages_are_english_if_the_request_asks_for_it(index: ModuleType) -> None:
    answer = Browser(index).send("session/me", {"lang": "en"})
    assert answer["error"]["message"] == "Sign in first"


def test_request_models_have_unique_names(index: ModuleType) -> None:
    for area in index.AREAS:
        for route in index.routes(area).values():
            assert issubclass(route.request, BaseModel)
