"""One route of the console: what it wants, does and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from huitou.integrations.functions import Functions
from huitou.operations.console.lookup_service import Lookups
from huitou.operations.staff.models import Role, StaffMember
from huitou.operations.staff.rules import sees
from huitou.runtime.clock import Clock
from huitou.runtime.database import Database
from huitou.runtime.errors import Code, Lang, Refusal
from huitou.runtime.handler import Call

# What services below call the roles that decide about money: an owner decides like finance.
DECIDES_AS: dict[Role, str] = {
    "owner": "finance", "area_manager": "manager", "store_manager": "manager",
    "cashier": "cashier",
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """One signed-in person at work."""

    call: Call
    staff: StaffMember
    token: str

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
        return Lookups(self.database, self.sees)

    def ask(self, function: str, action: str, request: BaseModel) -> Any:
        """Have another function do it, in this person's language; what it refuses is refused."""
        functions = Functions(self.call.settings.cloud, self.call.settings.internal_secret)
        fields = request.model_dump(mode="json", exclude_none=True)
        return functions.ask(function, {"action": action, "lang": self.lang, **fields})

    def sees(self, store_id: str | None) -> bool:
        return sees(self.staff, store_id)

    def own(self, store_id: str) -> str:
        """Return the store's id; Refusal FORBIDDEN naming `store_id` if it isn't theirs to see."""
        if not self.sees(store_id):
            raise Refusal(Code.FORBIDDEN, field="store_id")
        return store_id

    def signature(self) -> dict[str, str]:
        """Who does it, as services below want it; never the browser's to say."""
        signed = {"actor": self.staff.id}
        role = DECIDES_AS.get(self.staff.role)
        return signed | ({"role": role} if role else {})


@dataclass(frozen=True)
class Route:
    """What a route wants, does and answers. Fields that `signed` names are the server's to fill.

    One that changes something has a `target`: what it is about, for the record of changes; `before`
    and `after` are what that keeps of it.
    """

    request: type[BaseModel]
    run: Callable[[Desk, Any], object]
    answer: type[BaseModel] | str
    signed: tuple[str, ...] = ()
    target: Callable[[Any], str] | None = None
    before: Callable[[Desk, Any], dict[str, Any]] | None = None
    after: Callable[[Any], dict[str, Any]] | None = None
