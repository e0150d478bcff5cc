"""The calls in each function's README work in their order on a fresh local cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from answers import CheckedClient
from cloud.test_loop import eventually
from function_readmes import examples
from localcloud.cloud import LocalCloud
from simulation.play import FIRST_DAY, load
from typings.tables import read_tables

pytestmark = pytest.mark.slow
FUNCTIONS = [table.function for table in read_tables() if table.member or table.internal]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """Run a fresh local cloud with the sample chain at noon, as the READMEs assume."""
    with LocalCloud(Path(tmp_path_factory.mktemp("cloud"))) as cloud:
        client = CheckedClient(cloud.url, cloud.vendor_url, cloud.data)
        cloud.set_clock(FIRST_DAY.replace(hour=12), stands=True)
        load(client)
        yield client


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_example_works_as_printed(fresh: CheckedClient, function: str) -> None:
    """Each README gets its own members, also if two READMEs use the same name."""
    known: dict[str, Any] = {}
    for example in examples(function):
        openid = f"{example.who}@{function}"
        if example.event is None:
            pay(fresh, openid, known[example.text.split()[3].removeprefix("$")])
            continue
        event = filled_in(example.event, known)
        if example.who == "internal":
            answer = fresh.internal_call(example.function, event)
        else:
            answer = fresh.member_call(example.function, openid, event)
        code = None if answer["ok"] else answer["error"]["code"]
        assert code == example.refusal, (example.text, answer)
        fields = values(answer.get("data"))
        known |= {**fields, example.who: {**known.get(example.who, {}), **fields}}


def pay(client: CheckedClient, openid: str, order_id: str) -> None:
    """Pay as `phone pay` does, and wait only for WeChat Pay's notice."""
    order = {"order_id": order_id}
    prepaid = client.member_call("pay", openid, {"action": "prepay", **order})["data"]
    assert client.pay(openid, prepaid["payment"])["trade_state"] == "SUCCESS"

    def is_paid() -> bool:
        answer = client.member_call("pay", openid, {"action": "status", **order})
        return bool(answer["data"]["status"] == "paid")

    eventually(is_paid)


def filled_in(value: Any, known: dict[str, Any]) -> Any:
    """Replace `$name`, `$bob.name`, `$list.0` and `${name}` by values of earlier answers."""
    if isinstance(value, dict):
        return {key: filled_in(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, known) for item in value]
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\$\w+(\.\w+)?", value):
        found: Any = known
        for part in value[1:].split("."):
            found = found[int(part) if part.isdigit() else part]
        return found
    return re.sub(r"\$\{(\w+)\}", lambda name: str(known[name[1]]), value)


def values(data: Any) -> dict[str, Any]:
    """Return the fields of an answer by name; outer fields and first list entries have priority."""
    found: dict[str, Any] = {}
    waiting = [data]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, list):
            waiting += one[:1]
        elif isinstance(one, dict):
            found = {**one, **found}
            waiting += one.values()
    return found
