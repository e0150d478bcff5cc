"""What the linter says of a campaign: findings, each with its rule, the field and the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from huitou.coupons.issuing.models import CouponTemplate
from huitou.members.messaging.models import MessageRules
from huitou.runtime.documents import Answer

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Facts:
    """What a campaign is held against beside itself.

    `lowest_fen` is for how little a dish was sold in the last 7 days, None where it wasn't.
    `before` are the gifts and prizes of the revision that has run already, as plain text.
    """

    templates: Mapping[str, CouponTemplate]
    messages: MessageRules
    lowest_fen: Mapping[str, int | None]
    before: str | None = None


class Finding(Answer):
    """One finding. Errors keep a campaign from starting; a warning wants a named person's word."""

    rule: str
    severity: Severity
    field: str
    message: str
    source: str


class LintAnswer(Answer):
    """What speaks against a draft, errors first."""

    findings: list[Finding]


class CheckAnswer(LintAnswer):
    """Where the campaign is after the check, and the warnings that somebody must accept first."""

    status: str
    to_accept: list[str]
