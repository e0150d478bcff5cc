"""The calls that each function's README shows under `## Examples`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from bootstrap import ROOT

# The caller, the function unless it is the README's own, the request, and a refusal's code.
LINE = re.compile(r"(\w+)(?: ([a-z-]+))? +(\{.*\})(?: → ([A-Z_]+))?")
PHONE = re.compile(r"scripts/huitou phone pay (\S+) --as (\w+)")


@dataclass(frozen=True)
class Example:
    """One example of a README: a call, or an action on the guest's phone."""

    text: str
    who: str
    function: str
    event: dict[str, Any] | None
    refusal: str | None = None


def examples(function: str) -> list[Example]:
    """Read the block below `## Examples`; a line that begins with a space continues a call."""
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
    """Return the text under a heading of a function's README; empty if it has no such heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", readme(function), re.M | re.S)
    return found[1] if found else ""
