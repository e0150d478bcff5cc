"""Answers of forms whose rules were stored, with what the linter finds odd about them."""

from huitou.coupons.issuing.models import TemplateAnswer
from huitou.loyalty.tier_rollouts.models import RunAnswer
from huitou.marketing.linter.models import Finding


class SavedTemplateAnswer(TemplateAnswer):
    """A kind of coupon that was stored; `warnings` tell what looks odd, and nothing was refused."""

    warnings: list[Finding]


class AppliedTiersAnswer(RunAnswer):
    """The roll-out of tier rules that were stored; `warnings` tell what looks odd about them."""

    warnings: list[Finding]
