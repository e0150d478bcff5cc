"""Forms for stored models, which the browser draws, in the language of the person."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from desk.english import ENGLISH
from desk.route import Desk
from huitou.runtime.forms import form_schema


def form(desk: Desk, model: type[BaseModel]) -> dict[str, Any]:
    """Return the form of a stored model, in this person's language."""
    return form_schema(model, _english if desk.lang == "en" else str)


def _english(words: str) -> str:
    return ENGLISH.get(words, words)  # A test finds what is missing.
