"""The calls that each function's README shows under `## Examples`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from bootstrap import ROOT

# Who calls, which function if it isn't the README's own, with what; and the code of a refusal.
LINE = re.compile(r"(\w+)(?: ([a-z-]+))? +(\{.*\})(?: → ([A-Z_]+))?")
PHONE = re.compile(r"scripts/huitou phone pay (\S+) --as (\w+)")


@dataclass(frozen=True)
class Example:
    """One line of a README's examples: a call, or what a guest does on the phone."""

    text: str
    who: str
    function: str
    event: dict[str, Any] | None
    refusal: str | None = None


def examples(function: str) -> list[Example]:
    """Read the block below `## Examples`; a line that begins with a space goes on with a call."""
    [block] = re.findall(r"```text\n(.*?)```", section(function, "Examples"), re.S)
    found = []
    for line in re.sub(r"\n +", " ", block).strip().splitlines():
        phone, call = PHONE.fullmatch(line), LINE.fullmatch(line)
        assert phone or call, f"{function}: {line}"
        if phone:
            found.append(Example(line, phone[2], "phone", None))
        elif call:
            event = json.loads(call[3])
            found.append(Example(line, call[1], call[2] or function, event, call[4]))
    return found


def readme(function: str) -> str:
    return (ROOT / "functions" / function / "README.md").read_text(encoding="utf-8")


def section(function: str, title: str) -> str:
    """What stands under a heading of a function's README; nothing if it has no such heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", readme(function), re.M | re.S)
    return found[1] if found else ""
