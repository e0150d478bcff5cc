"""The coupons that come with a tier: on reaching it, each month, on birthdays.

No transactions: each coupon's id comes from its cause. If a run crashes before it records that
coupons are issued, the next run finds them, and issues only those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from huitou.catalog.stores.rules import shifted
from huitou.coupons.issuing.service import Coupons
from huitou.loyalty.birthdays.rules import birthday_from
from huitou.loyalty.tiers.service import MOST_TRIES, Tiers
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Unavailable

if TYPE_CHECKING:
    from huitou.loyalty.tier_benefits.models import GrantOutcome


class TierCoupons:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._tiers = Tiers(database, clock)
        self._coupons = Coupons(database, clock)

    def due_entry_coupons(self) -> Iterator[str]:
        return self._tiers.due_entry_coupons()

    def due_monthly_coupons(self) -> Iterator[str]:
        return self._tiers.due_monthly_coupons()

    def due_birthday_coupons(self) -> Iterator[str]:
        return self._tiers.due_birthday_coupons()

    def grant_entry_coupons(self, member_id: str) -> GrantOutcome:
        """Issue the entry coupons of the member's level, once per level and calendar year."""
        issued = 0
        for _ in range(MOST_TRIES):
            owed = self._tiers.owed_benefits(member_id)
            if owed is None:  # The event came late, or the member has fallen since.
                return "issued" if issued else "nothing due"
            level, standing = owed
            year = (standing.since_day or "")[:4]
            cause = f"tier:{member_id}:{level.level}:{year}"
            issued += self._issue(member_id, level.entry_coupons, cause)
            if self._tiers.record_entry_coupons(member_id, standing):
                return "issued" if issued else "nothing new"
        raise Unavailable  # The tier keeps moving; the marker is still due.

    def grant_monthly_coupons(self, member_id: str) -> GrantOutcome:
        """Issue this month's coupons of the member's level, once per level and month."""
        issued = 0
        for _ in range(MOST_TRIES):
            account, level = self._tiers.account_and_level(member_id)
            today = self._tiers.today()
            if account.monthly_on is None or account.monthly_on > today:
                return "issued" if issued else "nothing due"
            cause = f"tier-month:{member_id}:{level.level}:{today[:7]}"
            issued += self._issue(member_id, level.monthly_coupons, cause)
            if self._tiers.record_monthly_coupons(account, level):
                return "issued" if issued else "nothing new"
        raise Unavailable

    def grant_birthday_coupons(self, member_id: str) -> GrantOutcome:
        """Issue the birthday coupons of the member's level, once per year."""
        account, level = self._tiers.account_and_level(member_id)
        today, birthday = self._tiers.today(), account.birthday_on
        if birthday is None or account.birthday_md is None or birthday > today:
            return "nothing due"
        cause = f"birthday:{member_id}:{birthday[:4]}"
        issued = self._issue(member_id, level.birthday_coupons, cause)
        self._tiers.record_birthday_coupons(
            account, birthday_from(account.birthday_md, shifted(today, 1))
        )
        return "issued" if issued else "nothing new"

    def _issue(self, member_id: str, template_ids: list[str], cause: str) -> int:
        issued = 0
        for template in self._coupons.find_templates(template_ids).values():
            named = f"{cause}:{template.id}"
            granted = self._coupons.issue_coupon(template, member_id=member_id, cause=named)
            issued += granted is not None
        return issued
