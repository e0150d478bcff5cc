"""The console's forms store coupons, stores and dishes; staff find, tag and merge members."""

from __future__ import annotations

import hmac
import re
import time
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest

from at_once import at_once
from chain_data import FakeClock, Shop, item
from console_people import SECRET, Browser, index, owner, person
from desk.english import ENGLISH  # type: ignore[import-not-found]  # From the function's folder.
from huitou.catalog.menu.shown_models import DishForm
from huitou.catalog.stores.rules import by_day_clock
from huitou.catalog.stores.shown_models import StoreForm
from huitou.coupons.issuing.models import TemplateForm, TillUse
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.tiers.models import TierRules, default_rules
from huitou.marketing.campaigns.models import Campaign
from huitou.members.profiles.models import UpdateProfileRequest
from huitou.members.profiles.till_service import FirstOrder, TillMembers
from huitou.operations.console.lookup_models import FindMembersRequest
from huitou.operations.console.lookup_service import Lookups
from huitou.operations.merges.proofs import proof_code
from huitou.runtime.database import Database
from huitou.runtime.forms import form_schema

__all__ = ["index", "owner"]  # Fixtures.
FORMS = (TierRules, StoreForm, DishForm, TemplateForm, Campaign)
CHINESE = re.compile("[\u4e00-\u9fff]")
COUPON = {"_id": "thirty-8", "name": "满30减8", "valid_days": 7,
          "terms": {"kind": "amount_off", "threshold_fen": 3_000, "off_fen": 800}}  # fmt: skip


# --- forms ----------------------------------------------------------------------------------------


def test_every_text_of_every_form_has_an_english_text() -> None:
    words: set[str] = set()
    for model in FORMS:
        form_schema(model, lambda said: words.add(said) or said)
    assert {said for said in words if CHINESE.search(said)} == set(ENGLISH)


@pytest.mark.parametrize("area", ["tiers", "stores", "menu", "coupons", "campaigns"])
def test_a_form_is_in_the_language_that_is_asked_for(owner: Browser, area: str) -> None:
    chinese, english = owner.ask(f"{area}/schema"), owner.ask(f"{area}/schema", lang="en")
    assert CHINESE.search(str(chinese["form"]["properties"]))
    assert not CHINESE.search(str(english))


def test_a_field_says_which_kinds_it_is_for(owner: Browser) -> None:
    trigger = owner.ask("campaigns/schema")["form"]["$defs"]["Trigger"]["properties"]
    assert trigger["days"]["when"] == {"kind": ["absent", "birthday", "coupon_expiring"]}
    assert "when" not in trigger["kind"]


# --- tiers ----------------------------------------------------------------------------------------


def test_a_draft_of_tiers_shows_the_text_for_members(owner: Browser) -> None:
    rules = default_rules().document()
    silver = rules["levels"][1]
    silver |= {"name": "白银", "spend_fen": 50_000}
    answer = owner.ask("tiers/preview", rules=rules, figures={"spend_fen": 38_000})
    assert answer["text"] == "再消费 ¥120 升级白银"
    answer = owner.ask("tiers/preview", rules=rules, figures={"spend_fen": 38_000}, lang="en")
    assert answer["text"] == "Spend ¥120 more to reach 白银"
    top = owner.ask("tiers/preview", rules=rules, figures={"spend_fen": 10**9})
    assert (top["name"], top["text"]) == (rules["levels"][-1]["name"], None)
    silver["spend_fen"] = -1
    refused = owner.send("tiers/preview", {"rules": rules})["error"]
    assert refused["field"] == "rules.levels.1.spend_fen"


# --- coupons --------------------------------------------------------------------------------------


