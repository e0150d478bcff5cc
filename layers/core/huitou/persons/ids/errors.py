"""Error codes of a person's ids."""

from __future__ import annotations

from huitou.runtime.errors import ErrorCode, Words

PERSON: Words = "会员", "member"


class PersonErrors(ErrorCode):
    """Why an id stands for nobody any more."""

    MERGED_ELSEWHERE = "该会员已并入其他会员", "This member was merged into another one"
