"""Use the console in a real browser: sign in as a person does, and open every view."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
from playwright.sync_api import Page

PASSWORD = "a long enough password"  # noqa: S105  # For accounts of local clouds.
# Each view's name, its hash, and the heading that shows when it is loaded.
VIEWS = {
    "home": ("#/", "首页"), "orders": ("#/orders", "订单"), "menu": ("#/menu", "门店菜单"),
    "approvals": ("#/approvals", "待审批"), "members": ("#/members", "会员"),
    "stores": ("#/stores", "门店"), "dishes": ("#/dishes", "菜品"),
    "tiers": ("#/tiers", "等级规则"), "coupons": ("#/coupons", "优惠券"),
    "campaigns": ("#/campaigns", "营销活动"), "staff": ("#/staff", "员工账号"),
    "changes": ("#/changes", "操作记录"),
}  # fmt: skip
# Each form's name, the view that it covers, and the button that opens it.
FORMS = {
    "coupon-form": ("coupons", "新建优惠券"), "campaign-form": ("campaigns", "新建活动"),
    "dish-form": ("dishes", "新建菜品"), "store-form": ("stores", "静安寺店"),
    "staff-form": ("staff", "新增账号"),
}  # fmt: skip
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
STEP_S = 30
STANDS_STILL = """() => document.getAnimations().every(
    (one) => one.playState !== "running" || one.effect.getTiming().iterations === Infinity)"""


@dataclass
class Person:
    """A person with an account, and the phone that shows one-time codes."""

    staff_id: str
    password: str
    uri: str
    _used: int = field(default=0)

    @staticmethod
    def of(secrets: dict[str, Any]) -> Person:
        """Build the person from the answer that opened the account."""
        return Person(secrets["staff_id"], secrets["password"], secrets["uri"])

    def code(self) -> str:
        """Return a code that wasn't used yet: the present one, or the next one."""
        seed = parse_qs(urlsplit(self.uri).query)["secret"][0]
        self._used = max(self._used + 1, int(time.time() // STEP_S))
        return pyotp.TOTP(seed).at(self._used * STEP_S)

    def sign_in(self, page: Page, url: str) -> None:
        """Sign in; the first time, choose a new password."""
        page.goto(f"{url}/console/")
        page.get_by_label("登录名").fill(self.staff_id)
        page.get_by_label("密码").fill(self.password)
        page.get_by_label("动态码").fill(self.code())
        page.get_by_role("button", name="登录").click()
        if self.password != PASSWORD:
            page.get_by_label("现在的密码").fill(self.password)
            page.get_by_label("新密码").fill(PASSWORD)
            page.get_by_role("button", name="保存").click()
            self.password = PASSWORD
        page.get_by_role("button", name="退出登录").wait_for()


def settle(page: Page) -> None:
    """Wait until no request is open and nothing on the page moves."""
    page.wait_for_load_state("networkidle")
    page.locator(".ant-spin-spinning").first.wait_for(state="detached")
    page.wait_for_function(STANDS_STILL)


def visit(page: Page, url: str, view: str) -> None:
    """Open a view and wait until it is complete."""
    place, heading = VIEWS[view]
    page.goto(f"{url}/console/{place}")
    page.get_by_role("heading", name=heading, exact=True).wait_for()
    settle(page)


def open_form(page: Page, url: str, form: str) -> None:
    """Open a form over its view and wait until it is complete."""
    view, button = FORMS[form]
    page.goto("about:blank")  # Another form may be open over the same view.
    visit(page, url, view)
    page.get_by_role("main").get_by_role("button", name=button).click()
    page.get_by_role("dialog").get_by_role("textbox").first.wait_for()
    settle(page)


def screenshots(
    page: Page, url: str, out: Path, names: Collection[str] = (*VIEWS, *FORMS)
) -> Iterator[Path]:
    """Write a picture of each named view and form in each size; the page must be signed in.

    The view or form is still open when its path is yielded.
    """
    out.mkdir(parents=True, exist_ok=True)
    for size, measures in SIZES.items():
        page.set_viewport_size({"width": measures["width"], "height": measures["height"]})
        for view in (name for name in VIEWS if name in names):
            visit(page, url, view)
            path = out / f"{view}-{size}.png"
            page.screenshot(path=path, full_page=True)
            yield path
        for form in (name for name in FORMS if name in names):
            open_form(page, url, form)
            path = out / f"{form}-{size}.png"
            page.screenshot(path=path)
            yield path