def test_a_coupon_is_made_and_changed_and_the_second_of_two_editors_is_refused(
    owner: Browser, chain: Database
) -> None:
    made = owner.ask("coupons/put", template=COUPON)
    assert made["template"]["terms"]["off_fen"] == 800
    assert (made["left"], made["left_fen"]) == (None, None)
    second = {**COUPON, "revision": 2, "limits": {"quota": 10, "budget_fen": 5_000}}
    answers = at_once(
        [
            lambda words=words: owner.send("coupons/put", {"template": {**second, "name": words}})
            for words in ("甲", "乙")
        ]
    )
    assert sorted(a["status"] for a in answers) == [200, 409]
    [lost] = [a["error"] for a in answers if a["status"] == 409]
    assert lost["code"] == "RULES_CONFLICT"
    told = owner.ask("coupons/get", template_id="thirty-8")
    assert (told["left"], told["left_fen"]) == (10, 5_000)
    assert "thirty-8" in {t["template"]["_id"] for t in owner.ask("coupons/list")["templates"]}
    kept = chain.collection("staff_changes").find({"target": "coupon thirty-8"})
    assert {change["outcome"] for change in kept} == {"done", "RULES_CONFLICT"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"_id": "有空格 的"}, "template._id"),
        ({"name": ""}, "template.name"),
        ({"terms": {"kind": "amount_off"}}, "template.terms.off_fen"),
        ({"valid_days": None}, "template.valid_days"),
        ({"terms": {"kind": "amount_off", "off_fen": 0}}, "template.terms.off_fen"),
    ],
)
def test_an_invalid_coupon_is_refused_with_the_field_at_fault(
    owner: Browser, wrong: dict[str, Any], field: str
) -> None:
    answer = owner.send("coupons/put", {"template": {**COUPON, **wrong}})
    assert (answer["status"], answer["error"]["field"]) == (400, field)


def test_a_coupons_uses_are_counted_by_business_day(
    owner: Browser, chain: Database, clock: FakeClock
) -> None:
    alice = Shop(chain, clock).register("alice")
    owner.ask("coupons/put", template=COUPON)
    coupons = Coupons(chain, clock)
    template = coupons.find_templates(["thirty-8"])["thirty-8"]
    moments = [
        datetime(2026, 2, 28, 21, 0, tzinfo=UTC),  # 05:00 on 1 March in Shanghai.
        datetime(2026, 3, 1, 19, 59, tzinfo=UTC),  # 03:59 on the 2nd still belongs to the 1st.
        datetime(2026, 3, 1, 20, 0, tzinfo=UTC),  # 04:00: the 2nd has begun.
    ]
    for n, at in enumerate(moments):
        coupon = coupons.issue_coupon(template, member_id=alice, cause=f"c{n}")
        assert coupon is not None
        use = TillUse(store_id="jingan", till_reference=f"t{n}", actor="till", at=at)
        assert coupons.redeem_coupon_at_till(coupon.id, use, by_day_clock(at))
    days = owner.ask("coupons/get", template_id="thirty-8")["days"]
    assert len(days) == 30
    assert {d["day"]: d["redeemed"] for d in days if d["redeemed"]} == {
        "2026-03-01": 2,
        "2026-03-02": 1,
    }


# --- stores and dishes ----------------------------------------------------------------------------


