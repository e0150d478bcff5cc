"""JSON that an operator writes is refused for the same faults as what others send."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.documents import parse_object, read_document
from cli.invoke import invoke
from cli.price import price
from huitou.loyalty.tiers.models import TierRules

FAULTS = {
    "a key twice": ('{"store_id": "a", "store_id": "b"}', "store_id: stands there twice"),
    "deep": ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "lies more than 32 deep"),
    "NaN": ('{"a": NaN}', "a: is too large a number"),
    "a long number": ('{"a": ' + "1" * 5_000 + "}", "a: is too large a number"),
    "half of a pair": ('{"a": "\\ud800"}', "a: has half of a surrogate pair"),
    "a list": ("[]", "not an object"),
    "no JSON": ('{\n"a"}', "not JSON: line 2"),
    "too long": (" " * 7_000_000, "longer than"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_json_that_an_operator_writes_is_refused_by_name(name: str, tmp_path: Path) -> None:
    text, words = FAULTS[name]
    file = tmp_path / "document.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(click.ClickException, match=words):
        parse_object(text, "JSON")
    with pytest.raises(click.ClickException, match=words):
        read_document(file, TierRules, "rules")
    for command, arguments, code in (
        (invoke, ["pay", text], 2),
        (price, ["quote", str(file), "--as", "alice"], 1),
    ):
        answer = CliRunner().invoke(command, arguments)
        assert answer.exit_code == code
        assert words in answer.output


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cart.json"
    file.write_bytes(b"\xff\xfe")
    answer = CliRunner().invoke(price, ["quote", str(file), "--as", "alice"])
    assert answer.exit_code == 1
    assert "is not UTF-8 text" in answer.output
