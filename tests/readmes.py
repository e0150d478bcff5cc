"""Find the READMEs, and the commands that they tell readers to type."""

from __future__ import annotations

import re

from bootstrap import ROOT

TOP = ("README.md", "README.zh-CN.md")
READMES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("README*.md", "functions/*/README.md", "scripts/README.md", "layers/README.md")
    for path in ROOT.glob(pattern)
)


def blocks(readme: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def every_block() -> list[str]:
    """Return all commands of all READMEs; of the two languages, which agree, only one is read."""
    return [block for readme in READMES if readme != TOP[1] for block in blocks(readme)]
