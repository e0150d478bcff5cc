"""Staff use the console in a real browser, on the local cloud with real data."""

from __future__ import annotations

import gzip
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from answers import CheckedClient
from bootstrap import ROOT
from browsing.browser import axe_source
from browsing.console import FORMS, SIZES, VIEWS, open_form, screenshots, settle, visit
from cloud.in_browser import WAITS, Enter, api, approve_rule
from cloud_guest import Guest, eventually
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow
DRAFTS = ROOT / "scripts" / "simulation" / "drafts"
MOST_BYTES = 450 * 1024  # Compressed, for a first visit to a route.


def _record_body(bodies: list[Response], answer: Response) -> None:
    bodies.append(answer)


def _tier_counts_all(guest: Guest, missing_fen: int) -> bool:
    """Tell whether a guest's tier counts all that the guest has spent."""
    tier = guest.ok("member-profile", action="profile")["tier"]
    return bool(tier["name"] == "白银" or tier["next"].get("missing_fen") == missing_fen)


def silver(page: Page) -> Any:
    """Return the field with the spend that silver, the second level, requires."""
    return page.get_by_label("消费金额").nth(1)


def test_silver_is_raised_after_a_dry_run_and_a_guests_tier_follows(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "silver-guest")
    guest.ok("member-profile", action="profile")
    owner, second = enter("owner"), enter("owner")
    for page in (owner, second):
        visit(page, cloud.url, "tiers")
        page.get_by_label("消费金额").nth(1).wait_for()
    said = owner.get_by_text(re.compile("^现行第 [0-9]+ 版$")).inner_text()
    before = int(re.findall("[0-9]+", said)[0])
    was = int(float(silver(owner).input_value()))  # Yuan; ¥500 in the sample chain.
    dearer = was + 100
    silver(owner).fill(str(dearer))
    owner.get_by_role("button", name="试算").click()
    owner.get_by_text("位会员").wait_for()
    owner.get_by_role("button", name="应用").click()
    owner.get_by_text(f"现行第 {before + 1} 版", exact=True).wait_for()
    expect(silver(owner)).to_have_value(f"{dearer}.00")
    kept = cloud.database.collection("rules").find_one({"_id": "tiers"})
    assert kept is not None
    assert kept["levels"][1]["spend_fen"] == dearer * 100
    # A person who still sees the old rules is told, and their change isn't stored.
    silver(second).fill(str(dearer + 100))
    second.get_by_role("button", name="试算").click()
    second.get_by_role("button", name="应用").click()
    expect(second.get_by_role("alert")).to_contain_text("有人刚刚改过")
    orders, spent = cloud.database.collection("orders"), 0
    while spent < dearer * 100:  # Above the old threshold of silver, and still not silver.
        assert guest.ok("member-profile", action="profile")["tier"]["next"]["name"] == "白银"
        order = orders.find_one({"_id": guest.buy(quantity=12)})
        assert order is not None
        spent += order["payable_fen"]
        eventually(partial(_tier_counts_all, guest, dearer * 100 - spent))
    assert guest.ok("member-profile", action="profile")["tier"]["name"] == "白银"
    # To go back, the earlier revision is filled in, tried, and applied as a later revision.
    owner.get_by_role("button", name="恢复为此版本").first.click()
    expect(silver(owner)).to_have_value(f"{was}.00")
    owner.get_by_role("button", name="试算").click()
    owner.get_by_role("button", name="应用").click()
    # It is easier to become silver again, so a second person decides.
    expect(owner.get_by_role("alert").filter(has_text=WAITS)).to_be_visible()
    approve_rule(second, cloud.url, "等级规则")
    owner.get_by_role("button", name="应用").click()
    owner.get_by_text(f"现行第 {before + 2} 版", exact=True).wait_for()


