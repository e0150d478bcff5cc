"""The TypeScript declarations parse, and describe the real requests and answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import tree_sitter_typescript
from click.testing import CliRunner
from pydantic import BaseModel, Field, ValidationError
from tree_sitter import Language, Node, Parser

from answers import check
from bootstrap import ROOT
from cli.__main__ import main
from huitou.runtime.documents import Answer, Record, Request
from huitou.runtime.errors import all_codes
from huitou.runtime.handler import Action
from typings.declarations import declarations
from typings.schemas import ModelsDiffer, Schemas
from typings.tables import Table, read_tables
from typings.typescript import NoTypeScript, interface

PARSER = Parser(Language(tree_sitter_typescript.language_typescript()))
OF_TYPESCRIPT = {"Record", "Partial", "Promise"}


# Made at the first use: making them takes seconds, and every test run imports this file.
@cache
def tables() -> list[Table]:
    return read_tables()


@cache
def declared_types(*, internal: bool) -> str:
    """Return the declarations for members; with `internal`, also those for internal callers."""
    return declarations(tables(), internal=internal)


def text(node: Node | None) -> str:
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def nodes(source: str, kind: str) -> list[Node]:
    """Return every node of a kind; fails if the source is not TypeScript."""
    waiting, found = [PARSER.parse(source.encode()).root_node], []
    assert not waiting[0].has_error, "does not parse"
    while waiting:
        node = waiting.pop()
        waiting += node.children
        found += [node] if node.type == kind else []
    return found


def fields(source: str) -> dict[str, dict[str, tuple[bool, str]]]:
    """Return each interface's fields: whether the field is required, and its type."""
    return {
        text(declared.child_by_field_name("name")): {
            text(field.child_by_field_name("name")).strip('"'): (
                all(child.type != "?" for child in field.children),
                text(field.child_by_field_name("type")).removeprefix(": "),
            )
            for body in [declared.child_by_field_name("body")]
            if body is not None
            for field in body.children
            if field.type == "property_signature"
        }
        for declared in nodes(source, "interface_declaration")
    }


@pytest.mark.parametrize("internal", [False, True], ids=["members", "internal"])
def test_the_declarations_parse_and_every_type_is_declared(internal: bool) -> None:
    source = declared_types(internal=internal)
    declared = [
        text(node.child_by_field_name("name"))
        for kind in ("interface_declaration", "type_alias_declaration")
        for node in nodes(source, kind)
    ]
    assert len(declared) == len(set(declared))
    parameters = {text(n.child_by_field_name("name")) for n in nodes(source, "type_parameter")}
    inferred = {text(n.children[1]) for n in nodes(source, "infer_type")}
    inferred |= {text(n.child_by_field_name("name")) for n in nodes(source, "mapped_type_clause")}
    named = {text(node) for node in nodes(source, "type_identifier")}
    assert named <= {*declared, *parameters, *inferred} | OF_TYPESCRIPT


def test_every_function_and_action_is_declared_under_its_door() -> None:
    for internal, doors in ((False, [""]), (True, ["", "Internal"])):
        source = declared_types(internal=internal)
        found = fields(source)
        assert ("InternalFunctions" in found) == ("Internal" in doors)
        for door in doors:
            offered = {t.function: t.internal if door else t.member for t in tables()}
            listed = found[f"{door}Functions"]
            assert set(listed) == {name for name, actions in offered.items() if actions}
            for function, (_, table) in listed.items():
                for action, entry in offered[function].items():
                    _, kinds = found[table][action]
                    answer = entry.answer.__name__
                    assert kinds == f"{{ request: {entry.request.__name__}; answer: {answer} }}"
                    event = (
                        f'({{ action: "{action}" }} & {entry.request.__name__} & {door}Envelope)'
                    )
                    assert event in source
                assert set(found[table]) == set(offered[function])


def test_members_get_only_what_the_security_rules_open() -> None:
    rules = json.loads((ROOT / "cloudbaserc.json").read_text())["securityRules"]["function"]
    opened = {name for name, rule in rules.items() if rule["invoke"] is not False}
    assert set(fields(declared_types(internal=False))["Functions"]) == opened
    assert "interface RefundRequest" not in declared_types(internal=False)
    assert "RedeemTokenRequest" not in declared_types(internal=False)
    assert "internal_token" not in declared_types(internal=False)


def test_a_request_field_is_optional_if_the_model_has_a_default() -> None:
    found = fields(declared_types(internal=True))
    models = {a.request for t in tables() for a in (*t.member.values(), *t.internal.values())}
    for model in models:
        required = {(f.alias or name): f.is_required() for name, f in model.model_fields.items()}
        assert {name: must for name, (must, _) in found[model.__name__].items()} == required
    assert found["CreateRequest"] == {
        "store_id": (True, "string"),
        "items": (True, "CartItem[]"),
        "mode": (False, '"dine_in" | "pickup" | "delivery" | "booking"'),
        "table": (False, "string | null"),
        "pickup_at": (False, "string | null"),
        "delivery": (False, "Delivery | null"),
        "coupon_id": (False, "string | null"),
        "points": (False, "number"),
        "coupons": (False, '"named" | "best"'),
        "coupon_ids": (False, "string[]"),
        "quote_id": (True, "string"),
        "payable_fen": (True, "number"),
    }
    assert found["StoreInput"]["hours"] == (True, "OpeningHoursInput[]")


