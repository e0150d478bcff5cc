"""The paths and settings in the READMEs exist, and both languages have the same content."""

from __future__ import annotations

import re

import pytest

from bootstrap import ROOT
from readmes import READMES, TOP, blocks

PAPERS = (*READMES, "layers/DECISIONS.md", "functions/pay/PRICING.md")
MOST_BYTES = 10 * 1024
PLACES = (ROOT, ROOT / "layers" / "core" / "huitou")


def test_both_languages_have_the_same_commands_and_sections_and_are_short() -> None:
    first, second = (blocks(readme) for readme in TOP)
    assert first == second
    assert "scripts/demo\n" in first
    assert "scripts/test\n" in first
    texts = [(ROOT / readme).read_text(encoding="utf-8") for readme in TOP]
    assert len({tuple(re.findall(r"^#+(?= )", text, re.M)) for text in texts}) == 1
    assert max(len(text.encode()) for text in texts) <= MOST_BYTES


@pytest.mark.parametrize("readme_path", PAPERS)
def test_every_path_that_a_readme_names_exists(readme_path: str) -> None:
    text, here = (ROOT / readme_path).read_text(encoding="utf-8"), (ROOT / readme_path).parent
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (here / link).exists(), link
    for path in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|json))(?=[:`])", text):
        assert any((place / path).exists() for place in (*PLACES, here)), path


@pytest.mark.parametrize("paper", PAPERS)
def test_every_name_that_a_readme_points_at_stands_in_its_file(paper: str) -> None:
    """`path.py:name` and `path.py:name, other` lead a reader to a function, class or table."""
    text, here = (ROOT / paper).read_text(encoding="utf-8"), (ROOT / paper).parent
    for path, names in re.findall(r"`([\w./-]+\.py):([^`]+)`", text):
        found = next(place / path for place in (*PLACES, here) if (place / path).exists())
        source = found.read_text(encoding="utf-8")
        for name in re.split(r"[.,]\s*", names):
            stands = rf"^\s*(?:def {name}\b|class {name}\b|{name}\b.* = )"
            assert re.search(stands, source, re.M), f"{path}:{name}"


def test_every_setting_of_the_bundle_is_named_in_a_readme() -> None:
    settings = re.findall(r'"([A-Z][A-Z0-9_]+)": "\{\{', (ROOT / "cloudbaserc.json").read_text())
    text = "".join((ROOT / readme_path).read_text(encoding="utf-8") for readme_path in READMES)
    assert {name for name in settings if f"`{name}`" not in text} == set()
