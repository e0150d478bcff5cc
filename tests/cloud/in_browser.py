"""Helpers for tests that use a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from browsing.console import visit

WAITS = "老板或督导在“待审批”中同意后"
Enter = Callable[..., Page]  # Takes a role and its stores; signs in with a new account.


def api(page: Page, route: str, **fields: Any) -> dict[str, Any]:
    """Call a route from the page, as a person with the browser's developer tools can."""
    answer: dict[str, Any] = page.evaluate(
        """([route, fields]) => fetch(`/api/${route}`, {method: "POST",
            headers: {"X-Huitou": "1"}, body: JSON.stringify(fields)}).then((a) => a.json())""",
        [route, fields],
    )
    return answer


def approve_rule(page: Page, url: str, name: str) -> None:
    """Approve the rule of this name that waits, as the owner does."""
    visit(page, url, "approvals")
    row = page.get_by_role("row").filter(has_text=name)
    row.get_by_role("button", name="同意").click()
    expect(row).to_have_count(0)