def test_a_forbidden_campaign_is_refused_with_the_rule_and_an_allowed_one_runs(
    cloud: LocalCloud, enter: Enter
) -> None:
    page = enter("marketing")
    for name in ("share-for-points", "day-3"):
        draft = json.loads((DRAFTS / f"{name}.json").read_text(encoding="utf-8"))
        draft |= {"_id": f"page-{name}", "holdout_bp": 1_000}
        assert api(page, "campaigns/put", campaign=draft)["ok"]
    visit(page, cloud.url, "campaigns")
    rows = page.get_by_role("row").filter(has_text="草稿")
    forbidden = json.loads((DRAFTS / "share-for-points.json").read_text(encoding="utf-8"))["name"]
    rows.filter(has_text=forbidden).get_by_role("button").click()
    drawer = page.get_by_role("dialog", name="活动")
    drawer.get_by_role("button", name="检查").click()
    expect(drawer.get_by_text("不允许").first).to_be_visible()
    expect(drawer).to_contain_text("微信小程序平台运营规范：诱导分享")
    expect(drawer.get_by_role("button", name="开始")).to_have_count(0)
    assert not api(page, "campaigns/start", campaign_id="page-share-for-points")["ok"]
    page.keyboard.press("Escape")
    allowed = json.loads((DRAFTS / "day-3.json").read_text(encoding="utf-8"))["name"]
    rows.filter(has_text=allowed).get_by_role("button").click()
    drawer.get_by_role("button", name="检查").click()
    expect(drawer.get_by_text("没有发现问题")).to_be_visible()
    drawer.get_by_role("button", name="开始").click()
    expect(drawer.get_by_role("alert").filter(has_text=WAITS)).to_be_visible()
    approve_rule(enter("owner"), cloud.url, allowed)
    drawer.get_by_role("button", name="开始").click()
    expect(drawer.get_by_text("进行中").first).to_be_visible()
    drawer.get_by_role("button", name="结束").click()
    page.get_by_role("textbox", name="原因").fill("试完了")
    page.get_by_role("button", name="确定").click()
    expect(drawer.get_by_text("已结束").first).to_be_visible()
    expect(drawer).to_contain_text("试完了")


def test_a_cashier_sees_no_campaigns_and_the_api_refuses_them(
    cloud: LocalCloud, enter: Enter
) -> None:
    page = enter("cashier", "jingan")
    expect(page.get_by_role("heading", name="订单")).to_be_visible()  # A cashier's first page.
    menu = page.get_by_role("navigation")
    expect(menu.get_by_role("link", name="会员")).to_be_visible()
    for word in ("营销活动", "优惠券", "等级规则", "员工账号", "操作记录"):
        expect(menu.get_by_role("link", name=word)).to_have_count(0)
    page.goto(f"{cloud.url}/console/#/campaigns")
    expect(page.get_by_text("没有这个页面，或您没有权限")).to_be_visible()
    for route in ("campaigns/list", "campaigns/start", "tiers/apply", "staff/list"):
        assert api(page, route)["error"]["code"] == "FORBIDDEN"


def test_a_store_manager_refunds_a_line_only_in_their_own_store(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "refund-guest")
    here, there = guest.buy(quantity=2), guest.buy(store_id="xujiahui")
    eventually(lambda: {guest.status(here), guest.status(there)} == {"paid"})
    page = enter("store_manager", "jingan")
    assert api(page, "orders/get", order_id=there)["error"]["code"] == "NOT_FOUND"
    visit(page, cloud.url, "orders")
    found = cloud.database.collection("orders").find_one({"_id": here})
    assert found is not None
    number = f"{found['pickup_number']:03d}"
    page.get_by_role("combobox", name="门店").click()
    expect(page.locator(".ant-select-item-option")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=f"订单 {number}").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("已按当时的规则重新计算，金额一致")
    drawer.get_by_role("button", name="退款").click()
    form = page.get_by_role("dialog").last
    form.get_by_role("spinbutton").first.fill("1")
    form.get_by_role("button", name="退款").click()
    expect(form).to_contain_text("请写明原因")
    form.get_by_label("原因").fill("少一碗")
    form.get_by_role("button", name="退款").click()
    eventually(lambda: guest.ok("pay", action="status", order_id=here).get("refund_status"))
    changes = cloud.database.collection("staff_changes")
    about = {"target": f"order {here}", "route": "orders/refund", "role": "store_manager"}
    eventually(lambda: (changes.find_one(about) or {}).get("outcome") == "done")


def test_a_cashier_marks_a_dish_sold_out_and_guests_see_it(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "sold-out-guest")
    page = enter("cashier", "jingan")
    visit(page, cloud.url, "menu")
    cart = {"store_id": "jingan", "items": [{"dish_id": "milk-tea", "sku_id": "m", "quantity": 1}]}
    dish = cloud.database.collection("dishes").find_one({"_id": "milk-tea"})
    assert dish is not None
    switch = page.get_by_role("switch", name=f"{dish['name']} 估清")
    expect(page.get_by_role("button", name="暂停接单")).to_have_count(0)  # Only for managers.
    try:
        switch.click()
        expect(switch).to_be_checked()
        refused = guest.call("pay", action="quote", **cart)["error"]
        assert refused["code"] == "DISH_SOLD_OUT"
    finally:
        switch.click()
    expect(switch).not_to_be_checked()
    assert guest.ok("pay", action="quote", **cart)["payable_fen"] > 0


