"""What the READMEs tell a mini-program's author to write compiles, under WeChat's own typings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bootstrap import ROOT
from cloud.wechat_typings import faults
from typings.declarations import CARRY_DATA, declarations
from typings.tables import read_tables

pytestmark = pytest.mark.slow
# The READMEs' `call` is JavaScript; this is its type.
CALL = """
declare function call<N extends keyof Huitou.Functions, A extends keyof Huitou.Functions[N]>(
  name: N, data: { action: A } & Huitou.RequestOf<N, A> & Huitou.Envelope,
): Promise<Huitou.Functions[N][A] extends { answer: infer Data } ? Data : never>;
"""
# What the author has besides.
OWN = """
declare const order_id: string;
declare function render(status: string): void;
declare function login(): void;
"""
CREATE = """
const cloud = wx.cloud as unknown as Huitou.Cloud;
const { result } = await cloud.callFunction({ name: "pay", data: {
  action: "create", store_id: "s", items: [], quote_id: "q", payable_fen: 1,
} });
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini-program's folder with our typings in it."""
    made = tmp_path_factory.mktemp("mini-program")
    (made / "huitou.d.ts").write_text(declarations(read_tables()), encoding="utf-8")
    return made


def block(readme: str, language: str) -> str:
    text = (ROOT / readme).read_text(encoding="utf-8")
    [found] = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return str(found)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_taking_money_in_ten_lines_compiles(folder: Path, readme: str) -> None:
    source = block(readme, "js")
    lines = source[source.index("const cart") :]
    assert "wx.requestPayment(payment)" in lines
    assert faults(folder, pay=CALL + lines + "export {};") == []


def test_the_typed_call_compiles_and_a_wrong_one_does_not(folder: Path) -> None:
    source = OWN + block("scripts/README.md", "ts")
    assert faults(folder, status=source) == []
    for right, wrong in {
        '"status"': '"state"',
        '"pay"': '"pays"',
        ", order_id }": ", order: 1 }",
        "NOT_REGISTERED": "NOT_THERE",
    }.items():
        assert right in source
        assert faults(folder, wrong=source.replace(right, wrong))


def test_what_a_refusal_tells_beside_is_known_by_its_code(folder: Path) -> None:
    told = 'if (!result.ok && result.error.code === "QUOTE_CHANGED") '
    right = CREATE + told + "{ const fen: number = result.error.data.payable_fen; }"
    assert faults(folder, right=right) == []
    for wrong in (
        CREATE + told.replace("QUOTE_CHANGED", "STORE_CLOSED") + "result.error.data.payable_fen;",
        CREATE + "if (!result.ok) result.error.data.payable_fen;",
    ):
        assert faults(folder, wrong=wrong)


def test_why_an_offer_is_not_used_is_one_of_known_codes(folder: Path) -> None:
    told = "if (result.ok) for (const one of result.data.price.not_used) "
    right = CREATE.replace('"create"', '"quote"').replace(', quote_id: "q", payable_fen: 1', "")
    assert faults(folder, right=right + told + 'if (one.code === "short") one.fen;') == []
    assert faults(folder, wrong=right + told + 'if (one.code === "shorts") one.fen;')


def test_every_refusal_that_carries_data_has_its_type() -> None:
    carrying = set()
    for path in (*ROOT.glob("layers/core/**/*.py"), *ROOT.glob("functions/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Refusal"):
                continue
            if any(keyword.arg == "data" for keyword in node.keywords):
                carrying.add(ast.unparse(node.args[0]).rpartition(".")[2])
    assert carrying == {code.name for code in CARRY_DATA}
