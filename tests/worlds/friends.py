"""Members who invite each other, in a test database."""

from __future__ import annotations

from typing import Any

from chain_data import FakeClock, Shop
from huitou.growth.referrals.binding_service import Binding
from huitou.growth.referrals.models import (
    ReferralRules,
)
from huitou.growth.referrals.service import Referrals
from huitou.operations.maintenance.models import LoadRequest
from huitou.operations.maintenance.service import Maintenance
from huitou.ordering.orders.models import Order
from huitou.runtime.database import Database
from huitou.runtime.identity import Caller

SET = {"count": 3, "template_id": "mall-10-3"}


class Friends:
    """Lets members invite each other and place their first orders."""

    def __init__(self, chain: Database, clock: FakeClock) -> None:
        self.database, self.clock, self.shop = chain, clock, Shop(chain, clock)
        self.referrals = Referrals(chain, clock, "huitou")
        self.ann = self.shop.register("ann")
        self.code = self.referrals.personal_code(self.ann)

    def rules(self, **rules: Any) -> None:
        document = ReferralRules.model_validate({"revision": 2} | rules)
        Maintenance(self.database, self.clock).load_chain(LoadRequest(referral_rules=document))
        self.database.cache.clear()

    def bring(self, name: str, code: str | None = None, address: str | None = None) -> str:
        caller = Caller(name, "wxapp", None, address)
        bind = Binding(self.database, self.clock).bind_inviter
        answer = self.shop.members.login(caller, f"r-{code or self.code}", b"k" * 32, bind)
        return str(answer["member_id"])

    def first_order(self, member_id: str, **cart: Any) -> Order:
        """Create an order, pay it and complete it."""
        order = self.shop.paid(member_id, **cart)
        self.database.collection("orders").update_one(
            {"_id": order.id},
            {
                "$set": {"status": "completed", "completed_at": self.clock.now()},
                "$unset": {"complete_by": ""},
            },
        )
        return order

    def settle(self) -> list[str]:
        return [
            self.referrals.settle_referral(referral_id)
            for referral_id in self.referrals.due_referrals()
        ]

    def points(self, member_id: str) -> int:
        self.database.cache.clear()
        found = self.database.collection("points_entries").find({"member_id": member_id})
        return sum(entry["points"] for entry in found if "referral:" in entry["_id"])

    def status(self, member_id: str) -> str:
        found = self.database.collection("referrals").find_one({"_id": member_id})
        return str(found["status"]) if found else "none"

    def coupons(self, member_id: str) -> list[str]:
        found = self.database.collection("coupons").find({"member_id": member_id})
        return sorted(str(row["status"]) for row in found if "referral-set" in row["cause"])
