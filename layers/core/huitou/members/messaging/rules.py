"""How a message fills the fields of a subscription template, and what WeChat's answers mean."""

from __future__ import annotations

from huitou.members.messaging.models import FIELD_LENGTHS, PushTemplate

CONSENT_GONE = 43101  # The guest has not agreed, or has received all messages they agreed to.
# With these errors, the next member's message would fail, too: try again later.
BUSY = frozenset((-1, 45009, 45047))
_FREE_TEXT = ("thing", "name", "phrase")


def field_values(
    template: PushTemplate, *, title: str, body: str, gift: str, until: str, brand: str
) -> dict[str, str]:
    """Return what each field of the template shows."""
    sources = {"title": title, "body": body, "gift": gift, "until": until, "brand": brand}
    return {field.key: sources[field.source] for field in template.fields}


def fitted(values: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the fields in WeChat's form; free text that is too long is cut and ends in "…"."""
    data = {}
    for key, value in values.items():
        kind = key.rstrip("0123456789")
        most = FIELD_LENGTHS[kind]
        if len(value) > most and kind in _FREE_TEXT:
            value = value[: most - 1] + "…"
        data[key] = {"value": value}
    return data