def test_a_refund_above_the_cashiers_limit_waits_for_the_manager(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "approval-guest")
    order_id = guest.buy(quantity=12)
    eventually(lambda: guest.status(order_id) == "paid")
    cashier, manager = enter("cashier", "jingan"), enter("store_manager", "jingan")
    asked = api(cashier, "orders/refund", order_id=order_id, refund_id="Rapproval", reason="送错了")
    assert asked["data"]["status"] == "awaiting_approval"
    assert api(cashier, "approvals/refunds")["error"]["code"] == "FORBIDDEN"
    visit(manager, cloud.url, "approvals")
    row = manager.get_by_role("row").filter(has_text="送错了")
    row.get_by_role("button", name="同意").click()
    expect(row).to_have_count(0)
    eventually(lambda: guest.status(order_id) == "refunded")


def test_a_members_history_adds_up(cloud: LocalCloud, enter: Enter, client: CheckedClient) -> None:
    guest = Guest(client, "story-guest")
    guest.ok("member-profile", action="bind_phone", code=client.phone_code("13900005577"))
    guest.buy()
    eventually(lambda: guest.points() > 0)
    page = enter("owner")
    visit(page, cloud.url, "members")
    page.get_by_placeholder("完整手机号").fill("139 0000 5577")
    page.get_by_role("button", name="查询").click()
    page.get_by_role("main").get_by_role("button", name="会员").click()
    expect(page.get_by_text("5577")).to_be_visible()
    page.get_by_role("button", name="调整积分").click()
    form = page.get_by_role("dialog")
    form.get_by_label("积分").fill("30")
    form.get_by_label("原因").fill("上错菜")
    form.get_by_role("button", name="确定").click()
    expect(form).to_have_count(0)
    settle(page)
    rows = page.locator("tbody tr.ant-table-row").all_inner_texts()
    cells = [re.split(r"\t|\n", row.strip()) for row in rows]
    points = [int(row[-2].replace(",", "")) for row in cells]
    balances = [int(row[-1].replace(",", "")) for row in cells]
    assert 30 in points
    assert balances[0] == sum(points) == guest.points()
    page.get_by_role("tab", name="订单").click()
    page.get_by_role("tabpanel").get_by_role("button", name=re.compile("^2026-")).first.click()
    expect(page.get_by_role("dialog", name="订单")).to_contain_text(
        "已按当时的规则重新计算，金额一致"
    )


def test_every_view_and_form_shows_in_both_sizes_without_a_fault(
    cloud: LocalCloud, enter: Enter, tmp_path: Path
) -> None:
    page = enter("owner")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    written, serious = [], []
    for path in screenshots(page, cloud.url, tmp_path):
        written.append(path)
        page.evaluate(axe_source())
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious += [
            (path.stem, fault["id"], [node["html"][:160] for node in fault["nodes"]][:3])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
    assert serious == [], json.dumps(serious, ensure_ascii=False, indent=1)
    open_form(page, cloud.url, "campaign-form")
    form = page.get_by_role("dialog", name="新建活动")
    expect(form.get_by_label("触发方式")).to_be_visible()
    expect(form).not_to_contain_text("Unsupported")
    assert len(written) == (len(VIEWS) + len(FORMS)) * len(SIZES)
    assert all(path.stat().st_size > 10_000 for path in written)
    assert errors == []


def test_a_click_changes_the_console_to_english(cloud: LocalCloud, enter: Enter) -> None:
    page = enter("owner")
    page.get_by_role("button", name="English").click()
    for word in (
        "Orders",
        "To decide",
        "Store menu",
        "Stores",
        "Dishes",
        "Members",
        "Tiers",
        "Coupons",
        "Campaigns",
        "Staff",
        "Changes",
    ):
        page.get_by_role("link", name=word, exact=True).click()
        expect(page.get_by_role("heading", name=word).first).to_be_visible()
        settle(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    # Forms change too, although their texts come from the models, in Chinese.
    page.get_by_role("link", name="Coupons", exact=True).click()
    page.get_by_role("button", name="New coupon").click()
    form = page.get_by_role("dialog", name="New coupon")
    form.get_by_role("checkbox", name="Show all settings").check()
    expect(form.get_by_label("Keeps others off")).to_be_visible()
    settle(page)
    assert not re.search("[\u4e00-\u9fff]", form.inner_text())


def test_a_first_visit_is_small(cloud: LocalCloud, enter: Enter, chromium: Browser) -> None:
    kept = enter("owner").context.storage_state()
    sizes: dict[str, int] = {}
    for view, (place, _) in VIEWS.items():
        context = chromium.new_context(storage_state=kept)
        page = context.new_page()
        bodies: list[Response] = []
        page.on("response", partial(_record_body, bodies))
        page.goto(f"{cloud.url}/console/{place}")
        settle(page)
        pages = [answer for answer in bodies if "/console/" in answer.url]
        sizes[view] = sum(len(gzip.compress(answer.body())) for answer in pages)
        context.close()
    assert max(sizes.values()) <= MOST_BYTES, sizes
