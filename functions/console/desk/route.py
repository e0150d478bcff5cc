"""One route of the console: its request, what it does, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from huitou.coupons.issuing.roles import GiverRole
from huitou.integrations.functions import Functions
from huitou.operations.console.lookup_service import Lookups
from huitou.operations.rule_approvals.service import RuleApprovals
from huitou.operations.staff.models import OF_STORES, Role, StaffMember
from huitou.operations.staff.rules import may, may_see_store
from huitou.operations.staff.service import Colleagues
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal
from huitou.runtime.handler import Call

# The names that services use for roles that decide about money; an owner decides like finance.
DECIDES_AS: dict[Role, GiverRole] = {
    "owner": "finance", "area_manager": "manager", "store_manager": "manager",
    "cashier": "cashier", "marketing": "marketing",
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """One call of a signed-in person, and what its route needs."""

    call: Call
    staff: StaffMember
    token: str
    address: str

    @property
    def database(self) -> Database:
        return self.call.database

    @property
    def clock(self) -> Clock:
        return self.call.clock

    @property
    def lang(self) -> Lang:
        return self.call.lang

    @property
    def brand_id(self) -> str:
        return self.call.settings.brand_id

    @cached_property
    def lookups(self) -> Lookups:
        return Lookups(
            self.database,
            self.may_see_store,
            store_ids=self.staff.store_ids if self.staff.role in OF_STORES else None,
            sees_orders=may(self.staff.role, "orders/get"),
        )

    @cached_property
    def colleagues(self) -> Colleagues:
        return Colleagues(self.database, self.staff)

    @cached_property
    def rule_approvals(self) -> RuleApprovals:
        role = DECIDES_AS[self.staff.role]
        alone = self.colleagues.is_alone()
        return RuleApprovals(self.database, self.clock, self.staff.id, role, is_alone=alone)

    def ask(self, function: str, action: str, request: BaseModel) -> Any:
        """Call another function in this person's language; raises its refusal as a Refusal."""
        functions = Functions(self.call.settings.cloud, self.call.settings.internal_secret)
        fields = request.model_dump(mode="json", exclude_none=True)
        return functions.ask(function, {"action": action, "lang": self.lang, **fields})

    def may_see_store(self, store_id: str | None) -> bool:
        return may_see_store(self.staff, store_id)

    def own(self, store_id: str) -> str:
        """Return the store's id; raises Refusal FORBIDDEN if the person may not see the store."""
        if not self.may_see_store(store_id):
            raise Refusal(Code.FORBIDDEN, field="store_id")
        return store_id

    def signature(self) -> dict[str, str]:
        """Return who acts, in the fields that services want; the browser must not say it."""
        signed = {"actor": self.staff.id}
        role = DECIDES_AS.get(self.staff.role)
        return signed | ({"role": role} if role else {})


@dataclass(frozen=True)
class Route:
    """A route's request, what it does, and its answer. The server fills the fields in `signed`.

    A route that changes something has a `target`: the name of what it changes, for the record of
    changes. `before` and `after` return the values that this record stores.
    """

    request: type[BaseModel]
    run: Callable[[Desk, Any], object]
    answer: type[BaseModel]
    signed: tuple[str, ...] = ()
    target: Callable[[Any], str] | None = None
    before: Callable[[Desk, Any], dict[str, Any]] | None = None
    after: Callable[[Any], dict[str, Any]] | None = None
