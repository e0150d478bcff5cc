"""Why rules aren't stored."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode


class RuleErrors(ErrorCode):
    """Why rules aren't stored."""

    RULE_GIVES_TOO_MUCH = (
        "规则未保存：{detail}。请修改后再保存",
        "The rule isn't stored: {detail}. Change it and store it again",
    )
