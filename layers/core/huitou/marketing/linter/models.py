"""What the linter finds in a campaign: each finding names its rule, the field and the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from huitou.coupons.issuing.models import CouponTemplate
from huitou.marketing.campaigns.models import Status
from huitou.members.messaging.models import MessageRules
from huitou.runtime.documents import Answer

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Facts:
    """What the rules must know besides the campaign itself.

    `templates` are the coupon templates by id. `lowest_fen` is each dish's lowest price in the
    last 7 days, in fen; None if it wasn't sold. `before` is what the revision that runs, or has
    run, promised (see `promised`); None if the campaign has never run.
    """

    templates: Mapping[str, CouponTemplate]
    messages: MessageRules
    lowest_fen: Mapping[str, int | None]
    before: str | None = None


class Finding(Answer):
    """One finding. A campaign with an error can't start; a warning must be accepted by somebody."""

    rule: str
    severity: Severity
    field: str
    message: str
    source: str


class LintAnswer(Answer):
    """The findings about a draft, errors first."""

    findings: list[Finding]


class CheckAnswer(LintAnswer):
    """The campaign's status after the check, and the warnings that somebody must accept first."""

    status: Status
    to_accept: list[str]
