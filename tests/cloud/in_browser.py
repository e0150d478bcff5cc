"""What tests in a browser share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

Enter = Callable[..., Page]  # A role and its stores: signed in with an account of its own.


def api(page: Page, route: str, **fields: Any) -> dict[str, Any]:
    """Call a route from within the page, as somebody with the developer's tools would."""
    answer: dict[str, Any] = page.evaluate(
        """([route, fields]) => fetch(`/api/${route}`, {method: "POST",
            headers: {"X-Huitou": "1"}, body: JSON.stringify(fields)}).then((a) => a.json())""",
        [route, fields],
    )
    return answer
