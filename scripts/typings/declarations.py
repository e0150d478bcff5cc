"""The whole declaration file: interfaces, a table of actions per function, `Cloud`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from huitou.ordering.orders.errors import OrderErrors
from huitou.ordering.orders.quote_models import QuoteAnswer
from huitou.runtime.errors import Code, ErrorCode, all_codes
from huitou.runtime.handler import Action
from huitou.runtime.rates import WaitAnswer
from typings.schemas import Schemas
from typings.tables import Table
from typings.typescript import comment, interface

_HEAD = """\
// Made by `scripts/huitou typings`: make it again after an update, don't edit it.
"""
_ENVELOPE = """\
/** What any request may carry; messages come in Chinese unless `lang` is "en". */
interface Envelope {
  lang?: "zh" | "en";
  v?: 1;
}

/** What the codes that tell something beside their message tell; the others have no `data`. */
interface FailureData {
@DATA@}

/** A call that was refused or failed. `message` can be shown; `code` never changes. */
type Failure = {
  [C in Code]: {
    code: C;
    message: string;
    /** the field at fault, like items.0.quantity */
    field?: string;
    /** names this call in the logs */
    request_id: string;
  } & (C extends keyof FailureData ? { data: FailureData[C] } : { data?: never });
}[Code];

/** What `result` of wx.cloud.callFunction is. */
type Answer<Data> = { ok: true; data: Data } | { ok: false; error: Failure };"""
# Refusals that carry `data`, and its model.
CARRY_DATA: Mapping[ErrorCode, type[BaseModel]] = {
    OrderErrors.QUOTE_CHANGED: QuoteAnswer,
    Code.TOO_MANY_CALLS: WaitAnswer,
}
_LOOKUPS = """\
type @RequestOf<N extends keyof @Functions, A extends keyof @Functions[N]> =
  @Functions[N][A] extends { request: infer Request } ? Request : never;

type @AnswerOf<N extends keyof @Functions, A extends keyof @Functions[N]> =
  @Functions[N][A] extends { answer: infer Data } ? Answer<Data> : never;"""
_CLOUD = """\
/**
 * wx.cloud, as far as it calls Huitou's functions:
 *
 *     const cloud = wx.cloud as unknown as Huitou.Cloud;
 *     const { result } = await cloud.callFunction({
 *       name: "store-menu", data: { action: "menu", store_id: "jingan" },
 *     });
 *     if (result.ok) result.data.dishes;
 */
interface Cloud {
  callFunction<N extends keyof Functions, A extends keyof Functions[N]>(call: {
    name: N;
    data: { action: A } & RequestOf<N, A> & Envelope;
    config?: { env?: string };
  }): Promise<{ result: AnswerOf<N, A>; errMsg: string; requestID?: string }>;
}"""
_INTERNAL_ENVELOPE = """\
/** What an internal call carries: `token` is the called function's own. */
interface InternalEnvelope extends Envelope {
  token: string;
}"""


def declarations(tables: Sequence[Table], *, internal: bool = False) -> str:
    """Return the declaration file of members' actions, and of the `internal` ones as well.

    Raises ModelsDiffer and NoTypeScript.
    """
    schemas = Schemas()
    blocks = _door(schemas, "", [(table, table.member) for table in tables])
    blocks.append(_CLOUD)
    if internal:
        blocks.append(_INTERNAL_ENVELOPE)
        blocks += _door(schemas, "Internal", [(table, table.internal) for table in tables])
    data = {code.name: schemas.answer(model) for code, model in CARRY_DATA.items()}
    envelope = _ENVELOPE.replace(
        "@DATA@", "".join(f"  {code}: {model};\n" for code, model in data.items())
    )
    models = [interface(name, schemas.found[name]) for name in sorted(schemas.found)]
    body = "\n\n".join([*models, _codes(), envelope, *blocks])
    indented = "\n".join(f"  {line}".rstrip() for line in body.splitlines())
    return f"{_HEAD}declare namespace Huitou {{\n{indented}\n}}\n"


def _door(
    schemas: Schemas, door: str, offered: list[tuple[Table, Mapping[str, Action]]]
) -> list[str]:
    """Return one door's declarations: each function's actions and events, then look-up types."""
    blocks, functions = [], []
    for table, actions in offered:
        if not actions:
            continue
        name = "".join(word.capitalize() for word in table.function.split("-")) + door
        kinds = {action: _kinds(schemas, actions[action]) for action in sorted(actions)}
        blocks.append(
            "\n".join(
                [
                    *comment(f"{table.function}: {table.title}"),
                    f"interface {name}Actions {{",
                    *(
                        f"  {action}: {{ request: {request}; answer: {answer} }};"
                        for action, (request, answer) in kinds.items()
                    ),
                    "}",
                ]
            )
        )
        blocks.append(
            "\n".join(
                [
                    f"type {name}Event =",
                    *(
                        f'  | ({{ action: "{action}" }} & {request} & {door}Envelope)'
                        for action, (request, _) in kinds.items()
                    ),
                ]
            )
            + ";"
        )
        functions.append(f'  "{table.function}": {name}Actions;')
    blocks.append("\n".join([f"interface {door}Functions {{", *functions, "}"]))
    return [*blocks, _LOOKUPS.replace("@", door)]


def _kinds(schemas: Schemas, action: Action) -> tuple[str, str]:
    return schemas.request(action.request), schemas.answer(action.answer)


def _codes() -> str:
    lines = [
        f'  | "{code.name}" // {code.chinese} · {code.english}' for code in all_codes().values()
    ]
    return "\n".join(["/** Why a call was refused or failed. */", "type Code =", *lines, "  ;"])
