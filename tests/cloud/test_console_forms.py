"""The console's forms in a browser: a person types, and guests get the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Error, Locator, Page, expect

from answers import CheckedClient
from browsing.console import settle, visit
from cloud.in_browser import WAITS, Enter, api, approve_rule
from cloud_guest import Guest, eventually
from localcloud.cloud import LocalCloud

pytestmark = pytest.mark.slow
GUESTS = 24


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """Run a separate cloud, because these tests move its clock by days."""
    with LocalCloud(Path(tmp_path_factory.mktemp("console-cloud"))) as running:
        yield running


def choose(page: Page, field: Locator, words: str) -> None:
    """Choose the entry with this text from a list."""
    field.click()
    page.locator(".ant-select-item-option", has_text=words).last.click()


def dated(field: Locator, day: str) -> None:
    """Type a day into a field and confirm it."""
    field.fill(day)
    field.press("Enter")


def test_a_campaign_sends_a_coupon_to_guests_away_for_three_days(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guests = [Guest(client, f"away-{n}") for n in range(GUESTS)]
    orders = []
    for guest in guests:
        for purpose in ("marketing", "personalised"):
            guest.ok(
                "member-profile", action="consent", purpose=purpose, given=True, text_version="1"
            )
        orders.append(guest.buy())
    eventually(lambda: {g.status(o) for g, o in zip(guests, orders, strict=True)} == {"paid"}, 30)
    page = enter("marketing")
    _make_coupon(page, cloud.url)
    _start_campaign(page, enter("owner"), cloud.url)
    # Three days later, after the time of day at which the campaign sends.
    cloud.advance(cloud.clock.now() + timedelta(days=3, hours=4))
    kept = list(
        cloud.database.collection("exposures").find({"_id": {"$gt": "away:", "$lt": "away;"}})
    )
    ours = {guest.login["member_id"] for guest in guests}
    messaged = {row["member_id"] for row in kept if row["group"] != "holdout"} & ours
    left_alone = {row["member_id"] for row in kept if row["group"] == "holdout"} & ours
    assert messaged | left_alone == ours
    for guest in guests:
        names = [c["name"] for c in guest.ok("member-profile", action="coupons")["coupons"]]
        is_messaged = guest.login["member_id"] in messaged
        assert ("满30减8 三天没见" in names) == is_messaged
        messages = guest.ok("member-profile", action="inbox")["messages"]
        assert [m["body"] for m in messages] == (
            ["想您了，送您满30减8 三天没见"] if is_messaged else []
        )
    page.reload()
    page.get_by_role("button", name="三天没见了").click()
    drawer = page.get_by_role("dialog", name="活动", exact=True)
    row = drawer.locator("tr[data-row-key=a]")
    expect(row.get_by_role("cell").nth(1)).to_have_text(str(len(messaged)))
    got = drawer.locator("tr", has_text="满30减8 三天没见")
    page_of_20 = sorted(kept, key=lambda exposure: str(exposure["_id"]))[:20]
    expect(got).to_have_count(sum(row["group"] != "holdout" for row in page_of_20))
    # Opens one of the guests from the list.
    got.first.get_by_role("link").click()
    page.get_by_role("tab", name="优惠券").click()
    expect(page.get_by_role("cell", name="满30减8 三天没见")).to_be_visible()
    expect(page.get_by_role("cell", name="可用", exact=True)).to_be_visible()


def _make_coupon(page: Page, url: str) -> None:
    visit(page, url, "coupons")
    page.get_by_role("button", name="新建优惠券").click()
    form = page.get_by_role("dialog", name="新建优惠券")
    form.get_by_label("券代号").fill("away-30-8")
    form.get_by_label("名称", exact=True).fill("满30减8 三天没见")
    form.get_by_role("spinbutton", name="门槛").fill("30")
    form.get_by_role("spinbutton", name="减免金额").fill("8")
    form.get_by_role("button", name="保存").click()
    expect(form.get_by_role("alert")).to_contain_text("有效天数和有效期至少填一项")
    form.get_by_label("有效天数").fill("7")
    expect(form.locator(".coupon")).to_contain_text("¥8")
    expect(form.locator(".coupon")).to_contain_text("满¥30可用")
    expect(form.locator(".coupon")).to_contain_text("领取后 7 天内有效")
    form.get_by_role("button", name="保存").click()
    expect(page.get_by_role("dialog", name="优惠券", exact=True)).to_contain_text("每天核销")
    page.keyboard.press("Escape")


def _start_campaign(page: Page, owner: Page, url: str) -> None:
    """Marketing writes a campaign; the owner approves it, as it may give without an end."""
    visit(page, url, "campaigns")
    page.get_by_role("button", name="新建活动").click()
    form = page.get_by_role("dialog", name="新建活动")
    form.get_by_label("活动代号").fill("away")
    form.get_by_label("名称").fill("三天没见了")
    expect(form.get_by_label("天数")).to_have_count(0)  # Shown only if the trigger has days.
    choose(page, form.get_by_label("触发方式"), "几天没来")
    form.get_by_label("天数").fill("3")
    dated(form.get_by_label("开始日期"), "2026-03-02")
    dated(form.get_by_label("结束日期（含）"), "2026-12-31")
    choose(page, form.get_by_label("券模板"), "满30减8 三天没见")
    form.get_by_label("标题").fill("三天没见")
    form.get_by_label("内容").fill("分享到朋友圈送您{gift}")
    expect(form.get_by_label("对照组比例")).to_have_value("10.00")
    expect(form).to_contain_text(re.compile("约 [0-9]+ 位会员符合"))
    form.get_by_label("内容").fill("想您了，送您{gift}")
    form.get_by_role("button", name="保存").click()
    drawer = page.get_by_role("dialog", name="活动", exact=True)
    drawer.get_by_role("button", name="检查").click()
    expect(drawer.get_by_text("没有发现问题")).to_be_visible()
    drawer.get_by_role("button", name="开始").click()
    expect(drawer.get_by_role("alert").filter(has_text=WAITS)).to_be_visible()
    approve_rule(owner, url, "三天没见了")
    drawer.get_by_role("button", name="开始").click()
    expect(drawer.get_by_text("进行中").first).to_be_visible()


def test_a_linters_finding_is_shown_beside_its_field(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    page = enter("marketing")
    draft: dict[str, Any] = {
        "_id": "at-night",
        "name": "半夜",
        "trigger": {"kind": "daily"},
        "send_at": "02:00",
        "valid_from": "2026-03-02",
        "valid_until": "2026-12-31",
        "variants": [
            {
                "message": {"title": "夜里", "body": "来吧"},
                "gift": {"kind": "coupon", "template_id": "gone"},
            }
        ],
    }
    assert api(page, "campaigns/put", campaign=draft)["ok"]
    visit(page, cloud.url, "campaigns")
    page.get_by_role("button", name="半夜").click()
    page.get_by_role("dialog", name="活动", exact=True).get_by_role("button", name="修改").click()
    form = page.get_by_role("dialog", name="修改活动")
    form.get_by_role("button", name="检查").click()
    beside = form.locator(".ant-form-item", has=page.get_by_label("券模板")).last
    expect(beside).to_contain_text("没有券模板")


def test_a_stored_coupon_that_looks_odd_is_told_beside_it(cloud: LocalCloud, enter: Enter) -> None:
    page = enter("marketing")
    odd = {
        "_id": "odd",
        "name": "奇怪的券",
        "valid_days": 7,
        "claimable": True,
        "transferable": True,
        "terms": {"off_fen": 100},
        "limits": {"quota": 5, "per_member": 1},
    }
    assert api(page, "coupons/put", template=odd)["ok"]
    visit(page, cloud.url, "coupons")
    page.get_by_role("button", name="奇怪的券").click()
    drawer = page.get_by_role("dialog", name="优惠券", exact=True)
    expect(drawer.get_by_role("status")).to_have_count(0)
    drawer.get_by_role("button", name="修改").click()
    page.get_by_role("dialog", name="修改优惠券").get_by_role("button", name="保存").click()
    expect(drawer.get_by_role("status")).to_contain_text("已保存")
    expect(drawer).to_contain_text("可领取又可转赠")


def test_a_draft_of_tiers_is_shown_as_members_read_it(cloud: LocalCloud, enter: Enter) -> None:
    page = enter("owner")
    visit(page, cloud.url, "tiers")
    expect(page.locator(".sentence")).to_have_text("普通 · 再消费 ¥120 升级白银")
    page.get_by_label("消费金额").nth(1).fill("600")
    expect(page.locator(".sentence")).to_have_text("普通 · 再消费 ¥220 升级白银")
    page.get_by_label("消费金额").nth(1).fill("3000")
    page.get_by_role("button", name="试算").click()
    expect(page.get_by_role("alert")).to_contain_text("“黄金”的升级条件必须高于“白银”")


def test_guests_see_changed_hours_and_a_changed_dish(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "hours-guest")
    cart = {
        "store_id": "wujiaochang",
        "items": [{"dish_id": "salad", "sku_id": "one", "quantity": 1}],
    }
    page = enter("owner")
    visit(page, cloud.url, "stores")
    page.get_by_role("button", name="五角场店").click()
    form = page.get_by_role("dialog", name="门店设置")
    for label, at in (("开门", "00:00"), ("关门", "23:59")):
        dated(form.get_by_label(label).first, at)
    form.get_by_role("button", name="保存").click()
    expect(form).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile("五角场店"))).to_contain_text("00:00–23:59")
    visit(page, cloud.url, "dishes")
    page.get_by_role("button", name="鸡胸沙拉").click()
    form = page.get_by_role("dialog", name="菜品", exact=True)
    form.get_by_label("价格").first.fill("31.5")
    form.get_by_role("button", name="保存").click()
    expect(form).to_have_count(0)
    quote = partial(guest.call, "pay", action="quote", **cart)
    eventually(lambda: bool(quote()["ok"]))  # The change is seen within a second.
    eventually(lambda: quote()["data"]["price"]["list_fen"] == 3_150)


def test_codes_are_made_downloaded_and_redeemed(
    cloud: LocalCloud, enter: Enter, client: CheckedClient, tmp_path: Path
) -> None:
    page = enter("marketing")
    visit(page, cloud.url, "coupons")
    page.get_by_role("button", name="欢迎券 满20减5").click()
    drawer = page.get_by_role("dialog", name="优惠券", exact=True)
    drawer.get_by_role("button", name="生成兑换码").click()
    form = page.get_by_role("dialog", name="生成兑换码")
    form.get_by_label("批次").fill("flyer")
    form.get_by_label("数量").fill("30")
    form.get_by_role("button", name="确定").click()
    with page.expect_download() as download:
        drawer.get_by_role("row", name=re.compile("flyer")).get_by_role(
            "button", name="CSV"
        ).click()
    download.value.save_as(tmp_path / "flyer.csv")
    head, *codes = (tmp_path / "flyer.csv").read_text().splitlines()
    assert (head, len(set(codes))) == ("code", 30)
    coupon = Guest(client, "code-guest").ok("member-profile", action="redeem_code", code=codes[7])
    assert coupon["name"] == "欢迎券 满20减5"
    drawer.get_by_role("row", name=re.compile("flyer")).get_by_role("button", name="作废").click()
    expect(drawer.get_by_role("row", name=re.compile("flyer"))).to_contain_text("已作废")
    refused = Guest(client, "late-guest").call(
        "member-profile", action="redeem_code", code=codes[8]
    )
    assert refused["error"]["code"] == "CODE_NOT_VALID"


def test_an_older_coupon_is_changed_without_a_second_limit(cloud: LocalCloud, enter: Enter) -> None:
    page = enter("marketing")
    visit(page, cloud.url, "coupons")
    page.get_by_role("button", name="欢迎券 满20减5").click()
    page.get_by_role("dialog", name="优惠券", exact=True).get_by_role("button", name="修改").click()
    form = page.get_by_role("dialog", name="修改优惠券")
    expect(form.get_by_role("spinbutton", name="每人限次")).to_have_value("1")
    form.get_by_role("spinbutton", name="每人限次").fill("2")
    form.get_by_role("button", name="保存").click()
    expect(form).to_have_count(0)
    kept = cloud.database.collection("coupon_templates").find_one({"_id": "welcome-20-5"})
    assert kept is not None
    assert (kept["limits"]["per_member"], kept.get("per_member_limit")) == (2, None)


def test_a_link_is_offered_only_for_coupons_that_members_may_take(
    cloud: LocalCloud, enter: Enter
) -> None:
    page = enter("marketing")
    coupon = {
        "_id": "for-all",
        "name": "人人有份",
        "valid_days": 3,
        "claimable": True,
        "terms": {"kind": "amount_off", "off_fen": 300},
        "limits": {"quota": 50, "per_member": 1},
    }
    assert api(page, "coupons/put", template=coupon)["ok"]
    visit(page, cloud.url, "coupons")
    page.get_by_role("button", name="人人有份").click()
    drawer = page.get_by_role("dialog", name="优惠券", exact=True)
    expect(drawer).to_contain_text("0 / 50")
    for _ in range(3):  # On a busy machine the function's first start may time out.
        drawer.get_by_role("button", name="生成链接").click()
        with suppress(Error):
            drawer.get_by_text("https://wxaurl.cn/").wait_for(timeout=10_000)
            break
    expect(drawer).to_contain_text("https://wxaurl.cn/")
    expect(drawer).to_contain_text("pages/coupons/index?template_id=for-all")
    refused = api(page, "coupons/claim_link", template_id="welcome-20-5")["error"]
    assert refused["code"] == "NOT_FOUND"


@pytest.mark.filterwarnings("ignore:Workbook contains no default style")
def test_a_click_downloads_a_table_for_excel(
    cloud: LocalCloud, enter: Enter, client: CheckedClient, tmp_path: Path
) -> None:
    guest = Guest(client, "excel-guest")
    order_id = guest.buy(quantity=2)
    eventually(lambda: guest.status(order_id) == "paid")
    page = enter("finance")
    visit(page, cloud.url, "orders")
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="下载 Excel").click()
    assert download.value.suggested_filename.startswith("订单 2026-03-")
    download.value.save_as(tmp_path / "orders.xlsx")
    rows = list(load_workbook(tmp_path / "orders.xlsx").active.iter_rows(values_only=True))
    assert rows[0][:3] == ("取餐号", "时间", "菜品")
    found = cloud.database.collection("orders").find_one({"_id": order_id})
    assert found is not None
    [mine] = [
        row
        for row in rows
        if str(row[0]) in (f"{found['pickup_number']:03d}", str(found["pickup_number"]))
    ]
    assert mine[4] == found["payable_fen"] / 100


def test_a_member_is_tagged_found_by_the_tag_and_erased(
    cloud: LocalCloud, enter: Enter, client: CheckedClient
) -> None:
    guest = Guest(client, "forgotten-guest")
    guest.ok("member-profile", action="bind_phone", code=client.phone_code("13900006688"))
    member_id = guest.login["member_id"]
    page = enter("owner")
    page.goto(f"{cloud.url}/console/#/members/{member_id}")
    page.get_by_role("button", name="标签").click()
    tags = page.get_by_role("dialog", name="标签")
    tags.get_by_label("标签").fill("regular")
    tags.get_by_label("标签").press("Enter")
    tags.get_by_role("button", name="保存").click()
    expect(tags).to_have_count(0)
    visit(page, cloud.url, "members")
    choose(page, page.get_by_label("查询方式"), "标签")
    page.get_by_placeholder("标签，例如").fill("regular")
    page.get_by_role("button", name="查询").click()
    page.get_by_role("main").get_by_role("button", name="会员").click()
    expect(page.get_by_text("6688")).to_be_visible()
    page.get_by_role("button", name="删除会员").click()
    form = page.get_by_role("dialog", name="删除会员")
    form.get_by_role("button", name="删除会员").click()
    expect(form).to_contain_text("请写明原因")
    form.get_by_label("原因").fill("本人来电要求")
    form.get_by_role("button", name="删除会员").click()
    expect(page.get_by_text("已删除")).to_be_visible()
    expect(page.get_by_text("6688")).to_have_count(0)
    expect(page.get_by_role("button", name="调整积分")).to_have_count(0)
    assert Guest(client, "forgotten-guest").login["member_id"] != member_id
    visit(page, cloud.url, "changes")
    expect(page.get_by_role("row").nth(1)).to_contain_text("删除会员")