def test_a_store_changes_its_hours_and_the_second_of_two_managers_is_refused(
    index: ModuleType, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    manager = person(index, chain, "store_manager", "jingan").browser()
    seen = manager.ask("stores/get", store_id="jingan")
    evening = [{"weekdays": [0, 1, 2, 3, 4, 5, 6], "opens": "17:00", "closes": "23:00"}]
    settings = {**seen["settings"], "hours": evening, "cut_time": "05:00"}
    words = {"store_id": "jingan", "revision": seen["revision"], "settings": settings}
    answers = at_once([lambda: manager.send("stores/set", words)] * 2)
    assert sorted(a["status"] for a in answers) == [200, 409]
    told = manager.ask("stores/get", store_id="jingan")
    assert (told["revision"], told["open"], told["cut_time"]) == (2, False, "05:00")
    chain.cache.clear()  # Empties the cache, as a second does.
    with pytest.raises(Exception, match="STORE_CLOSED"):
        Shop(chain, clock).order(alice)
    elsewhere = {"store_id": "xujiahui", "revision": 1, "settings": settings}
    assert manager.refused("stores/set", **elsewhere) == "FORBIDDEN"
    wrong = {**words, "revision": 2, "settings": {**settings, "cut_time": "25:00"}}
    assert manager.send("stores/set", wrong)["error"]["field"] == "settings.cut_time"
    changes = chain.collection("staff_changes").find({"target": "store jingan"})
    [change] = [made for made in changes if made["outcome"] == "done"]
    assert (change["before"]["cut_time"], change["after"]["cut_time"]) == ("04:00", "05:00")


def test_a_new_dish_is_listed_by_every_store_and_can_be_changed(
    owner: Browser, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    dish = {
        "name": "杨枝甘露",
        "category": "饮品",
        "methods": ["少冰"],
        "skus": [{"sku_id": "m", "name": "中杯", "price_fen": 1_800}],
        "addons": [{"addon_id": "sago", "name": "西米", "price_fen": 200}],
    }
    words = {"dish_id": "mango-sago", "revision": 0, "content": dish}
    answers = at_once([lambda: owner.send("menu/set_dish", words)] * 3)
    assert sorted(a["status"] for a in answers) == [200, 409, 409]
    with pytest.raises(Exception, match="DISH"):
        shop.order(alice, items=[item(dish="mango-sago")])
    here = {"store_id": "jingan", "dish_id": "mango-sago"}
    assert owner.ask("menu/listed", **here, listed=True)["listed"]
    chain.cache.clear()
    shop = Shop(chain, clock)
    assert shop.order(alice, items=[item(dish="mango-sago")]).list_fen == 1_800
    dish["skus"][0]["price_fen"] = 2_000
    words["revision"] = 1
    assert owner.ask("menu/set_dish", **words)["revision"] == 2
    assert owner.refused("menu/set_dish", **words) == "RULES_CONFLICT"
    chain.cache.clear()
    shop = Shop(chain, clock)
    assert shop.order(alice, items=[item(dish="mango-sago")]).list_fen == 2_000
    twice = {**dish, "skus": dish["skus"] * 2}
    answer = owner.send("menu/set_dish", {**words, "revision": 2, "content": twice})
    assert (answer["status"], answer["error"]["code"]) == (400, "INVALID_REQUEST")


def test_the_first_page_counts_the_stores_own_sold_out_dishes(
    index: ModuleType, owner: Browser, chain: Database
) -> None:
    assert owner.ask("home/alarms")["sold_out"] == 0
    for store_id in ("jingan", "xujiahui"):
        owner.ask("menu/sold_out", store_id=store_id, dish_id="milk-tea", sold_out=True)
    assert owner.ask("home/alarms")["sold_out"] == 2
    manager = person(index, chain, "store_manager", "jingan").browser()
    chain.collection("store_dishes").insert_many(
        {"_id": f"aaa:{n}", "schema": 1, "store_id": "aaa", "dish_id": str(n), "sold_out": True}
        for n in range(80)
    )
    assert manager.ask("home/alarms")["sold_out"] == 1  # Other stores' dishes don't count.
    assert owner.ask("home/alarms")["sold_out"] == 50


# --- members --------------------------------------------------------------------------------------


def test_members_are_found_by_a_tag_page_by_page(
    owner: Browser, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    members = sorted(shop.register(name) for name in ("alice", "bob", "carol"))
    assert owner.ask("members/tag", tag="vip", add=members[:2]) == {"added": 2, "removed": 0}
    first = owner.ask("members/search", tag="vip", limit=1)
    rest = owner.ask("members/search", tag="vip", limit=1, after=first["next"])
    found = [m["member_id"] for page in (first, rest) for m in page["members"]]
    assert found == members[:2]
    assert owner.ask("members/search", tag="nobody")["members"] == []
    owner.ask("members/tag", tag="vip", remove=members[:1])
    [left] = owner.ask("members/search", tag="vip")["members"]
    assert left["member_id"] == members[1]


def test_two_accounts_of_one_person_are_merged(
    index: ModuleType, owner: Browser, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice, again = shop.register("alice"), shop.register("alice-2")
    shop.paid(again)
    key = hmac.digest(SECRET.encode(), b"coupon tokens", "sha256")
    shown = {
        name: proof_code(key, member, time.time())
        for name, member in (("from_code", again), ("into_code", alice))
    }
    words = {
        "merge_id": "M-000001",
        "from_member": again,
        "into_member": alice,
        "reason": "换手机",
        **shown,
    }
    answers = at_once([lambda: owner.send("members/merge", words)] * 3)
    assert {a["status"] for a in answers} == {200}
    assert len({str(a["data"]) for a in answers}) == 1
    [found] = owner.ask("members/search", member_id=again)["members"]
    assert found["member_id"] == alice  # The old number leads to the person.
    kept = chain.collection("merges").find_one({"_id": "M-000001"})
    assert kept is not None
    assert (kept["actor"], kept["reason"]) == ("owner", "换手机")
    assert person(index, chain, "marketing").browser().refused("members/merge") == "FORBIDDEN"


@pytest.mark.parametrize(
    "typed",
    [
        "K001",
        "till:K001",
        "till：K001",
        " k001 ",
        "Ｋ００１",
        "k001\u200b",
        "\u202eK001\u202c",
        "K 001",
    ],
)
def test_a_member_of_the_till_is_found_as_staff_type_the_number(
    owner: Browser, chain: Database, clock: FakeClock, typed: str
) -> None:
    members = TillMembers(chain, clock, "huitou")
    first = FirstOrder("2026-03-01", clock.now(), None)
    made = chain.transact(lambda session: members.register_till_members({"K001": first}, session))
    [found] = owner.ask("members/search", member_id=typed)["members"]
    assert found["member_id"] == made.ids["K001"]
    assert owner.ask("members/get", member_id=typed)["profile"]["member_id"] == made.ids["K001"]


@pytest.mark.parametrize(
    ("number", "typed"),
    [("13800000009", typed) for typed in ("13800000009", "138 0000 0009", "+86 138-0000-0009",
                                        "１３８００００ ０００９", "0086138\u200b00000009")]
    + [("+85261234567", "00852 6123-4567")],
)  # fmt: skip
def test_a_phone_that_the_till_knew_is_found_in_any_spelling(
    owner: Browser, chain: Database, clock: FakeClock, number: str, typed: str
) -> None:
    members = TillMembers(chain, clock, "huitou")
    first = FirstOrder("2026-03-01", clock.now(), None)
    made = chain.transact(lambda session: members.register_till_members({number: first}, session))
    [found] = owner.ask("members/search", member_id=typed)["members"]
    assert found["member_id"] == made.ids[number]
    asked = FindMembersRequest(phone=typed, limit=10)
    bound = Shop(chain, clock).register("bound")
    for who, ids in ((None, [made.ids[number]]), (bound, [bound, made.ids[number]])):
        seen = Lookups(chain, lambda _: True).find_members(asked, lambda _, who=who: who)
        assert [one.member_id for one in seen.members] == ids


def test_one_person_of_the_staff_cant_take_a_strangers_account(
    index: ModuleType, owner: Browser, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    stranger, own = shop.register("stranger"), shop.register("own")
    shop.give_points(stranger, 1_000)
    area = person(index, chain, "area_manager").browser()
    words = {
        "merge_id": "M-000002",
        "from_member": stranger,
        "into_member": own,
        "reason": "同一人",
    }
    assert area.ask("members/merge", **words)["status"] == "awaiting_approval"
    [waiting] = owner.ask("approvals/merges")["merges"]
    assert (waiting["merge_id"], waiting["actor"]) == ("M-000002", "area-manager")
    decision = {"merge_id": "M-000002", "approve": True}
    assert area.refused("approvals/decide_merge", **decision) == "MERGE_NOT_YOURS"
    assert owner.refused("approvals/decide_merge", **decision) == "MERGE_TOO_EARLY"
    assert shop.account(own)["available"] == 0
    chain.collection("merges").update_one(
        {"_id": "M-000002"}, {"$set": {"not_before": clock.now()}}
    )
    assert owner.ask("approvals/decide_merge", **decision)["status"] == "merged"
    cashier = person(index, chain, "cashier").browser()
    assert cashier.refused("approvals/merges") == "FORBIDDEN"


def test_a_manager_corrects_a_birthday_once_and_the_record_doesnt_say_it(
    index: ModuleType, owner: Browser, chain: Database, clock: FakeClock
) -> None:
    shop = Shop(chain, clock)
    alice = shop.register("alice")
    shop.members.update_profile(alice, UpdateProfileRequest(birthday=date(1990, 6, 1)))
    words = {"member_id": alice, "birthday": "1990-07-01"}
    cashier = person(index, chain, "cashier").browser()
    assert cashier.refused("members/birthday", **words) == "FORBIDDEN"
    manager = person(index, chain, "store_manager").browser()
    assert manager.ask("members/birthday", **words) == {"member_id": alice}
    assert manager.refused("members/birthday", **words | {"birthday": "1990-08-01"}) == (
        "BIRTHDAY_FIXED"
    )
    kept = list(chain.collection("staff_changes").find({"target": f"member {alice}"}))
    assert {change["outcome"] for change in kept} == {"done", "BIRTHDAY_FIXED"}
    assert "1990" not in str([(change.get("before"), change.get("after")) for change in kept])
    assert owner.ask("members/get", member_id=alice)["phone_moves"] == []
