"""Permissions in the console: the table of routes and roles, and who may see which store."""

from __future__ import annotations

from typing import get_args

from huitou.operations.staff.models import OF_STORES, Role, ShownStaff, StaffMember

ALL: frozenset[Role] = frozenset(get_args(Role))


def _and(*roles: Role) -> frozenset[Role]:
    return frozenset(roles)


_OWNER = _and("owner")
_MARKETING = _and("owner", "marketing")
_MANAGERS = _and("owner", "area_manager", "store_manager")
_COUNTER = _MANAGERS | _and("cashier")
_READERS = _MARKETING | _and("finance")
# Who may approve merges, and rules that give something to many members.
DECIDE_RULES: frozenset[Role] = _and("owner", "area_manager")
_FIGURES = ALL - _and("cashier")

# Every route of the console, and the roles that may call it. Nobody may call any other route.
MAY: dict[str, frozenset[Role]] = {
    "session/me": ALL,
    "session/sign_out": ALL,
    "session/password": ALL,
    "staff/list": _OWNER,
    "staff/add": _OWNER,
    "staff/change": _OWNER,
    "staff/reset": _OWNER,
    "changes/list": _OWNER | _and("finance"),
    "home/figures": _FIGURES,
    "home/alarms": _MANAGERS | _and("finance"),
    "stores/list": ALL,
    "stores/get": ALL,
    "stores/schema": _MANAGERS,
    "stores/set": _MANAGERS,
    "stores/pause": _MANAGERS,
    "menu/schema": _MARKETING,
    "menu/dishes": ALL,
    "menu/set_dish": _MARKETING,
    "menu/list": ALL,
    "menu/sold_out": _COUNTER,
    "menu/listed": _MANAGERS,
    "menu/prices": _MANAGERS,
    "orders/today": ALL - _and("marketing"),
    "orders/search": ALL - _and("marketing"),
    "orders/get": ALL - _and("marketing"),
    "orders/explain": ALL - _and("marketing"),
    "orders/refund": _COUNTER,
    "approvals/refunds": _MANAGERS,
    "approvals/decide_refund": _MANAGERS,
    "approvals/adjustments": _MANAGERS,
    "approvals/decide_adjustment": _MANAGERS,
    "approvals/merges": DECIDE_RULES,
    "approvals/decide_merge": DECIDE_RULES,
    "members/search": _COUNTER | _READERS,
    "members/get": _COUNTER | _READERS,
    "members/statement": _COUNTER | _READERS,
    "members/orders": (_COUNTER | _READERS) - _and("marketing"),
    "members/coupons": _COUNTER | _READERS,
    "members/messages": _COUNTER | _READERS,
    "members/adjust": _MANAGERS,
    "members/issue": _MANAGERS | _and("marketing"),
    "members/birthday": _MANAGERS,
    "members/tag": _MANAGERS | _and("marketing"),
    "members/erase": _OWNER,
    "members/merge": _and("owner", "area_manager"),
    "coupons/templates": _MANAGERS | _READERS,
    "coupons/schema": _READERS,
    "coupons/list": _READERS,
    "coupons/get": _READERS,
    "coupons/put": _MARKETING,
    "coupons/claim_link": _MARKETING,
    "coupons/batches": _READERS,
    "coupons/codes": _MARKETING,
    "coupons/make_codes": _MARKETING,
    "coupons/revoke_batch": _MARKETING,
    "tiers/schema": _READERS,
    "tiers/history": _READERS,
    "tiers/preview": _READERS,
    "tiers/dry_run": _MARKETING,
    "tiers/apply": _MARKETING,
    "tiers/progress": _READERS,
    "campaigns/schema": _READERS,
    "campaigns/pushes": _READERS,
    "campaigns/list": _READERS,
    "campaigns/get": _READERS,
    "campaigns/report": _READERS,
    "campaigns/recipients": _READERS,
    "campaigns/lint": _MARKETING,
    "campaigns/audience": _MARKETING,
    "campaigns/put": _MARKETING,
    "campaigns/check": _MARKETING,
    "campaigns/accept": _MARKETING,
    "campaigns/start": _MARKETING,
    "campaigns/pause": _MARKETING,
    "campaigns/end": _MARKETING,
}


def may(role: Role, route: str) -> bool:
    """Whether this role may call this route."""
    return role in MAY.get(route, frozenset())


def may_see_store(staff: StaffMember, store_id: str | None) -> bool:
    """Whether a person may see a store's orders and figures; None stands for orders of no store."""
    return staff.role not in OF_STORES or store_id in staff.store_ids


def shown(staff: StaffMember) -> ShownStaff:
    """Return an account without its secrets."""
    fields = {name: getattr(staff, name, None) for name in ShownStaff.model_fields}
    return ShownStaff(**fields | {"staff_id": staff.id})