def test_an_answer_field_is_required_unless_its_default_is_none() -> None:
    found = fields(declared_types(internal=True))
    assert found["ShownTier"]["next"] == (False, "NextLevel")
    assert found["OrderAnswer"]["paid_at"] == (False, "string")
    assert found["ShownCoupon"]["order_id"] == (True, "string | null")
    assert found["Terms"]["store_ids"] == (True, "string[]")  # In a request it is optional.
    assert found["TermsInput"]["store_ids"] == (False, "string[]")
    assert found["ReportAnswer"]["by_channel"] == (
        True,
        'Partial<Record<"mini_program" | "import", OrderFigures>>',
    )


def test_every_interface_has_a_description_and_money_has_a_unit() -> None:
    lines = declared_types(internal=True).splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  interface ") and "Functions {" not in line:
            assert lines[number - 1].endswith("*/"), line
        if "_fen" in line and line.endswith(": number;"):
            assert "fen" in lines[number - 1], line


def test_the_declarations_list_every_error_code() -> None:
    for code in all_codes().values():
        assert f'| "{code.name}" // {code.chinese}' in declared_types(internal=False)


def test_the_same_models_give_the_same_bytes() -> None:
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "cli", "typings", "--internal"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode() == declared_types(internal=True)


def test_the_command_writes_the_file_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "typings" / "huitou.d.ts"
    assert CliRunner().invoke(main, ["typings", "--out", str(path)]).exit_code == 0
    assert path.read_text(encoding="utf-8") == declared_types(internal=False)


def test_two_models_with_the_same_name_are_refused() -> None:
    class Page(Answer):
        """One."""

        rows: int

    first = Page

    class Page(Answer):  # type: ignore[no-redef]
        """Another."""

        rows: str

    schemas = Schemas()
    schemas.answer(first)
    schemas.answer(first)
    with pytest.raises(ModelsDiffer, match="two models are called Page"):
        schemas.answer(Page)


def test_an_unknown_schema_type_is_refused_and_comments_stay_comments() -> None:
    with pytest.raises(NoTypeScript):
        interface("Odd", {"properties": {"pair": {"type": "array", "prefixItems": []}}})
    odd = interface("Odd", {"description": "a */ b", "properties": {"a-b": {"type": "string"}}})
    assert fields(odd) == {"Odd": {"a-b": (False, "string")}}


class Part(Record):
    """Part of an answer, from a stored document."""

    name: str = ""
    note: str | None = None


class Whole(Answer):
    """An answer with every kind of field."""

    at: datetime
    kind: Literal["a", "b"]
    parts: list[Part]
    by_name: dict[str, Part] = Field(default={})
    seen: bool | None


ASKED = Action(Request, lambda *_: None, Whole)
GOOD: dict[str, Any] = {
    "at": "2026-03-02T04:00:00Z", "kind": "a", "parts": [{"name": "x"}], "by_name": {},
    "seen": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"kind": "c"},
        {"at": 5},
        {"parts": [{"name": "x", "more": 1}]},
        {"parts": [{"name": 1}]},
        {"parts": [{}]},
        {"by_name": {"x": {"name": "x", "note": None}}},
    ],
    ids=str,
)
def test_an_answer_that_differs_from_its_model_is_found(change: dict[str, Any]) -> None:
    check(ASKED, GOOD)
    with pytest.raises((AssertionError, ValidationError)):
        check(ASKED, GOOD | change)


@pytest.mark.parametrize("name", GOOD)
def test_an_answer_that_lacks_a_field_is_found(name: str) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        check(ASKED, {key: value for key, value in GOOD.items() if key != name})


def test_every_answer_model_is_defined_in_the_layer() -> None:
    for table in tables():
        for action in (*table.member.values(), *table.internal.values()):
            model = action.answer
            assert issubclass(model, BaseModel)
            assert model.__module__.startswith("huitou.")
            assert model.__module__.endswith("models")


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_example_of_paying_is_short_and_calls_real_actions(readme: str) -> None:
    """The READMEs' JavaScript parses, and each call has the fields that its action requires."""
    [source] = re.findall(r"```js\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.S)
    calls = re.findall(r"call\('([a-z-]+)', \{ action: '(\w+)'", source)
    assert [action for _, action in calls] == ["quote", "create", "prepay", "status"]
    members = {table.function: table.member for table in tables()}
    assert all(action in members[function] for function, action in calls)
    assert nodes(source, "await_expression")
    main_part = source[source.index("const cart") :].strip().splitlines()
    assert len(main_part) <= 10
