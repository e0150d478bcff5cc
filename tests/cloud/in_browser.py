"""Helpers for tests that use a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

Enter = Callable[..., Page]  # Takes a role and its stores; signs in with a new account.


def api(page: Page, route: str, **fields: Any) -> dict[str, Any]:
    """Call a route from the page, as a person with the browser's developer tools can."""
    answer: dict[str, Any] = page.evaluate(
        """([route, fields]) => fetch(`/api/${route}`, {method: "POST",
            headers: {"X-Huitou": "1"}, body: JSON.stringify(fields)}).then((a) => a.json())""",
        [route, fields],
    )
    return answer
