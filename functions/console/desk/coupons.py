"""coupons: the kinds there are, for who chooses one."""

from __future__ import annotations

from desk.route import Route
from huitou.coupons.models import NamedTemplates
from huitou.coupons.service import Coupons
from huitou.staff.models import NoRequest

ROUTES = {
    "templates": Route(
        NoRequest, lambda desk, _: Coupons(desk.database, desk.clock).named_templates(),
        NamedTemplates,
    ),
}  # fmt: skip
